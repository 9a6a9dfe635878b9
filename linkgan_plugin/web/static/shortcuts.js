// Shared handling of keyboard shortcuts.

/**
 * Listen to keys, except in fields that match `typing` and while a dialog is open. Ctrl or Cmd with Z or Y calls `does.undo`
 * or `does.redo`; `plain(event, key)` returns the function to call for other keys without Alt, or null.
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
