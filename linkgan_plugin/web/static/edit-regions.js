// Edits of regions: redraw, copy from the other image, lock, and the sliders along directions.

import * as api from "./api.js";
import { complain, randomSeed } from "./dom.js";
import { isLocked, page, regionOf, say, sayLocked, step, titleOf } from "./edit-state.js";

const QUICK = 4; // seconds; a faster search for directions starts without a click
const LEAST_SLIDE = 1e-9; // smaller distances are rounding errors, not steps

const found = new Map(); // region -> the effects of its directions

export function redraw(region) {
  if (isLocked(region)) return sayLocked(region);
  choose(region);
  const consistent = page.settings.consistent();
  return step({ ...resample(region), ...(consistent && { consistent }) }, `Redrew ${titleOf(region)}.`).then(() => page.main.view.flash(region));
}

export function redrawAll() {
  return step(resample("all"), "Redrew all regions that are not locked.");
}

function resample(region) {
  const { strength, psi } = page.settings;
  return { kind: "resample", regions: [region], seed: randomSeed(), strength: strength(), psi: psi() };
}

export function transplant(region) {
  if (isLocked(region)) return sayLocked(region);
  const donor = { image: page.donor.state.image };
  const data = { kind: "transplant", regions: [region], donor, strength: page.settings.strength() };
  return step(data, `Copied ${titleOf(region)}.`).then(() => page.main.view.flash(region));
}

export async function lock(region, locked = !isLocked(region)) {
  if (await page.main.change("locks", { region, locked })) say(`${locked ? "Locked" : "Unlocked"}: ${titleOf(region)}.`);
}

/** Highlight a region in the image and in the list; null for none. */
export function point(region) {
  page.near = region;
  page.main.view.point(region);
  page.list.point(region);
}

/** Choose the region whose sliders are shown. */
export function choose(region) {
  if (page.chosen === region) return;
  page.chosen = region;
  page.list.choose(region);
  page.directions.wait(regionOf(region));
  if (page.network.directions <= QUICK || found.has(region)) findDirections(region);
}

/** Show the sliders of a region; its directions are requested once. */
export async function findDirections(region) {
  try {
    if (!found.has(region)) {
      page.directions.wait(regionOf(region), "Computing…");
      const answer = await api.get(`images/${page.main.state.image}/directions/${encodeURIComponent(region)}`);
      found.set(region, (await answer.json()).effects);
    }
    if (page.chosen !== region) return;
    page.directions.setRegion(regionOf(region), found.get(region));
    page.directions.show(page.main.state.regions[region], isLocked(region));
  } catch (error) {
    if (page.chosen === region) page.directions.wait(regionOf(region));
    complain(error.message);
  }
}

/** Return the step that moves a slider of a region from its current value to `to`. */
export function slideTo(region, { direction, to }) {
  const from = page.main.state.regions[region].directions[direction] ?? 0;
  return { kind: "direction", region, direction, std: to - from };
}

/** Move along a direction. If the slider moves faster than responses arrive, only its last value is sent. */
export function slide(region, detail) {
  page.main.latest(`slide ${detail.direction}`, async () => {
    const data = slideTo(region, detail);
    if (Math.abs(data.std) > LEAST_SLIDE) await step(data, `Moved ${titleOf(region)} along direction ${detail.direction + 1}.`);
    if (region !== page.chosen) return;
    page.directions.done(detail);
    page.directions.show(page.main.state.regions[region], isLocked(region));
  });
}
