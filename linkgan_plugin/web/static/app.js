// The page: one image under edit, another to take regions from, and everything that is done to them.

import * as api from "./api.js";
import "./icons.js";
import "./theme.js";
import { $, anySeed, complain, setting } from "./dom.js";
import { Directions } from "./directions.js";
import { ImageView } from "./image_view.js";
import { Projection } from "./projection.js";
import { RegionList } from "./regions.js";
import { Viewer } from "./viewer.js";
import { listenToKeys } from "./keys.js";

const LAST = "linkgan-image"; // where a new start of the program goes on
const DONOR = "linkgan-donor";
const TURN = Math.PI / 18;
const QUICK = 4; // seconds to look for directions without being asked
const LEAST_SLIDE = 1e-9; // less is a rounding error: the slider is where it is wanted

/** What the page holds; filled in by `begin`. */
const page = { found: new Map(), network: null, main: null, donor: null, list: null, directions: null, chosen: null, near: null, steered: null };

/** The region that the pointer or the keyboard is at, else the one whose sliders are shown. */
const current = () => page.near ?? page.chosen;
const regionOf = (name) => page.network.regions.find((region) => region.name === name);
const steered = () => page.steered();

async function begin() {
  const start = await api.takeStart();
  page.network = await (await api.get("network")).json();
  const { regions, is_3d_aware: is3dAware, psi, projects, title } = page.network;
  document.title = `${title} · linkgan`;
  $("network").textContent = title;
  for (const part of document.querySelectorAll(".feature-3d")) part.hidden = !is3dAware;
  for (const part of document.querySelectorAll(".feature-project")) part.hidden = !projects;
  $("psi").parentElement.hidden = psi === null;
  const [strengthNow, psiNow] = [setting($("strength"), 1), setting($("psi"), psi ?? 1)];
  page.steered = () => ({ strength: strengthNow(), psi: psi === null ? null : psiNow() });

  page.main = new Viewer(new ImageView($("image"), "Redraw"), regions);
  page.donor = new Viewer(new ImageView($("donor-image"), "Take over"), regions);
  page.main.view.plate.classList.toggle("turns", is3dAware);
  page.list = new RegionList($("regions"), regions);
  page.directions = new Directions($("directions-section"), page.network.directions);
  listen();
  page.projection = new Projection((purpose, image) => (purpose === "donor" ? openDonor(image) : open(image)));

  const named = start.image || (start.isNew && localStorage.getItem(LAST));
  await (named ? page.main.open(named).catch(() => newImage()) : newImage());
  choose(regions[0].name);
  const donor = sessionStorage.getItem(DONOR);
  await (donor ? openDonor(donor).catch(() => newDonor()) : newDonor());
}

/** Show an image under its own address, so that Back returns to the one before. */
async function open(image) {
  await page.main.open(image);
}

async function newImage(seed = anySeed()) {
  if (await page.main.ask(() => api.post("images", { seed, psi: steered().psi }))) said(`This is the image of seed ${seed}.`);
}

async function openDonor(image) {
  await page.donor.open(image);
}

async function newDonor(seed = anySeed()) {
  await page.donor.ask(() => api.post("images", { seed, psi: steered().psi }));
}

const said = (text) => ($("status").textContent = text);

/** Do a step and say what it was. */
async function step(data, text) {
  if (await page.main.change("steps", data)) said(text);
}

function redraw(region) {
  if (isLocked(region)) return said(`Locked: ${title(region)}. L unlocks it.`);
  const { strength, psi } = steered();
  choose(region);
  return step({ kind: "resample", regions: [region], seed: anySeed(), strength, psi }, `Redrew ${title(region)}.`).then(() => page.main.view.flash(region));
}

function redrawAll() {
  const { strength, psi } = steered();
  return step({ kind: "resample", regions: ["all"], seed: anySeed(), strength, psi }, "Redrew everything that is not locked.");
}

function transplant(region) {
  if (isLocked(region)) return said(`Locked: ${title(region)}. L unlocks it.`);
  const donor = { image: page.donor.state.image };
  return step({ kind: "transplant", regions: [region], donor, strength: steered().strength }, `Took over ${title(region)}.`).then(() => page.main.view.flash(region));
}

