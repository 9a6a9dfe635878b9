// An image on the server and its view on the page: sends requests one at a time and shows the responses.

import * as api from "./api.js";
import { complain } from "./dom.js";

/** Fires "shown" after pixels and state have arrived. */
export class Viewer extends EventTarget {
  constructor(view, regions) {
    super();
    Object.assign(this, { view, regions, state: null, masks: null, pending: new Map() });
    this.last = Promise.resolve();
    this.waiting = 0;
  }

  /** Open an image by its name; throws if it is no longer stored. */
  open(image) {
    return this.queued(async () => this.show(await api.imageOf(await api.get(`images/${image}`))));
  }

  /** Change the image: "steps", "undo", "look", ... Returns whether it succeeded; failures are shown to the user. */
  change(what, data) {
    return this.ask(() => api.post(`images/${this.state.image}/${what}`, data));
  }

  /** Show the image that a request returns, or its error. Returns whether it succeeded. */
  ask(request) {
    const started = performance.now();
    return this.queued(async () => {
      try {
        await this.show(await api.imageOf(await request()), started);
        complain();
        return true;
      } catch (error) {
        complain(error.message);
        return false;
      }
    });
  }

  /** Do only the last of the calls of one kind that are made while a request is running. */
  async latest(kind, call) {
    const idle = !this.pending.has(kind);
    this.pending.set(kind, call);
    if (!idle) return;
    await this.last.catch(() => {});
    const last = this.pending.get(kind);
    this.pending.delete(kind);
    await last();
  }

  /** Show the image after a step, without doing the step; `data` returns the step when the request is sent. */
  preview(data) {
    this.latest("preview", () =>
      this.queued(async () => {
        const answer = await api.post(`images/${this.state.image}/preview`, data()).catch(() => null);
        if (answer) this.view.show((await api.imageOf(answer)).pixels);
      }),
    );
  }

  /** The current camera, including the last request for another. */
  get look() {
    return this.requested ?? this.state.look;
  }

  /** Move the camera to { yaw, pitch }. */
  turn(look) {
    this.requested = look;
    this.latest("turn", async () => {
      const sent = this.requested;
      await this.change("look", sent);
      if (this.requested === sent) this.requested = null;
    });
  }

  /** Show the original, or the edited image again. */
  compare(on) {
    return this.ask(() => (on ? api.get(`images/${this.state.image}/before`) : api.get(`images/${this.state.image}`)));
  }

  /** Reload the image, which another tab may have changed. */
  refresh() {
    return this.ask(() => api.get(`images/${this.state.image}`));
  }

  async download(what) {
    try {
      await api.save(await api.get(`images/${this.state.image}/${what}`));
    } catch (error) {
      complain(error.message);
    }
  }

  /** Names of the regions that are empty in this image. */
  get absent() {
    return new Set(this.regions.map((region) => region.name).filter((name) => this.view.areas && !this.view.areas.get(name)));
  }

  async show({ state, pixels }, started) {
    this.view.show(pixels);
    if (started !== undefined) performance.measure("linkgan: request to shown", { start: started });
    if (!state) return;
    this.state = state;
    this.dispatchEvent(new Event("shown"));
    this.view.setLocked(new Set(state.locked));
    this.showMasks(pixels);
  }

  /** Load the masks after the image, unless the current outlines were drawn from them. */
  async showMasks({ width, height }) {
    const { image, masks } = this.state;
    const wanted = `${masks ? image : ""} ${masks} ${width}`;
    if (this.masks === wanted) return;
    try {
      const bytes = new Uint8Array(await (await api.get(`images/${image}/masks`)).arrayBuffer());
      if (this.state.image !== image || this.state.masks !== masks) return;
      this.masks = wanted;
      const size = width * height;
      const named = this.regions.map(({ name }, row) => [name, bytes.subarray(row * size, (row + 1) * size)]);
      this.view.setRegions(this.regions, new Map(named), width, height);
      this.view.setLocked(new Set(this.state.locked));
      this.dispatchEvent(new Event("shown"));
    } catch (error) {
      complain(error.message);
    }
  }

  queued(call) {
    this.waiting += 1;
    this.view.busy = true;
    const done = this.last.catch(() => {}).then(call);
    this.last = done;
    const settle = () => (this.view.busy = --this.waiting > 0);
    done.then(settle, settle);
    return done;
  }
}
