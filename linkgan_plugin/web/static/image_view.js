// One image on the page: its pixels, the outlines of its regions, and pointer, wheel and key events on them.

import { paint } from "./api.js";
import { fit } from "./fit.js";
import { area, outline } from "./outline.js";

const SVG = "http://www.w3.org/2000/svg";
const NOTCH = 60; // wheel distance of one step through the versions
const SLACK = 5; // pixels that the pointer may move before a click becomes a drag

/**
 * Fires "redraw", "wheel" (detail.by) and "near", all with detail.region, the region's name; and "drag" (detail.x, y: the
 * distance since the last event, in image widths).
 */
export class ImageView extends EventTarget {
  constructor(element, verb) {
    super();
    this.element = element;
    this.verb = verb; // what a click does, for screen readers
    [this.plate, this.canvas, this.svg, this.tag] = [".plate", "canvas", ".outlines", ".tag"].map((s) => element.querySelector(s));
    this.shapes = new Map(); // region -> its group in the svg
    this.near = null;
    this.turned = 0;
    new ResizeObserver(() => this.fit()).observe(element);
    addEventListener("resize", () => this.fit());
    this.listen();
  }

  /** Show ImageData. */
  show(pixels) {
    const before = this.canvas.width / this.canvas.height;
    const known = this.shown;
    paint(this.canvas, pixels);
    this.shown = true;
    if (!known || before !== pixels.width / pixels.height) this.fit();
  }

  fit() {
    const small = this.element.classList.contains("small");
    fit(this.plate, this.canvas, this.element, small || innerWidth <= 960);
  }

  /** Draw the outlines of regions [{ name, title, colour }] from their masks (name -> bytes), small regions on top. */
  setRegions(regions, masks, width, height) {
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.areas = new Map(regions.map(({ name }) => [name, area(masks.get(name))]));
    for (const [name, shape] of this.shapes) if (!this.areas.get(name)) (shape.remove(), this.shapes.delete(name));
    const seen = regions.filter(({ name }) => this.areas.get(name));
    const painted = seen.sort((a, b) => this.areas.get(b.name) - this.areas.get(a.name)).map((region) => this.shapes.get(region.name) ?? this.newShape(region));
    for (const shape of painted) {
      const path = outline(masks.get(shape.dataset.region), width, height);
      if (shape.firstChild.getAttribute("d") !== path) for (const part of shape.children) part.setAttribute("d", path);
    }
    const focused = document.activeElement;
    if (painted.some((shape, place) => this.svg.children[place] !== shape)) this.svg.replaceChildren(...painted);
    if (painted.includes(focused)) focused.focus();
  }

  newShape({ name, title, colour }) {
    const shape = document.createElementNS(SVG, "g");
    shape.dataset.region = name;
    shape.style.setProperty("--region", colour);
    shape.setAttribute("role", "button");
    shape.setAttribute("tabindex", "0");
    shape.setAttribute("aria-label", `${this.verb} ${title}`);
    shape.dataset.title = title;
    for (const kind of ["halo", "line", "hit"]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", kind);
      path.setAttribute("fill-rule", "evenodd");
      shape.append(path);
    }
    this.shapes.set(name, shape);
    return shape;
  }

  /** Highlight a region and show its name; null for none. */
  point(region) {
    this.near = region;
    for (const [name, shape] of this.shapes) shape.classList.toggle("near", name === region);
    const shape = this.shapes.get(region);
    this.tag.classList.toggle("shown", Boolean(shape));
    if (!shape) return;
    this.tag.textContent = shape.dataset.title + (shape.classList.contains("locked") ? " · locked" : "");
    this.tag.style.setProperty("--region", shape.style.getPropertyValue("--region"));
    const [box, frame] = [shape.getBBox(), this.svg.viewBox.baseVal];
    const [left, top] = [box.x / frame.width, box.y / frame.height];
    this.tag.style.left = `${100 * left}%`;
    this.tag.style.top = `${100 * top}%`;
    this.tag.style.translate = top > 0.08 ? "0 calc(-100% - 6px)" : "6px 6px";
  }

  /** Show which regions are locked (a Set of names). */
  setLocked(locked) {
    for (const [name, shape] of this.shapes) {
      shape.classList.toggle("locked", locked.has(name));
      shape.setAttribute("aria-disabled", locked.has(name));
    }
  }

  /** Flash the outline of a region. */
  flash(region) {
    const shape = this.shapes.get(region);
    if (!shape) return;
    shape.classList.remove("changed");
    shape.getBoundingClientRect(); // restarts the animation
    shape.classList.add("changed");
  }

  set busy(busy) {
    this.plate.classList.toggle("busy", busy);
    this.plate.setAttribute("aria-busy", busy);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  listen() {
    const regionAt = (event) => event.target.closest?.("[data-region]")?.dataset.region ?? null;
    for (const kind of ["pointerover", "focusin"]) {
      this.svg.addEventListener(kind, (event) => this.tell("near", { region: regionAt(event) }));
    }
    for (const kind of ["pointerleave", "focusout"]) this.svg.addEventListener(kind, () => this.tell("near", { region: null }));
    this.svg.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) this.tell("redraw", { region: regionAt(event) });
    });
    this.svg.addEventListener("wheel", (event) => this.roll(event, regionAt(event)), { passive: false });
    this.listenToDrags(regionAt);
  }

  listenToDrags(regionAt) {
    let start = null;
    let dragged = false;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      [start, dragged] = [{ x: event.clientX, y: event.clientY }, false];
    });
    addEventListener("pointermove", (event) => {
      if (!start || !this.plate.classList.contains("turns")) return;
      const [x, y] = [event.clientX - start.x, event.clientY - start.y];
      if (!dragged && Math.hypot(x, y) < SLACK) return;
      [start, dragged] = [{ x: event.clientX, y: event.clientY }, true];
      const width = this.plate.clientWidth;
      this.tell("drag", { x: x / width, y: y / width });
    });
    addEventListener("pointerup", () => (start = null));
    addEventListener("pointercancel", () => (start = null));
    this.svg.addEventListener("click", (event) => {
      const region = regionAt(event);
      if (region && !dragged) this.tell("redraw", { region });
      dragged = false;
    });
  }

  roll(event, region) {
    if (!region || event.ctrlKey) return; // with Ctrl the browser zooms
    event.preventDefault();
    this.turned += event.deltaMode ? event.deltaY * NOTCH : event.deltaY;
    const notches = Math.trunc(this.turned / NOTCH);
    if (!notches) return;
    this.turned = 0;
    this.tell("wheel", { region, by: Math.sign(notches) });
  }
}
