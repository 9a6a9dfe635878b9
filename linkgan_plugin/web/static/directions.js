// Sliders along what changes a region most.

const SHOWN = 5; // directions, strongest first
const REACH = 3; // standard deviations to either side

/**
 * Fires "slide" while a hand moves a slider and "slid" when it lets go, with detail.direction and detail.to; and "find"
 * where somebody wants to have the directions looked for, which takes `seconds`.
 */
export class Directions extends EventTarget {
  constructor(section, seconds) {
    super();
    Object.assign(this, { section, seconds, sliders: [] });
    [this.title, this.list, this.button] = ["h2", "div", "button"].map((part) => section.querySelector(part));
    this.button.addEventListener("click", () => this.dispatchEvent(new Event("find")));
    section.hidden = false;
  }

  /** Show a region { title, colour } whose directions are not known, and a button to look for them. */
  wait(region, doing = "") {
    this.sliders = [];
    this.list.replaceChildren();
    this.title.textContent = `What changes ${region.title} most`;
    this.section.style.setProperty("--region", region.colour);
    this.button.hidden = false;
    this.button.disabled = Boolean(doing);
    const time = this.seconds < 90 ? `${Math.ceil(this.seconds)} seconds` : `${Math.round(this.seconds / 60)} minutes`;
    this.button.textContent = doing || `Find out, about ${time}`;
  }

  /** Show sliders for directions that change a region so much, strongest first. */
  setRegion(region, changes) {
    this.wait(region);
    this.button.hidden = true;
    this.sliders = changes.slice(0, SHOWN).map((change, direction) => this.slider(region, direction));
    this.list.replaceChildren(...this.sliders.map((slider) => slider.parentElement));
  }

  /** Put the sliders where the state of the region has them, but those in somebody's hand. */
  show({ directions }, locked) {
    this.sliders.forEach((slider, direction) => {
      slider.disabled = locked;
      if (slider.dataset.held) return;
      slider.value = directions[direction] ?? 0;
      slider.dispatchEvent(new Event("shown"));
    });
  }

  /** What was slid there has been done: the slider may follow the state again, unless it has been moved on. */
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
    slider.title = "Double click: back to the middle";
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
