// The handles of a shape: their positions, and the shape after one is dragged.

import { boxOf, middle } from "./draw-geometry.js";

const ROWS = ["top", "", "bottom"];
const COLUMNS = ["left", "", "right"];

/**
 * Return handles [{ at, label, main, ... }]. Of a box, `x` and `y` are the corners whose coordinate they move (0, 1 or null).
 * Of a polygon they have `corner`, or `after` between two corners, where dragging adds a corner.
 */
export function handlesOf({ kind, corners }) {
  return kind === "box" ? boxHandles(corners) : [...cornerHandles(corners), ...betweenHandles(corners)];
}

function boxHandles([[left, top], [right, bottom]]) {
  const made = [];
  for (const [row, y] of [top, (top + bottom) / 2, bottom].entries()) {
    for (const [column, x] of [left, (left + right) / 2, right].entries()) {
      if (row === 1 && column === 1) continue;
      const label = [ROWS[row], COLUMNS[column], row === 1 || column === 1 ? "side" : "corner"].filter(Boolean).join(" ");
      const side = (place) => (place === 1 ? null : place / 2);
      made.push({ at: [x, y], label, main: row !== 1 && column !== 1, x: side(column), y: side(row) });
    }
  }
  return made;
}

const cornerHandles = (corners) => corners.map((at, corner) => ({ at, label: `corner ${corner + 1} of ${corners.length}`, main: true, corner }));

const betweenHandles = (corners) =>
  corners.map((at, after) => ({ at: middle(at, corners[(after + 1) % corners.length]), label: `new corner after ${after + 1}`, main: false, after }));

/** Return the corners of a shape after one of its handles is dragged to a point; `least` is the smallest side of a box. */
export function dragged(corners, handle, [x, y], least) {
  if (handle.corner !== undefined) return corners.map((corner, place) => (place === handle.corner ? [x, y] : corner));
  if (handle.after !== undefined) return [...corners.slice(0, handle.after + 1), [x, y], ...corners.slice(handle.after + 1)];
  const made = corners.map((corner) => [...corner]);
  if (handle.x !== null) made[handle.x][0] = x;
  if (handle.y !== null) made[handle.y][1] = y;
  return boxOf(...made, least);
}
