// Small parts of the page, made by scripts.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** One of the icons at the top of the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A button; `pressed` makes it one that stays down. */
export function button({ className, label, pressed, press }, ...content) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  if (label) made.ariaLabel = label;
  if (pressed !== undefined) made.ariaPressed = String(pressed);
  made.append(...content);
  made.addEventListener("click", press);
  return made;
}

/**
 * A setting with a slider: shows the value beside it and returns a function that gives it. It is exactly the one given,
 * also where the slider has no such place, until somebody moves the slider; a reload of the tab leaves it there.
 */
export function setting(slider, given) {
  const output = slider.parentElement.querySelector("output");
  const key = `linkgan-${slider.id}-from-${given}`; // a start with another value begins with that
  let value;
  const set = (wanted) => (output.textContent = (value = wanted).toFixed(2));
  set(Number(sessionStorage.getItem(key) ?? given));
  slider.value = value;
  slider.addEventListener("input", () => set(Number(slider.value)));
  slider.addEventListener("change", () => sessionStorage.setItem(key, value));
  return () => value;
}

/** A message over the page, until it is closed or another takes its place; none without text. */
export function complain(text = "") {
  $("alert").hidden = !text;
  $("alert").querySelector("p").textContent = text;
}

/** A whole number nobody chose. */
export const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