/** Go through what a region was; turns of the wheel that come while one is answered add up. */
let rolled = null;
function roll(region, by) {
  if (isLocked(region)) return said(`Locked: ${title(region)}. L unlocks it.`);
  const { version, versions } = page.main.state.regions[region];
  const from = rolled?.region === region ? rolled.version : version;
  const to = Math.min(Math.max(from + by, 0), versions - 1);
  if (to === from) return said(versions > 1 ? `There is no ${by < 0 ? "earlier" : "later"} version of ${title(region)}.` : `Not redrawn yet: ${title(region)}.`);
  rolled = { region, version: to };
  page.main.latest("roll", async () => {
    await step({ kind: "restore", region, version: to }, `Version ${to + 1} of ${versions}: ${title(region)}.`);
    if (rolled?.version === to) rolled = null;
  });
}

/** The step that brings a slider of a region from where it is to where it is wanted. */
function slideTo(region, { direction, to }) {
  const from = page.main.state.regions[region].directions[direction] ?? 0;
  return { kind: "direction", region, direction, std: to - from };
}

/** Slide; where the hand is faster than the answers, only to the last place. */
function slide(region, detail) {
  page.main.latest(`slide ${detail.direction}`, async () => {
    const wanted = slideTo(region, detail);
    if (Math.abs(wanted.std) > LEAST_SLIDE) await step(wanted, `Moved ${title(region)} along direction ${detail.direction + 1}.`);
    if (region !== page.chosen) return;
    page.directions.done(detail);
    page.directions.show(page.main.state.regions[region], isLocked(region));
  });
}

async function lock(region, locked = !isLocked(region)) {
  if (await page.main.change("locks", { region, locked })) said(`${locked ? "Locked" : "Unlocked"}: ${title(region)}.`);
}

async function undo() {
  if (page.main.state.undo && (await page.main.change("undo"))) said("Took the last step back.");
}

async function redo() {
  if (page.main.state.redo && (await page.main.change("redo"))) said("Did the step again.");
}

/** Choose the region whose sliders are shown. */
function choose(region) {
  if (page.chosen === region) return;
  page.chosen = region;
  page.list.choose(region);
  page.directions.wait(regionOf(region));
  if (page.network.directions <= QUICK || page.found.has(region)) findDirections(region);
}

/** Show the sliders of a region. Its directions are looked for when they are first asked for. */
async function findDirections(region) {
  try {
    if (!page.found.has(region)) {
      page.directions.wait(regionOf(region), "Looking…");
      const answer = await api.get(`images/${page.main.state.image}/directions/${encodeURIComponent(region)}`);
      page.found.set(region, (await answer.json()).changes);
    }
    if (page.chosen !== region) return;
    page.directions.setRegion(regionOf(region), page.found.get(region));
    page.directions.show(page.main.state.regions[region], isLocked(region));
  } catch (error) {
    if (page.chosen === region) page.directions.wait(regionOf(region));
    complain(error.message);
  }
}

function point(region) {
  page.near = region;
  page.main.view.point(region);
  page.list.point(region);
}

const isLocked = (region) => page.main.state.locked.includes(region);
const title = (region) => regionOf(region)?.title ?? region;

function turn(by) {
  const { yaw, pitch } = page.main.look;
  page.main.turn({ yaw: yaw + by.x, pitch: pitch + by.y });
}

function compare(on) {
  $("compare").ariaPressed = String(on);
  return page.main.compare(on);
}

function outlines(on = $("outlines").ariaPressed !== "true") {
  $("outlines").ariaPressed = String(on);
  for (const viewer of [page.main, page.donor]) viewer.view.plate.classList.toggle("always", on);
}

