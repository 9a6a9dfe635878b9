// An image of the server and its view on the page: asks for changes one after another and shows what comes.

import * as api from "./api.js";
import { complain } from "./dom.js";

/** Fires "shown" when pixels and state have come. */
export class Viewer extends EventTarget {
  constructor(view, regions) {
    super();
    Object.assign(this, { view, regions, state: null, masks: null, wishes: new Map() });
    this.last = Promise.resolve();
    this.waiting = 0;
  }

  /** Open an image by its name; throws where it is not kept any more. */
  open(image) {
    return this.queued(async () => this.show(await api.imageOf(await api.get(`images/${image}`))));
  }

  /** Change the image: "steps", "undo", "look", ... Returns whether it was done; says so where it was not. */
  change(what, data) {
    return this.ask(() => api.post(`images/${this.state.image}/${what}`, data));
  }

  /** Show what a request answers; complain where it fails. Returns whether it was done. */
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

  /** Of wishes of one kind that come faster than they are answered, do the last. */
  async latest(kind, call) {
    const idle = !this.wishes.has(kind);
    this.wishes.set(kind, call);
    if (!idle) return;
    await this.last.catch(() => {});
    const wish = this.wishes.get(kind);
    this.wishes.delete(kind);
    await wish();
  }

  /** Show what a step would make of it, which `wanted` gives when its turn has come. */
  preview(wanted) {
    this.latest("preview", () =>
      this.queued(async () => {
        const answer = await api.post(`images/${this.state.image}/preview`, wanted()).catch(() => null);
        if (answer) this.view.show((await api.imageOf(answer)).pixels);
      }),
    );
  }

  /** Where it is looked at from, the last wish included. */
  get look() {
    return this.wished ?? this.state.look;
  }

  /** Look from elsewhere: { yaw, pitch }. */
  turn(look) {
    this.wished = look;
    this.latest("turn", async () => {
      const wish = this.wished;
      await this.change("look", wish);
      if (this.wished === wish) this.wished = null;
    });
  }

  /** Show what it was at first, or again what it is. */
  compare(on) {
    return this.ask(() => (on ? api.get(`images/${this.state.image}/before`) : api.get(`images/${this.state.image}`)));
  }

  /** Show it as it is on the server, where another tab may have changed it. */
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

  /** Names of regions that the image does not show. */
  get absent() {
    return new Set(this.regions.map((region) => region.name).filter((name) => this.view.areas && !this.view.areas.get(name)));
  }

  async show({ state, pixels }, started) {
    this.view.show(pixels);
    if (started !== undefined) performance.measure("linkgan: asked to shown", { start: started });
    if (!state) return;
    this.state = state;
    this.dispatchEvent(new Event("shown"));
    this.view.setLocked(new Set(state.locked));
    this.showMasks(pixels);
  }

  /** Masks come after the image, and only where they are not the ones drawn already. */
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
