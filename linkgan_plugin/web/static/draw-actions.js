// What the buttons and keys of the drawing page do: tools, shapes, corners, and copying the options.

import { $, complain } from "./dom.js";
import { moved, snapper, stepOf } from "./draw-geometry.js";
import { dragged } from "./draw-handles.js";
import { page, pixels, say, SNAPS, snaps } from "./draw-state.js";

const COPIED = 1500; // milliseconds that the button shows it
const MIDDLE = { box: [[0.4, 0.4], [0.6, 0.6]], polygon: [[0.5, 0.4], [0.6, 0.6], [0.4, 0.6]] };

export function choose(tool) {
  page.pointer.cancel();
  page.tool = tool;
  for (const button of document.querySelectorAll("[data-tool]")) button.ariaPressed = String(button.dataset.tool === tool);
  $("image").dataset.tool = tool;
}

export function mirror() {
  const shape = page.model.shape();
  if (!shape) return;
  say(page.model.mirror(shape.id) ? `Mirrored in ${page.model.region().name}.` : "The mirrored shape already exists.");
}

export function remove() {
  if (page.model.shape()) page.model.removeShape(page.model.selected.shape);
}

export function newRegion() {
  const region = page.model.addRegion();
  say(`The next shape belongs to ${region.name}.`);
  const name = document.querySelector(`#regions [data-id="${region.id}"] .name`);
  name.focus();
  name.select();
}

/** Add a shape in the centre, for use without a mouse. */
export function add(id = page.model.selected.region) {
  page.model.select(id);
  const kind = page.tool === "polygon" ? "polygon" : "box";
  const snap = snapper(pixels());
  const region = page.model.addShape(kind, MIDDLE[kind].map((corner) => corner.map(snap)));
  page.stage.groups.get(page.model.selected.shape).focus();
  say(`Added a ${kind} to ${region.name}; move it with the arrow keys; Tab selects its handles.`);
}

/** Move the selected shape, or one of its handles, by steps. */
export function nudge(handle, by) {
  const { model, stage } = page;
  const { id, corners } = model.shape();
  const way = by.map((steps) => steps * stepOf(pixels()));
  const snap = snapper(pixels());
  if (handle === undefined) model.reshape(id, moved(corners, way, snap));
  else {
    const { at } = stage.shown[handle];
    model.reshape(id, dragged(corners, stage.shown[handle], at.map((value, axis) => snap(value + way[axis])), 1 / (pixels() || 1000)));
  }
  model.commit();
}

/** Add a corner after the one whose handle has the focus, or remove that one. */
export function corner(handle, key) {
  const { model, stage } = page;
  const { corner: place } = stage.shown[handle];
  const { id, corners } = model.shape();
  if (place === undefined) return remove();
  if (key === "+" || key === "Insert") {
    const between = stage.shown.find(({ after }) => after === place);
    model.reshape(id, dragged(corners, between, between.at));
  } else if (corners.length > 3) model.reshape(id, corners.filter((_, other) => other !== place));
  else return say("A polygon needs at least three corners; Delete on the shape itself deletes the shape.");
  model.commit();
}

export async function copy() {
  const field = $("option");
  const copied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
  if (!copied) {
    field.select(); // without https, pages of other machines have no clipboard
    if (!document.execCommand("copy")) return say("The text is selected; press Ctrl-C to copy it.");
  }
  const label = $("copy").querySelector("span");
  label.textContent = "Copied";
  setTimeout(() => (label.textContent = "Copy"), COPIED);
  say("Copied the options.");
}

export function snap() {
  $("snap").ariaPressed = String(!snaps());
  sessionStorage.setItem(SNAPS, snaps());
}

export function shuffle() {
  page.strip.load(page.strip.shuffle + 1).catch(({ message }) => complain(message));
}

export function cancel() {
  if (!page.pointer.cancel()) page.model.select(page.model.selected.region);
}
