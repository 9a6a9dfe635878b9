// Sliders along sets of directions: from files, or found for drawn regions.

import { directionSlider, release, showValue } from "./slider.js";

/** Fires "slide" while a slider is moved and "slid" when it is released, with detail.of, detail.direction and detail.to. */
export class DirectionSets extends EventTarget {
  constructor(section) {
    super();
    this.section = section;
    this.list = section.querySelector(".sets");
    this.sliders = new Map(); // name of a set -> its sliders
    this.made = 0;
  }

  has(name) {
    return this.sliders.has(name);
  }

  /** Show sets [{ name, title, directions }], where directions are names; those shown already stay as they are. */
  setSets(sets) {
    const names = new Set(sets.map(({ name }) => name));
    for (const name of [...this.sliders.keys()]) if (!names.has(name)) (this.partOf(name).remove(), this.sliders.delete(name));
    for (const set of sets) if (!this.has(set.name)) this.list.append(this.part(set));
    this.section.hidden = !this.section.querySelector("form:not([hidden])") && !sets.length;
  }

  partOf(name) {
    return this.sliders.get(name)[0].closest("details");
  }

  part({ name, title, directions }) {
    const part = document.createElement("details");
    part.open = true;
    const summary = document.createElement("summary");
    summary.textContent = title;
    const sliders = directions.map((direction, index) => this.slider(name, title, direction, index));
    part.append(summary, ...sliders.map((slider) => slider.parentElement));
    this.sliders.set(name, sliders);
    return part;
  }

  slider(of, title, direction, index) {
    const tell = (type, to) => this.dispatchEvent(new CustomEvent(type, { detail: { of, direction: index, to } }));
    const text = direction === String(index) ? `Direction ${index + 1}` : direction;
    return directionSlider({ id: `set-slider-${(this.made += 1)}`, text, label: `${title}, ${text}`, tell });
  }

  /** Set the sliders to the state of the image: name -> { direction: position }. */
  show(positions) {
    for (const [name, sliders] of this.sliders) sliders.forEach((slider, index) => showValue(slider, positions[name]?.[index] ?? 0));
  }

  /** Let a slider follow the state again after its step was done. */
  done({ of, direction, to }) {
    release(this.sliders.get(of)?.[direction], to);
  }

  /** Bring a set into view. */
  reveal(name) {
    const part = this.partOf(name);
    part.open = true;
    part.scrollIntoView({ block: "nearest" });
  }
}
