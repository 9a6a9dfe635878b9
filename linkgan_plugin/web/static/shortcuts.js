// What the keyboard shortcuts of all pages share.

/**
 * Call what keys mean, but not in fields that match `typing` nor while a dialog is open. Ctrl or Cmd with Z and Y undoes
 * and redoes on every page; `plain(event, key)` returns what any other key without Alt does, or null.
 */
export function listen(typing, does, plain) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target.matches?.(typing)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const command = event.ctrlKey || event.metaKey ? withCommand(event, key, does) : event.altKey ? null : plain(event, key);
    if (!command) return;
    event.preventDefault();
    command();
  });
}

function withCommand(event, key, does) {
  if (key === "z") return event.shiftKey ? does.redo : does.undo;
  return key === "y" ? does.redo : null;
}
