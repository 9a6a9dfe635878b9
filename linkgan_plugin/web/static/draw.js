// The page on which regions are drawn: the image, the list of regions and the options that come of them.

import "./icons.js";
import "./theme.js";
import * as api from "./api.js";
import { $, complain } from "./dom.js";
import { Checker } from "./draw-check.js";
import { moved, snapper, stepOf } from "./draw-geometry.js";
import { dragged } from "./draw-handles.js";
import { listenToKeys } from "./draw-keys.js";
import { DrawnList, shareOf } from "./draw-list.js";
import { Model } from "./draw-model.js";
import { Pointer } from "./draw-pointer.js";
import { SampleStrip } from "./draw-samples.js";
import { Stage } from "./draw-stage.js";
import { outline } from "./outline.js";

const SNAPS = "linkgan-snap";
const COPIED = 1500; // milliseconds that the button says so
const HINT = "Drag a box on it, or choose Polygon and click its corners.";
const MIDDLE = { box: [[0.4, 0.4], [0.6, 0.6]], polygon: [[0.5, 0.4], [0.6, 0.6], [0.4, 0.6]] };

/** What the page holds; filled in by `begin`. */
const page = { about: null, model: null, stage: null, pointer: null, list: null, strip: null, checker: null, tool: "box" };

const said = (text) => ($("status").textContent = text);
const snaps = () => $("snap").ariaPressed === "true";
const pixels = () => (snaps() ? page.about.size : 0);

async function begin() {
  await api.takeStart("drawing");
  const about = (page.about = await (await api.get("drawing")).json());
  document.title = `${about.title.split(" · ")[0]} · linkgan regions`;
  $("title").textContent = about.title;
  $("snap").ariaPressed = String(sessionStorage.getItem(SNAPS) === "true");
  $("dim").disabled = !about.any_dim;
  $("space").textContent = about.any_dim ? "of the network to be trained" : `of the network’s ${about.space.toUpperCase()}`;
  page.model = new Model(about);
  page.stage = new Stage($("image"), page.model);
  page.pointer = new Pointer(page.stage, page.model, { tool: () => page.tool, pixels, say: said });
  page.list = new DrawnList($("regions"), page.model);
  page.strip = new SampleStrip($("samples"), page.model, about.mean_of, page.stage.masks);
  page.checker = new Checker(page.model);
  listen();
  show();
  await Promise.all([page.strip.load(0), showMasks()]);
}

/** Outlines of the links that stay text, where they are the same for every image. */
async function showMasks() {
  const { size } = page.about;
  for (const [place, link] of page.about.links.entries()) {
    if (link.shapes) continue;
    const answer = await api.get(`masks/${place}`).catch(() => null); // what differs from image to image has none
    if (answer) page.stage.setMask(place, outline(new Uint8Array(await answer.arrayBuffer()), size, size), size);
    page.strip.render();
  }
}

/** Everything as the model has it. */
function show() {
  const { model, stage, list, strip, checker } = page;
  stage.render();
  list.render(checker);
  strip.render();
  for (const id of ["mirror", "delete"]) $(id).disabled = !model.shape();
  $("undo").disabled = !model.past.length;
  $("redo").disabled = !model.future.length;
  $("overlap").checked = model.data.overlap;
  if ($("dim") !== document.activeElement) $("dim").value = model.data.dim;
  checker.check();
}

function showChecked() {
  const { checker, stage, model } = page;
  stage.wrong = checker.wrong;
  stage.render();
  page.list.render(checker);
  const { option = "", errors = [], rest = null } = checker.answer ?? {};
  $("option").value = option;
  $("errors").replaceChildren(...errors.map(({ message }) => Object.assign(document.createElement("li"), { textContent: message })));
  $("rest").textContent = !rest ? "" : rest.count ? `The rest: ${shareOf(rest, model.data.dim)}` : "No axes are left for the rest.";
  $("copy").disabled = !checker.isRight;
}

function choose(tool) {
  page.pointer.cancel();
  page.tool = tool;
  for (const button of document.querySelectorAll("[data-tool]")) button.ariaPressed = String(button.dataset.tool === tool);
  $("image").dataset.tool = tool;
}

