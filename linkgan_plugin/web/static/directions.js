// Sliders along the strongest directions of a region.

const SHOWN = 5; // directions, strongest first
const REACH = 3; // standard deviations to either side

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
      if (slider.dataset.held) return;
      slider.value = directions[direction] ?? 0;
      slider.dispatchEvent(new Event("shown"));
    });
  }

  /** Let a slider follow the state again after its step was done, unless it has been moved since. */
  done({ direction, to }) {
    const slider = this.sliders[direction];
    if (slider && Number(slider.value) === to) delete slider.dataset.held;
  }

  slider(region, direction) {
    const row = document.createElement("div");
    row.className = "slider";
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: -REACH, max: REACH, step: 0.1, value: 0 });
    const output = document.createElement("output");
    slider.id = `direction-${direction}`;
    label.htmlFor = output.htmlFor = slider.id;
    label.textContent = `Direction ${direction + 1}`;
    slider.ariaLabel = `${region.title}, direction ${direction + 1}`;
    slider.title = "Double click: back to 0";
    const write = () => (output.textContent = Number(slider.value).toFixed(1));
    const tell = (type) => {
      slider.dataset.held = "yes";
      write();
      this.dispatchEvent(new CustomEvent(type, { detail: { direction, to: Number(slider.value) } }));
    };
    slider.addEventListener("input", () => tell("slide"));
    slider.addEventListener("change", () => tell("slid"));
    slider.addEventListener("dblclick", () => ((slider.value = 0), tell("slid")));
    slider.addEventListener("blur", () => delete slider.dataset.held);
    slider.addEventListener("shown", write);
    row.append(label, slider, output);
    return slider;
  }
}
