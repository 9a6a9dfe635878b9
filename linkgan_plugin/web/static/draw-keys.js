// Keyboard shortcuts of the drawing page.

import { listen } from "./shortcuts.js";

const TYPING = "input:not([type=checkbox]), textarea, select";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FURTHER = 10; // steps per key press with Shift

/** Listen to keys and call the functions in `does`. */
export function listenToKeys(does) {
  listen(TYPING, does, (event, key) => plain(event, key, does));
}

function plain(event, key, does) {
  const handle = event.target.dataset?.handle;
  if (key in ARROWS && does.selected()) {
    const by = ARROWS[key].map((way) => way * (event.shiftKey ? FURTHER : 1));
    return () => does.nudge(handle, by);
  }
  if (event.repeat) return null;
  if (does.drawing()) {
    const ofDraft = { Enter: does.close, Backspace: does.back, Escape: does.cancel };
    if (key in ofDraft) return ofDraft[key];
  }
  if (handle !== undefined && ["+", "Insert", "Delete", "Backspace"].includes(key)) return () => does.corner(handle, key);
  if (key === "Enter" || key === " ") return event.target.closest("[data-shape]") ? () => {} : null;
  const tools = { v: "select", b: "box", p: "polygon" };
  if (key in tools) return () => does.tool(tools[key]);
  return {
    Escape: does.cancel, Delete: does.remove, Backspace: does.remove, m: does.mirror, n: does.newRegion, a: does.add,
    s: does.snap, r: does.shuffle, ",": () => does.step(-1), ".": () => does.step(1), "?": does.help,
  }[key] ?? null;
}
