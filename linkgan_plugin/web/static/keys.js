// Keys that work wherever the focus is, but not while somebody types.

const TYPING = "input[type=number], input[type=text], textarea, select";

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
  const region = does.current();
  const ofRegion = { "[": () => does.roll(region, -1), "]": () => does.roll(region, 1), l: () => does.lock(region) };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in ofRegion) return region && !(event.repeat && key === "l") ? ofRegion[key] : null;
  if (key in arrows) return event.target.closest?.(".image") ? () => does.turn(...arrows[key]) : null;
  if (event.repeat) return null;
  if (/^[1-9]$/.test(key)) {
    const named = does.region(Number(key) - 1);
    return named ? () => does.redraw(named) : null;
  }
  return { a: does.redrawAll, c: does.compare, n: does.newImage, o: () => does.outlines(), "?": does.help }[key] ?? null;
}
