// Opening images: by name or seed, the edited image and the donor, and the address that names the edited one.

import * as api from "./api.js";
import { $, complain, randomSeed } from "./dom.js";
import { showSets } from "./edit-sets.js";
import { isLocked, page, say } from "./edit-state.js";

const LAST = "linkgan-image"; // opened when the program starts again
const DONOR = "linkgan-donor";

/** Open the first image, `start` as `api.takeStart` returns it. */
export async function openFirst(start) {
  const name = start.image || (start.isNew && localStorage.getItem(LAST));
  await (name ? open(name).catch(() => newImage()) : newImage());
}

export async function openFirstDonor() {
  const name = sessionStorage.getItem(DONOR);
  await (name ? openDonor(name).catch(() => newDonor()) : newDonor());
}

export async function open(name) {
  await page.main.open(name);
}

export async function openDonor(name) {
  await page.donor.open(name);
}

export async function newImage(seed = randomSeed()) {
  if (await page.main.ask(() => post(seed))) say(`This is the image of seed ${seed}.`);
}

export async function newDonor(seed = randomSeed()) {
  await page.donor.ask(() => post(seed));
}

const post = (seed) => api.post("images", { seed, psi: page.settings.psi() });

/** Update the page after a change of the edited image. Each image has its own address, so Back returns to the last one. */
export function showState() {
  const { state } = page.main;
  if (location.hash.slice(1) !== state.image) history[location.hash ? "pushState" : "replaceState"](null, "", `#${state.image}`);
  localStorage.setItem(LAST, state.image);
  page.list.show(state, page.main.absent);
  if (page.chosen) page.directions.show(state.regions[page.chosen], isLocked(page.chosen));
  showSets(state);
  $("undo").disabled = !state.undo;
  $("redo").disabled = !state.redo;
  $("compare").ariaPressed = "false";
  $("seed").value = state.source.seed ?? "";
  document.querySelector(".feature-paste").hidden = !state.photograph;
  $("pasted").checked = state.look.pasted;
  $("surface").value = state.look.surface;
}

export function showDonor() {
  const { state } = page.donor;
  sessionStorage.setItem(DONOR, state.image);
  $("donor-seed").value = state.source.seed ?? "";
}

/** Open the image in the address, after Back or Forward. */
export function openAddress() {
  const name = location.hash.slice(1);
  if (name && name !== page.main.state.image) open(name).catch(({ message }) => complain(message));
}
