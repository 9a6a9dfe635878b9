// One slider along a direction: its label, its value, and what it tells while it is moved.

const REACH = 3; // standard deviations to either side

/**
 * Return a slider in a row with its label. `tell` is called with "slide" while it is moved and with "slid" when it is
 * released, and its value. `dataset.held` is set from then on, until its step was done or it loses the focus.
 */
export function directionSlider({ id, text, label, tell }) {
  const row = document.createElement("div");
  row.className = "slider";
  const name = document.createElement("label");
  const slider = Object.assign(document.createElement("input"), { type: "range", min: -REACH, max: REACH, step: 0.1, value: 0 });
  const output = document.createElement("output");
  slider.id = id;
  name.htmlFor = output.htmlFor = id;
  name.textContent = text;
  slider.ariaLabel = label;
  slider.title = "Double click: back to 0";
  const write = () => (output.textContent = Number(slider.value).toFixed(1));
  const told = (type) => {
    slider.dataset.held = "yes";
    write();
    tell(type, Number(slider.value));
  };
  slider.addEventListener("input", () => told("slide"));
  slider.addEventListener("change", () => told("slid"));
  slider.addEventListener("dblclick", () => ((slider.value = 0), told("slid")));
  slider.addEventListener("blur", () => delete slider.dataset.held);
  slider.addEventListener("shown", write);
  row.append(name, slider, output);
  return slider;
}

/** Set a slider to the state of the image, unless it is being moved. */
export function showValue(slider, value) {
  if (slider.dataset.held) return;
  slider.value = value;
  slider.dispatchEvent(new Event("shown"));
}

/** Let a slider follow the state again after the step to `to` was done, unless it has been moved since. */
export function release(slider, to) {
  if (slider && Number(slider.value) === to) delete slider.dataset.held;
}
