// The large image: its pixels, the shapes on it, the handles of the selected shape and the unfinished shape.

import { paint } from "./api.js";
import { fit } from "./fit.js";
import { outlineOf, pathOf } from "./draw-geometry.js";
import { handlesOf } from "./draw-handles.js";

const SVG = "http://www.w3.org/2000/svg";
const ACROSS = 1000;
const HANDLE = 10; // pixels across
const ONE_COLUMN = "(max-width: 48rem)"; // as in draw.css

function element(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export class Stage {
  constructor(holder, model) {
    Object.assign(this, { holder, model, groups: new Map(), masks: new Map(), wrong: new Set(), draft: null });
    [this.plate, this.canvas, this.svg] = [".plate", "canvas", ".shapes"].map((s) => holder.querySelector(s));
    this.handles = element("g");
    this.sketch = element("path", { class: "draft" });
    this.svg.append(this.sketch, this.handles);
    const fitted = () => (fit(this.plate, this.canvas, holder, matchMedia(ONE_COLUMN).matches), this.render());
    new ResizeObserver(fitted).observe(holder);
    addEventListener("resize", fitted);
    this.fitted = fitted;
  }

  /** Show ImageData, or another canvas. */
  show(image) {
    paint(this.canvas, image);
    this.fitted();
  }

  /** The size of a screen pixel in units of the drawing. */
  get unit() {
    return ACROSS / (this.plate.clientWidth || ACROSS);
  }

  /** Return the position of an event as fractions of the image. */
  placeOf({ clientX, clientY }) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  }

  /** Return the distance of two points in screen pixels. */
  distance([x0, y0], [x1, y1]) {
    return (Math.hypot(x1 - x0, y1 - y0) * ACROSS) / this.unit;
  }

  /** Show the current model. */
  render() {
    const wanted = this.model.regions.flatMap((region) => region.shapes.map((shape, place) => ({ region, shape, place })));
    const ids = new Set(wanted.map(({ shape }) => shape.id));
    for (const [id, group] of this.groups) if (!ids.has(id)) (group.remove(), this.groups.delete(id));
    for (const one of wanted) this.renderShape(one);
    this.renderMasks();
    this.renderHandles();
    this.sketch.setAttribute("d", this.draft ? pathOf(this.draft.corners, this.draft.closed) : "");
    this.sketch.style.setProperty("--region", this.model.region()?.colour ?? this.model.colours[0]);
  }

  renderShape({ region, shape, place }) {
    const group = this.groups.get(shape.id) ?? this.newGroup(shape.id);
    const corners = outlineOf(shape);
    for (const part of group.querySelectorAll("path")) part.setAttribute("d", pathOf(corners));
    group.style.setProperty("--region", region.colour);
    group.classList.toggle("chosen", region.id === this.model.selected.region);
    group.classList.toggle("selected", shape.id === this.model.selected.shape);
    group.classList.toggle("wrong", this.wrong.has(region.id));
    const which = region.shapes.length > 1 ? ` ${place + 1} of ${region.shapes.length}` : "";
    const where = [0, 1].map((axis) => corners.map((corner) => corner[axis])).map((values) => `${Math.min(...values)} to ${Math.max(...values)}`);
    group.setAttribute("aria-label", `${region.name}, ${shape.kind}${which}: ${where[0]} across, ${where[1]} down`);
    group.setAttribute("aria-pressed", shape.id === this.model.selected.shape);
    const text = group.querySelector("text");
    text.textContent = place === 0 ? region.name : "";
    const [left, top] = [0, 1].map((axis) => ACROSS * Math.min(...corners.map((corner) => corner[axis])));
    text.setAttribute("x", left + 2 * this.unit);
    text.setAttribute("y", top > 20 * this.unit ? top - 7 * this.unit : top + 17 * this.unit);
    text.setAttribute("font-size", 13 * this.unit);
  }

  newGroup(id) {
    const group = element("g", { "data-shape": id, role: "button", tabindex: "0" });
    group.append(element("path", { class: "halo" }), element("path", { class: "line" }), element("text"));
    this.svg.insertBefore(group, this.sketch);
    this.groups.set(id, group);
    return group;
  }

  /** Set the outline of a link that cannot be drawn, a path in pixels of an image of `size` x `size`. */
  setMask(given, path, size) {
    const mask = element("path", { class: "fixed", d: path, transform: `scale(${ACROSS / size})`, "fill-rule": "evenodd" });
    this.masks.set(given, mask);
    this.svg.prepend(mask);
    this.render();
  }

  renderMasks() {
    for (const [given, mask] of this.masks) {
      const region = this.model.regions.find((one) => one.text && one.given === given);
      mask.style.display = region ? "" : "none";
      if (region) mask.style.setProperty("--region", region.colour);
    }
  }

  /** Draw the handles of the selected shape; existing ones keep the focus. */
  renderHandles() {
    const shape = this.draft ? null : this.model.shape();
    this.shown = shape ? handlesOf(shape) : [];
    while (this.handles.childElementCount > this.shown.length) this.handles.lastChild.remove();
    while (this.handles.childElementCount < this.shown.length) this.handles.append(element("rect", { role: "button" }));
    const colour = shape && this.model.ownerOf(shape.id).colour;
    for (const [place, { at, label, main, after }] of this.shown.entries()) {
      const handle = this.handles.children[place];
      const side = (main ? HANDLE : HANDLE - 3) * this.unit;
      const attributes = { x: at[0] * ACROSS - side / 2, y: at[1] * ACROSS - side / 2, width: side, height: side, "data-handle": place };
      attributes.class = main ? "handle" : "handle minor";
      attributes.tabindex = after === undefined ? 0 : -1;
      attributes["aria-label"] = label;
      for (const [key, value] of Object.entries(attributes)) handle.setAttribute(key, value);
      handle.style.setProperty("--region", colour);
    }
  }
}
