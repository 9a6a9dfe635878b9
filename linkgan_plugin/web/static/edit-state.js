// State of the editing page: the network, both images, the chosen region, and the step that changes the image.

import { $ } from "./dom.js";

/** Filled in by app.js. `chosen` is the region whose sliders are shown, `near` the one under the pointer or focus. */
export const page = { network: null, main: null, donor: null, list: null, directions: null, sets: null, settings: null, chosen: null, near: null };

/** The region that keys act on. */
export const current = () => page.near ?? page.chosen;
export const regionOf = (name) => page.network.regions.find((region) => region.name === name);
export const titleOf = (name) => regionOf(name)?.title ?? name;
export const isLocked = (name) => page.main.state.locked.includes(name);

/** Write to the status line. */
export const say = (text) => ($("status").textContent = text);
export const sayLocked = (name) => say(`Locked: ${titleOf(name)}. Press L to unlock it.`);

/** Send a step; `text` is the status line after it. */
export async function step(data, text) {
  if (await page.main.change("steps", data)) say(text);
}
