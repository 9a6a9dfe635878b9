// The history of the image: undo, redo, the versions of a region, and the comparison with the original.

import { $ } from "./dom.js";
import { isLocked, page, say, sayLocked, step, titleOf } from "./edit-state.js";

export async function undo() {
  if (page.main.state.undo && (await page.main.change("undo"))) say("Undid the last step.");
}

export async function redo() {
  if (page.main.state.redo && (await page.main.change("redo"))) say("Redid the step.");
}

/** Show an earlier or later version of a region. Turns of the wheel during a request are added up. */
let rolled = null;
export function roll(region, by) {
  if (isLocked(region)) return sayLocked(region);
  const { version, versions } = page.main.state.regions[region];
  const from = rolled?.region === region ? rolled.version : version;
  const to = Math.min(Math.max(from + by, 0), versions - 1);
  if (to === from) return say(versions > 1 ? `No ${by < 0 ? "earlier" : "later"} version of ${titleOf(region)}.` : `Not redrawn yet: ${titleOf(region)}.`);
  rolled = { region, version: to };
  page.main.latest("roll", async () => {
    await step({ kind: "restore", region, version: to }, `Version ${to + 1} of ${versions}: ${titleOf(region)}.`);
    if (rolled?.version === to) rolled = null;
  });
}

/** Show the original, or the edited image again. */
export function compare(on = $("compare").ariaPressed !== "true") {
  $("compare").ariaPressed = String(on);
  return page.main.compare(on);
}
