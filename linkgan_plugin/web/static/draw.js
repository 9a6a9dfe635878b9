// The drawing page: the image, the list of regions and the command-line options.

import "./icons.js";
import "./theme.js";
import * as api from "./api.js";
import { $, complain } from "./dom.js";
import { add, cancel, choose, copy, corner, mirror, newRegion, nudge, remove, shuffle, snap } from "./draw-actions.js";
import { Checker } from "./draw-check.js";
import { listenToKeys } from "./draw-keys.js";
import { DrawnList, shareOf } from "./draw-list.js";
import { Model } from "./draw-model.js";
import { Pointer } from "./draw-pointer.js";
import { SampleStrip } from "./draw-samples.js";
import { Stage } from "./draw-stage.js";
import { page, pixels, say, SNAPS } from "./draw-state.js";
import { outline } from "./outline.js";

const HINT = "Drag a box on it, or choose Polygon and click its corners.";

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
  page.pointer = new Pointer(page.stage, page.model, { tool: () => page.tool, pixels, say });
  page.list = new DrawnList($("regions"), page.model);
  page.strip = new SampleStrip($("samples"), page.model, about.mean_of, page.stage.masks);
  page.checker = new Checker(page.model);
  listen();
  show();
  await Promise.all([page.strip.load(0), showMasks()]);
}

/** Load the outlines of links that cannot be drawn, if they are the same for every image. */
async function showMasks() {
  const { size } = page.about;
  for (const [place, link] of page.about.links.entries()) {
    if (link.shapes) continue;
    const answer = await api.get(`masks/${place}`).catch(() => null); // regions that differ between images have none
    if (answer) page.stage.setMask(place, outline(new Uint8Array(await answer.arrayBuffer()), size, size), size);
    page.strip.render();
  }
}

/** Show the current model. */
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

function listen() {
  const { model, list, strip, stage, checker, pointer } = page;
  model.addEventListener("change", show);
  checker.addEventListener("checked", showChecked);
  strip.addEventListener("shown", ({ detail }) => {
    stage.show(detail.pixels);
    stage.canvas.ariaLabel = detail.title;
    say(model.regions.length ? detail.title : `${detail.title}. ${HINT}`);
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
