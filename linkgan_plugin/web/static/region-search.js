// The search for directions of a region that is drawn on the image or written.

import * as api from "./api.js";
import { complain } from "./dom.js";

const WAITING = "linkgan-search"; // in this tab's storage, so that a reload continues to wait
const PAUSE = 300; // milliseconds between two requests for the progress
const LEAST = 0.02; // of the image's side; smaller boxes are clicks

export class RegionSearch {
  /** `done(set)` is called with the name of the set of directions; `plate` is the image's element. */
  constructor(form, plate, done) {
    Object.assign(this, { form, plate, done });
    this.field = form.querySelector("input");
    [this.draw, this.find, this.cancel] = ["draw", "find", "cancel"].map((name) => form.querySelector(`.${name}`));
    [this.bar, this.status] = ["progress", ".hint"].map((part) => form.querySelector(part));
    this.box = plate.appendChild(Object.assign(document.createElement("span"), { className: "drawn-box", hidden: true }));
    this.draw.addEventListener("click", () => this.setDrawing(!this.drawing));
    this.cancel.addEventListener("click", () => this.stop());
    form.addEventListener("submit", (event) => (event.preventDefault(), this.send()));
    this.listen();
    form.hidden = false;
    const waiting = sessionStorage.getItem(WAITING);
    if (waiting) this.wait(waiting);
  }

  get drawing() {
    return this.draw.ariaPressed === "true";
  }

  /** Drags draw a box instead of clicks redrawing. */
  setDrawing(on) {
    this.draw.ariaPressed = String(on);
    this.plate.classList.toggle("drawing", on);
    if (!on) this.box.hidden = true;
  }

  listen() {
    let start = null;
    const at = (event) => {
      const frame = this.plate.getBoundingClientRect();
      return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height].map((value) => Math.min(Math.max(value, 0), 1));
    };
    this.plate.addEventListener("pointerdown", (event) => {
      if (!this.drawing || event.button) return;
      event.preventDefault();
      this.plate.setPointerCapture(event.pointerId);
      start = at(event);
    });
    this.plate.addEventListener("pointermove", (event) => start && this.show(start, at(event)));
    this.plate.addEventListener("pointerup", (event) => {
      if (start) this.show(start, at(event));
      start = null;
    });
    this.plate.addEventListener("pointercancel", () => (start = null));
    this.plate.addEventListener("click", (event) => this.drawing && event.stopPropagation(), { capture: true });
  }

  show(from, to) {
    const [left, top] = [0, 1].map((axis) => Math.min(from[axis], to[axis]));
    const [right, bottom] = [0, 1].map((axis) => Math.max(from[axis], to[axis]));
    if (right - left < LEAST || bottom - top < LEAST) return;
    this.field.value = `box(${[left, top, right, bottom].map((value) => Number(value.toFixed(3))).join(",")})`;
    const percent = (value) => `${100 * value}%`;
    Object.assign(this.box.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
    this.box.hidden = false;
  }

  async send() {
    complain();
    try {
      const { search } = await (await api.post("searches", { region: this.field.value })).json();
      this.setDrawing(false);
      await this.wait(search);
    } catch (error) {
      complain(error.message);
    }
  }

  /** Follow the progress until there is a set or an error, or the search is cancelled. */
  async wait(search) {
    this.setWaiting(search);
    const { set, error } = await this.outcome(search).catch(({ message }) => ({ error: message }));
    if (this.waiting !== search) return;
    this.setWaiting(null);
    this.status.textContent = error ? "" : "Found. Move the sliders below.";
    if (error) complain(error);
    else this.done(set);
  }

  async outcome(search) {
    while (this.waiting === search) {
      const state = await (await api.get(`searches/${search}`)).json();
      if (this.waiting !== search) break;
      this.bar.value = state.share;
      this.status.textContent = state.text;
      if (state.set || state.error) return state;
      await new Promise((go) => setTimeout(go, PAUSE));
    }
    return {};
  }

  setWaiting(search) {
    this.waiting = search;
    if (search) sessionStorage.setItem(WAITING, search);
    else sessionStorage.removeItem(WAITING);
    this.bar.hidden = this.cancel.hidden = !search;
    this.find.disabled = Boolean(search);
  }

  async stop() {
    const search = this.waiting;
    this.setWaiting(null);
    this.status.textContent = "Cancelled.";
    await api.remove(`searches/${search}`).catch((error) => complain(error.message));
  }
}
