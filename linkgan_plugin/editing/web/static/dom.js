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

/** Show the value of a slider beside it, now and whenever it moves; a reload of the tab leaves it there. */
export function labelled(slider) {
  const output = slider.parentElement.querySelector("output");
  const show = () => (output.textContent = Number(slider.value).toFixed(2));
  slider.value = sessionStorage.getItem(`linkgan-${slider.id}`) ?? slider.value;
  slider.addEventListener("input", show);
  slider.addEventListener("change", () => sessionStorage.setItem(`linkgan-${slider.id}`, slider.value));
  show();
}

/** A message over the page, until it is closed or another takes its place; none without text. */
export function complain(text = "") {
  $("alert").hidden = !text;
  $("alert").querySelector("p").textContent = text;
}

/** A whole number nobody chose. */
export const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
