// Keys of the page, but not while somebody types.

const TYPING = "input:not([type=checkbox]), textarea, select";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FURTHER = 10; // times as far with Shift

/** Listen to keys and call what they mean. */
export function listenToKeys(does) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target.matches?.(TYPING)) return;
    const command = event.ctrlKey || event.metaKey ? withCommand(event, does) : plain(event, does);
    if (!command) return;
    event.preventDefault();
    command();
  });
}

function withCommand(event, does) {
  const key = event.key.toLowerCase();
  if (key === "z") return event.shiftKey ? does.redo : does.undo;
  return key === "y" ? does.redo : null;
}

function plain(event, does) {
  if (event.altKey) return null;
  const handle = event.target.dataset?.handle;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
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
