// The strip of images, each with the regions drawn on it; the selected one is shown large.

import * as api from "./api.js";
import { complain } from "./dom.js";
import { outlineOf, pathOf } from "./draw-geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const MEAN = "mean";
const SIDE = 160; // largest size of a small image in pixels

/** Fires "shown" with detail.pixels and detail.title when another image is selected. */
export class SampleStrip extends EventTarget {
  /** `masks`: outlines of links that cannot be drawn, as on the large image. */
  constructor(holder, model, meanOf, masks) {
    super();
    Object.assign(this, { holder, model, meanOf, masks, cells: [], chosen: MEAN, shuffle: 0 });
  }

  /** Show the mean and the images of a shuffle, each as soon as it has arrived. */
  async load(shuffle) {
    this.shuffle = shuffle;
    const { numbers } = await (await api.get(`samples/${shuffle}`)).json();
    if (this.shuffle !== shuffle) return;
    const kept = this.cells.filter((cell) => cell.name === MEAN);
    this.cells = [MEAN, ...numbers].map((name) => kept.find((cell) => cell.name === name) ?? this.newCell(name));
    this.holder.replaceChildren(...this.cells.map((cell) => cell.button));
    this.render();
    if (!this.cells.some((cell) => cell.name === this.chosen)) this.chosen = numbers[0];
    for (const cell of this.cells) {
      if (this.shuffle !== shuffle) return;
      await this.fill(cell);
    }
  }

  newCell(name) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sample";
    button.ariaLabel = this.titleOf(name);
    button.title = this.titleOf(name);
    const [canvas, svg] = [document.createElement("canvas"), document.createElementNS(SVG, "svg")];
    svg.setAttribute("viewBox", "0 0 1000 1000");
    for (const part of [canvas, svg]) part.setAttribute("aria-hidden", "true"); // the button has the name
    button.append(canvas, svg);
    const cell = { name, button, canvas, svg, pixels: null };
    button.addEventListener("click", () => this.choose(cell));
    return cell;
  }

  titleOf(name) {
    return name === MEAN ? `Mean of ${this.meanOf} images` : `Image ${name}`;
  }

  async fill(cell) {
    try {
      cell.pixels ??= (await api.imageOf(await api.get(`images/${cell.name}`))).pixels;
      const { width } = cell.pixels;
      cell.canvas.width = cell.canvas.height = Math.min(width, SIDE);
      const bitmap = await createImageBitmap(cell.pixels, { resizeWidth: cell.canvas.width, resizeHeight: cell.canvas.height, resizeQuality: "high" });
      cell.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      if (cell.name === this.chosen) this.choose(cell);
    } catch (error) {
      complain(error.message);
    }
  }

  choose(cell) {
    this.chosen = cell.name;
    for (const one of this.cells) one.button.setAttribute("aria-pressed", one === cell);
    if (cell.pixels) this.dispatchEvent(new CustomEvent("shown", { detail: { pixels: cell.pixels, title: this.titleOf(cell.name) } }));
  }

  /** Select the image `by` places further, wrapping around. */
  step(by) {
    const place = this.cells.findIndex((cell) => cell.name === this.chosen);
    const { length } = this.cells;
    if (length) this.choose(this.cells[(place + by + length) % length]);
  }

  /** Draw the regions on all images. */
  render() {
    for (const { svg } of this.cells) {
      const paths = this.model.regions.filter((region) => region.shapes.length).map((region) => {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("d", region.shapes.map((shape) => pathOf(outlineOf(shape))).join(""));
        path.style.setProperty("--region", region.colour);
        return path;
      });
      svg.replaceChildren(...[...this.masks.values()].map((mask) => mask.cloneNode()), ...paths);
    }
  }
}
