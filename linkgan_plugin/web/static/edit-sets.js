// Edits along sets of directions, which move the whole image except locked regions.

import * as api from "./api.js";
import { complain } from "./dom.js";
import { page, step } from "./edit-state.js";

const LEAST_SLIDE = 1e-9; // smaller distances are rounding errors, not steps

/** Load the sets of the image and show their sliders; `found` is one to bring into view. */
export async function loadSets(found) {
  try {
    const answer = await api.get(`images/${page.main.state.image}/sets`);
    page.sets.setSets((await answer.json()).sets);
    page.sets.show(page.main.state.sets);
    if (found) page.sets.reveal(found);
  } catch (error) {
    complain(error.message);
  }
}

/** Show the state of the image; stored edits may have sets of their own. */
export function showSets({ sets }) {
  if (Object.keys(sets).some((name) => !page.sets.has(name))) loadSets();
  else page.sets.show(sets);
}

/** Return the step that moves a slider of a set from its current value to `to`. */
export function setTo({ of, direction, to }) {
  const from = page.main.state.sets[of]?.[direction] ?? 0;
  return { kind: "direction", region: "all", direction, std: to - from, of };
}

/** Move along a direction of a set. If the slider moves faster than responses arrive, only its last value is sent. */
export function slideSet(detail) {
  page.main.latest(`slide ${detail.of} ${detail.direction}`, async () => {
    const data = setTo(detail);
    if (Math.abs(data.std) > LEAST_SLIDE) await step(data, `Moved the image along direction ${detail.direction + 1}.`);
    page.sets.done(detail);
    page.sets.show(page.main.state.sets);
  });
}
