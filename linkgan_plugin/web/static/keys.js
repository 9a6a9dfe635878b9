// Keyboard shortcuts of the editing page.

import { listen } from "./shortcuts.js";

const TYPING = "input[type=number], input[type=text], textarea, select";

/** Listen to keys and call the functions in `does`. */
export function listenToKeys(does) {
  listen(TYPING, does, (event, key) => plain(event, key, does));
}

function plain(event, key, does) {
  const region = does.current();
  const ofRegion = { "[": () => does.roll(region, -1), "]": () => does.roll(region, 1), l: () => does.lock(region) };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (key in ofRegion) return region && !(event.repeat && key === "l") ? ofRegion[key] : null;
  if (key in arrows) return event.target.closest?.(".image") ? () => does.turn(...arrows[key]) : null;
  if (event.repeat) return null;
  if (/^[1-9]$/.test(key)) {
    const named = does.region(Number(key) - 1);
    return named ? () => does.redraw(named) : null;
  }
  return { a: does.redrawAll, c: does.compare, n: does.newImage, o: () => does.outlines(), "?": does.help }[key] ?? null;
}
