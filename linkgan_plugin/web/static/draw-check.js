// Checks the links on the server whenever they change; the server computes areas and axes.

import * as api from "./api.js";
import { complain } from "./dom.js";

/** Fires "checked" after a response: `found` (region -> row), `wrong` (regions with errors), `answer`. */
export class Checker extends EventTarget {
  constructor(model) {
    super();
    Object.assign(this, { model, found: new Map(), wrong: new Set(), answer: null, asked: "", busy: false, failed: false });
  }

  /** Send the links unless they are unchanged; of changes made during a request, only the last is sent. */
  async check() {
    if (this.busy) return;
    this.busy = true;
    for (let question = this.question(); question.body !== this.asked; question = this.question()) {
      this.asked = question.body;
      try {
        this.take(await (await api.post("links", JSON.parse(question.body))).json(), question.ids);
        if (this.failed) complain();
        this.failed = false;
      } catch (error) {
        [this.answer, this.failed] = [null, true];
        complain(error.message);
        this.dispatchEvent(new Event("checked"));
      }
    }
    this.busy = false;
  }

  question() {
    const { links } = this.model;
    const { overlap, dim } = this.model.data;
    return { ids: links.map(({ id }) => id), body: JSON.stringify({ links: links.map(({ text }) => text), allow_overlap: overlap, dim }) };
  }

  take(answer, ids) {
    this.answer = answer;
    this.found = new Map(ids.map((id, place) => [id, answer.links[place]]));
    this.wrong = new Set(ids.filter((_, place) => answer.links[place].error));
    for (const { links } of answer.errors) for (const place of links) this.wrong.add(ids[place]);
    this.dispatchEvent(new Event("checked"));
  }

  /** Whether the options are valid. */
  get isRight() {
    return Boolean(this.answer?.option) && !this.wrong.size && !this.answer.errors.length;
  }
}