/** The other parts of the page, whenever the image has changed. */
function showState() {
  const { state } = page.main;
  if (location.hash.slice(1) !== state.image) history[location.hash ? "pushState" : "replaceState"](null, "", `#${state.image}`);
  localStorage.setItem(LAST, state.image);
  page.list.show(state, page.main.absent);
  if (page.chosen) page.directions.show(state.regions[page.chosen], isLocked(page.chosen));
  $("undo").disabled = !state.undo;
  $("redo").disabled = !state.redo;
  $("compare").ariaPressed = "false";
  $("seed").value = state.source.seed ?? "";
  document.querySelector(".feature-paste").hidden = !state.photograph;
  $("pasted").checked = state.look.pasted;
}

function listen() {
  const { main, donor, list, directions } = page;
  main.addEventListener("shown", showState);
  donor.addEventListener("shown", () => {
    sessionStorage.setItem(DONOR, donor.state.image);
    $("donor-seed").value = donor.state.source.seed ?? "";
  });
  for (const source of [main.view, list]) {
    source.addEventListener("redraw", ({ detail }) => redraw(detail.region));
    source.addEventListener("wheel", ({ detail }) => roll(detail.region, detail.by));
    source.addEventListener("near", ({ detail }) => point(detail.region));
  }
  main.view.addEventListener("drag", ({ detail }) => turn({ x: -detail.x * Math.PI, y: detail.y * Math.PI }));
  list.addEventListener("choose", ({ detail }) => choose(detail.region));
  list.addEventListener("lock", ({ detail }) => lock(detail.region, detail.locked));
  donor.view.addEventListener("redraw", ({ detail }) => transplant(detail.region));
  donor.view.addEventListener("near", ({ detail }) => {
    donor.view.point(detail.region);
    point(detail.region);
  });
  directions.addEventListener("slide", ({ detail }) => main.preview(() => slideTo(page.chosen, detail)));
  directions.addEventListener("slid", ({ detail }) => slide(page.chosen, detail));
  directions.addEventListener("find", () => findDirections(page.chosen));

  const onClick = (id, call) => $(id).addEventListener("click", call);
  onClick("undo", undo);
  onClick("redo", redo);
  onClick("redraw-all", redrawAll);
  onClick("compare", () => compare($("compare").ariaPressed !== "true"));
  onClick("outlines", () => outlines());
  onClick("dice", () => newImage());
  onClick("donor-dice", () => newDonor());
  onClick("open-photograph", () => page.projection.choose("image"));
  onClick("donor-photograph", () => page.projection.choose("donor"));
  onClick("download-image", () => main.download("image"));
  onClick("download-latents", () => main.download("latents"));
  onClick("help", () => $("help-dialog").showModal());
  onClick("skip", (event) => (event.preventDefault(), $("image").focus())); // the address is the image's name
  $("alert").querySelector("button").addEventListener("click", () => complain());
  $("pasted").addEventListener("change", () => main.change("look", { pasted: $("pasted").checked }));
  for (const [form, field, show] of [["new-image", "seed", newImage], ["donor-form", "donor-seed", newDonor]]) {
    $(form).addEventListener("submit", (event) => (event.preventDefault(), show(Number($(field).value))));
  }
  $("orbit").addEventListener("click", (event) => {
    const way = event.target.closest("button")?.dataset.turn;
    if (way === "home") main.turn({ yaw: 0, pitch: 0 });
    else if (way) turn({ x: TURN * way.split(" ")[0], y: -TURN * way.split(" ")[1] });
  });
  addEventListener("popstate", () => {
    const image = location.hash.slice(1);
    if (image && image !== main.state.image) open(image).catch(({ message }) => complain(message));
  });
  addEventListener("visibilitychange", () => document.hidden || main.refresh()); // another tab may have edited it
  listenToKeys({
    undo, redo, redrawAll, outlines, current, roll, lock, redraw,
    newImage: () => newImage(), compare: () => compare($("compare").ariaPressed !== "true"),
    turn: (x, y) => page.network.is_3d_aware && turn({ x: TURN * x, y: TURN * y }),
    help: () => $("help-dialog").showModal(), region: (number) => page.network.regions[number]?.name,
  });
}

api.onNewToken(() => (complain(), page.main?.state ? page.main.refresh() : location.reload()));
begin().catch((error) => complain(error.message));