function mirror() {
  const shape = page.model.shape();
  if (!shape) return;
  said(page.model.mirror(shape.id) ? `Mirrored in ${page.model.region().name}.` : "Its mirror image is there already.");
}

function remove() {
  if (page.model.shape()) page.model.removeShape(page.model.selected.shape);
}

function newRegion() {
  const region = page.model.addRegion();
  said(`The next shape is of ${region.name}.`);
  const name = document.querySelector(`#regions [data-id="${region.id}"] .name`);
  name.focus();
  name.select();
}

/** A shape in the middle, for hands without a mouse. */
function add(id = page.model.selected.region) {
  page.model.select(id);
  const kind = page.tool === "polygon" ? "polygon" : "box";
  const snap = snapper(pixels());
  const region = page.model.addShape(kind, MIDDLE[kind].map((corner) => corner.map(snap)));
  page.stage.groups.get(page.model.selected.shape).focus();
  said(`Added a ${kind} to ${region.name}; the arrow keys move it, Tab goes to its handles.`);
}

/** Move the selected shape, or one of its handles, by steps. */
function nudge(handle, by) {
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

/** Add a corner after the one whose handle has the focus, or take it away. */
function corner(handle, key) {
  const { model, stage } = page;
  const { corner: place } = stage.shown[handle];
  const { id, corners } = model.shape();
  if (place === undefined) return remove();
  if (key === "+" || key === "Insert") {
    const between = stage.shown.find(({ after }) => after === place);
    model.reshape(id, dragged(corners, between, between.at));
  } else if (corners.length > 3) model.reshape(id, corners.filter((_, other) => other !== place));
  else return said("A polygon has three corners at least; Delete on the shape itself deletes it.");
  model.commit();
}

async function copy() {
  const field = $("option");
  const copied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
  if (!copied) {
    field.select(); // a page of another machine without https has no clipboard
    if (!document.execCommand("copy")) return said("Press Ctrl-C: the text is selected.");
  }
  const label = $("copy").querySelector("span");
  label.textContent = "Copied";
  setTimeout(() => (label.textContent = "Copy"), COPIED);
  said("Copied the options.");
}

function snap() {
  $("snap").ariaPressed = String(!snaps());
  sessionStorage.setItem(SNAPS, snaps());
}

function shuffle() {
  page.strip.load(page.strip.shuffle + 1).catch(({ message }) => complain(message));
}

function cancel() {
  if (!page.pointer.cancel()) page.model.select(page.model.selected.region);
}

function listen() {
  const { model, list, strip, stage, checker, pointer } = page;
  model.addEventListener("change", show);
  checker.addEventListener("checked", showChecked);
  strip.addEventListener("shown", ({ detail }) => {
    stage.show(detail.pixels);
    stage.canvas.ariaLabel = detail.title;
    said(model.regions.length ? detail.title : `${detail.title}. ${HINT}`);
  });
  list.addEventListener("choose", ({ detail }) => model.select(detail.id));
  list.addEventListener("add", ({ detail }) => add(detail.id));
  list.addEventListener("remove", ({ detail }) => model.removeRegion(detail.id));
  const clicks = { mirror, delete: remove, undo: () => model.undo(), redo: () => model.redo(), snap, shuffle, copy };
  Object.assign(clicks, { previous: () => strip.step(-1), next: () => strip.step(1), help: () => $("help-dialog").showModal(), "new-region": newRegion });
  for (const [id, call] of Object.entries(clicks)) $(id).addEventListener("click", call);
  for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => choose(button.dataset.tool));
  choose(page.tool);
  $("alert").querySelector("button").addEventListener("click", () => complain());
  $("overlap").addEventListener("change", () => model.set({ overlap: $("overlap").checked }));
  $("dim").addEventListener("change", () => $("dim").reportValidity() && model.set({ dim: $("dim").valueAsNumber }));
  listenToKeys({
    ...clicks, remove, newRegion, corner, nudge, cancel, add: () => add(), tool: choose, step: (by) => strip.step(by),
    selected: () => Boolean(model.shape()), drawing: () => pointer.isPolygon, close: () => pointer.close(), back: () => pointer.back(),
  });
}

api.onNewToken(() => location.reload());
begin().catch((error) => complain(error.message));
