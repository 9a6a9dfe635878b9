// Helpers for building parts of the pages.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** Return an icon of icons.js as an SVG element. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Return a button; with `pressed` it is a toggle. */
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
 * Connect a slider to the value shown next to it, and return a function that returns the value. Until the slider is moved
 * the value is exactly `given`, even if the slider has no such step. A reload of the tab keeps it.
 */
export function setting(slider, given) {
  const output = slider.parentElement.querySelector("output");
  const key = `linkgan-${slider.id}-from-${given}`; // a server started with another value begins with that one
  let value;
  const set = (wanted) => (output.textContent = (value = wanted).toFixed(2));
  set(Number(sessionStorage.getItem(key) ?? given));
  slider.value = value;
  slider.addEventListener("input", () => set(Number(slider.value)));
  slider.addEventListener("change", () => sessionStorage.setItem(key, value));
  return () => value;
}

/** Return a function that returns the number selected in a list, null for none. A reload of the tab keeps it. */
export function selection(list) {
  const key = `linkgan-${list.id}`;
  list.value = sessionStorage.getItem(key) ?? "";
  list.addEventListener("change", () => sessionStorage.setItem(key, list.value));
  return () => (list.value ? Number(list.value) : null);
}

/** Show a message over the page until it is closed or replaced; without text, hide it. */
export function complain(text = "") {
  $("alert").hidden = !text;
  $("alert").querySelector("p").textContent = text;
}

/** Return a random seed. */
export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
