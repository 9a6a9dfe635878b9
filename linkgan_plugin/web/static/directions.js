// Sliders along the strongest directions of a region.

import { directionSlider, release, showValue } from "./slider.js";

const SHOWN = 5; // directions, strongest first

/**
 * Fires "slide" while a slider is moved and "slid" when it is released, with detail.direction and detail.to; and "find"
 * when the button is pressed that computes the directions, which takes `seconds`.
 */
export class Directions extends EventTarget {
  constructor(section, seconds) {
    super();
    Object.assign(this, { section, seconds, sliders: [] });
    [this.title, this.list, this.button] = ["h2", "div", "button"].map((part) => section.querySelector(part));
    this.button.addEventListener("click", () => this.dispatchEvent(new Event("find")));
    section.hidden = false;
  }

  /** Show a region { title, colour } whose directions are unknown, and a button that computes them. */
  wait(region, doing = "") {
    this.sliders = [];
    this.list.replaceChildren();
    this.title.textContent = `Strongest directions: ${region.title}`;
    this.section.style.setProperty("--region", region.colour);
    this.button.hidden = false;
    this.button.disabled = Boolean(doing);
    const time = this.seconds < 90 ? `${Math.ceil(this.seconds)} seconds` : `${Math.round(this.seconds / 60)} minutes`;
    this.button.textContent = doing || `Compute them, about ${time}`;
  }

  /** Show a slider for each of a region's directions; `effects` are theirs, strongest first. */
  setRegion(region, effects) {
    this.wait(region);
    this.button.hidden = true;
    this.sliders = effects.slice(0, SHOWN).map((effect, direction) => this.slider(region, direction));
    this.list.replaceChildren(...this.sliders.map((slider) => slider.parentElement));
  }

  /** Set the sliders to the state of the region, except those being moved. */
  show({ directions }, locked) {
    this.sliders.forEach((slider, direction) => {
      slider.disabled = locked;
      showValue(slider, directions[direction] ?? 0);
    });
  }

  /** Let a slider follow the state again after its step was done, unless it has been moved since. */
  done({ direction, to }) {
    release(this.sliders[direction], to);
  }

  slider(region, direction) {
    const tell = (type, to) => this.dispatchEvent(new CustomEvent(type, { detail: { direction, to } }));
    const text = `Direction ${direction + 1}`;
    return directionSlider({ id: `direction-${direction}`, text, label: `${region.title}, direction ${direction + 1}`, tell });
  }
}
