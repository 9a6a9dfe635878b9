// Pointer events on the large image: drawing boxes and polygons, selecting, moving and reshaping.

import { boxOf, moved, snapper } from "./draw-geometry.js";
import { dragged } from "./draw-handles.js";

const SLACK = 4; // pixels that the pointer may move before a click becomes a drag
const NEAR = 9; // pixels from the first corner of a polygon at which a click closes it

export class Pointer {
  /** `tool()`: "select", "box" or "polygon". `pixels()`: pixels per side to snap to, 0 for none. `say(text)`: the status. */
  constructor(stage, model, { tool, pixels, say }) {
    Object.assign(this, { stage, model, tool, pixels, say, drag: null });
    const { svg } = stage;
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.up(event));
    svg.addEventListener("pointercancel", () => this.cancel());
    svg.addEventListener("dblclick", () => this.close());
    svg.addEventListener("focusin", (event) => {
      const group = event.target.closest("[data-shape]");
      if (group && Number(group.dataset.shape) !== model.selected.shape) model.selectShape(Number(group.dataset.shape));
    });
  }

  get snap() {
    return snapper(this.pixels());
  }

  get least() {
    return this.pixels() ? 1 / this.pixels() : 0.001;
  }

  place(event) {
    return this.stage.placeOf(event).map(this.snap);
  }

  down(event) {
    if (event.button) return;
    event.preventDefault(); // or the browser would select text
    document.activeElement?.blur();
    if (this.isPolygon) return this.addCorner(event);
    const { handle } = event.target.dataset;
    const over = Number(event.target.closest("[data-shape]")?.dataset.shape) || null;
    const start = { from: this.place(event), raw: this.stage.placeOf(event), over, began: false };
    const { shape } = this.model.selected;
    if (handle !== undefined) this.drag = { ...start, kind: "handle", handle: this.stage.shown[handle], id: shape, corners: this.model.shape().corners };
    else if (this.tool() === "polygon") return this.addCorner(event);
    else if (over && (this.tool() === "select" || over === shape)) this.drag = { ...start, kind: "move", id: over, corners: this.model.shape(over).corners };
    else this.drag = { ...start, kind: this.tool() === "box" ? "box" : "none" };
    if (this.drag.kind === "move") this.model.selectShape(over);
    this.stage.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (this.isPolygon) return this.sketch([...this.corners, this.place(event)]);
    if (!this.drag) return;
    const raw = this.stage.placeOf(event);
    if (!this.drag.began && this.stage.distance(raw, this.drag.raw) < SLACK) return;
    this.drag.began = true;
    const { kind, id, corners, handle, from } = this.drag;
    if (kind === "box") this.sketch(this.boxTo(event), true);
    if (kind === "handle") this.model.reshape(id, dragged(corners, handle, this.place(event), this.least));
    if (kind === "move") this.model.reshape(id, moved(corners, [raw[0] - this.drag.raw[0], raw[1] - this.drag.raw[1]], this.snap));
  }

  up(event) {
    const { drag } = this;
    if (!drag) return;
    this.move(event);
    this.drag = null;
    if (drag.kind === "box" && drag.began) {
      this.stage.draft = null;
      const region = this.model.addShape("box", boxOf(drag.from, this.place(event), this.least));
      this.say(`Added a box to ${region.name}.`);
    } else if (drag.began) this.model.commit();
    else if (drag.kind !== "handle") this.model.selectShape(drag.over); // a click
  }

  boxTo(event) {
    const [[left, top], [right, bottom]] = boxOf(this.drag.from, this.place(event), this.least);
    return [[left, top], [right, top], [right, bottom], [left, bottom]];
  }

  sketch(corners, closed = false) {
    this.stage.draft = { corners, closed };
    this.stage.render();
  }

  get isPolygon() {
    return Boolean(this.corners);
  }

  addCorner(event) {
    const at = this.place(event);
    const corners = this.corners ?? [];
    if (corners.length > 2 && this.stage.distance(this.stage.placeOf(event), corners[0]) < NEAR) return this.close();
    if (String(corners.at(-1)) !== String(at)) corners.push(at); // the second click of a double click is at the same point
    this.corners = corners;
    this.model.select(this.model.selected.region);
    this.sketch([...corners, at]);
    this.say(`${corners.length} corner${corners.length > 1 ? "s" : ""}; ${corners.length < 3 ? "a polygon needs three" : "Enter or a double click closes the polygon"}.`);
  }

  /** Finish the polygon that is being drawn. */
  close() {
    if (!this.isPolygon) return;
    if (this.corners.length < 3) return this.say("A polygon needs at least three corners; Escape cancels it.");
    const { corners } = this;
    this.cancel();
    this.say(`Added a polygon to ${this.model.addShape("polygon", corners).name}.`);
  }

  /** Remove the last corner. */
  back() {
    this.corners.pop();
    if (!this.corners.length) return this.cancel();
    this.sketch(this.corners);
  }

  /** Cancel what is being drawn or dragged; return whether there was anything. */
  cancel() {
    const was = this.isPolygon || this.drag;
    if (this.drag?.corners && this.drag.began) this.model.reshape(this.drag.id, this.drag.corners);
    [this.corners, this.drag, this.stage.draft] = [null, null, null];
    this.stage.render();
    return Boolean(was);
  }
}
