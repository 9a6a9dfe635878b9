// The drawing: regions and their shapes, the selection, and the history.

import { mirrored, rounded, same, textOf } from "./draw-geometry.js";

const MOST_STEPS = 200;

/** Fires "change" after every change. A region is { id, name, axes, colour, shapes, text }; with `text` it cannot be drawn. */
export class Model extends EventTarget {
  constructor({ key, links, allow_overlap: overlap, dim, colours }) {
    super();
    Object.assign(this, { store: `linkgan-drawing-${key}`, colours, selected: { region: null, shape: null }, past: [], future: [] });
    this.data = { regions: [], next: 1, overlap, dim };
    for (const [place, { name, axes, region, shapes }] of links.entries()) {
      const added = this.newRegion({ name, axes });
      if (shapes) added.shapes = shapes.map(({ kind, corners }) => ({ id: this.data.next++, kind, corners: corners.map((corner) => corner.map(rounded)) }));
      else Object.assign(added, { text: region, given: place });
    }
    const kept = sessionStorage.getItem(this.store);
    if (kept) this.data = JSON.parse(kept);
    this.last = JSON.stringify(this.data);
    this.selected.region = this.data.regions.find((region) => !region.text)?.id ?? null;
  }

  get regions() {
    return this.data.regions;
  }

  region(id = this.selected.region) {
    return this.regions.find((region) => region.id === id);
  }

  shape(id = this.selected.shape) {
    return this.regions.flatMap((region) => region.shapes).find((shape) => shape.id === id);
  }

  ownerOf(id) {
    return this.regions.find((region) => region.shapes.some((shape) => shape.id === id));
  }

  select(region, shape = null) {
    this.selected = { region, shape };
    this.tell();
  }

  selectShape(id) {
    this.select(this.ownerOf(id)?.id ?? this.selected.region, this.ownerOf(id) ? id : null);
  }

  newRegion({ name, axes = "auto" } = {}) {
    const names = new Set(this.regions.map((region) => region.name));
    let number = this.regions.length + 1;
    while (names.has(`region${number}`)) number += 1;
    const used = this.regions.map((region) => region.colour);
    const colour = this.colours.find((one) => !used.includes(one)) ?? this.colours[this.regions.length % this.colours.length];
    const made = { id: this.data.next++, name: name ?? `region${number}`, axes, colour, shapes: [], text: null };
    this.regions.push(made);
    return made;
  }

  /** Select a region without shapes, or a new one, for the next shape. */
  addRegion() {
    const region = this.regions.find((one) => !one.text && !one.shapes.length) ?? this.newRegion();
    this.select(region.id);
    this.commit();
    return region;
  }

  /** Add a shape to the selected region, or to a new one if none is selected. */
  addShape(kind, corners) {
    const chosen = this.region();
    const region = chosen && !chosen.text ? chosen : this.newRegion();
    const shape = { id: this.data.next++, kind, corners };
    region.shapes.push(shape);
    this.select(region.id, shape.id);
    this.commit();
    return region;
  }

  /** Change a shape; `commit` makes it a step of the history. */
  reshape(id, corners) {
    this.shape(id).corners = corners;
    this.tell();
  }

  change(region, values) {
    Object.assign(this.region(region), values);
    this.tell();
  }

  set(values) {
    Object.assign(this.data, values);
    this.commit();
  }

  removeShape(id) {
    const region = this.ownerOf(id);
    region.shapes = region.shapes.filter((shape) => shape.id !== id);
    this.select(region.id);
    this.commit();
  }

  removeRegion(id) {
    this.data.regions = this.regions.filter((region) => region.id !== id);
    this.select(this.regions.find((region) => !region.text)?.id ?? null);
    this.commit();
  }

  /** Add the mirrored copy of a shape to its region; false if the region already has it. */
  mirror(id) {
    const [shape, region] = [this.shape(id), this.ownerOf(id)];
    const copy = { kind: shape.kind, corners: mirrored(shape) };
    if (region.shapes.some((one) => same(one, copy))) return false;
    this.select(region.id);
    this.addShape(copy.kind, copy.corners);
    return true;
  }

  /** The links of the regions that are not empty, in the link grammar: [{ id, text }]. */
  get links() {
    const drawn = this.regions.filter((region) => region.text || region.shapes.length);
    return drawn.map(({ id, name, axes, shapes, text }) => ({ id, text: `${name}=${axes}@${text ?? shapes.map(textOf).join("+")}` }));
  }

  /** End a step of the history. */
  commit() {
    const now = JSON.stringify(this.data);
    if (now !== this.last) {
      this.past.push(this.last);
      this.past.splice(0, this.past.length - MOST_STEPS);
      [this.last, this.future] = [now, []];
    }
    this.tell();
  }

  undo() {
    return this.goTo(this.past, this.future);
  }

  redo() {
    return this.goTo(this.future, this.past);
  }

  goTo(from, to) {
    if (!from.length) return false;
    to.push(this.last);
    this.last = from.pop();
    this.data = JSON.parse(this.last);
    const { region, shape } = this.selected;
    this.select(this.region(region) ? region : (this.regions.at(-1)?.id ?? null), this.shape(shape) ? shape : null);
    return true;
  }

  tell() {
    sessionStorage.setItem(this.store, JSON.stringify(this.data));
    this.dispatchEvent(new Event("change"));
  }
}
