// Corners of shapes: fractions of the width and height in thousandths, as written in a link.

const ACROSS = 1000; // steps per side

export const rounded = (value) => Math.round(Math.min(Math.max(value, 0), 1) * ACROSS) / ACROSS;

/** Return a function that rounds to the edges of `pixels` pixels per side, or with 0 only to thousandths. */
export const snapper = (pixels) => (value) => rounded(pixels ? Math.round(Math.min(Math.max(value, 0), 1) * pixels) / pixels : value);

/** Return the distance of one arrow key press. */
export const stepOf = (pixels) => (pixels ? 1 / pixels : 0.005);

/** Return all corners of a shape; a box has four. */
export function outlineOf({ kind, corners }) {
  if (kind === "polygon") return corners;
  const [[left, top], [right, bottom]] = corners;
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

/** Return the SVG path of corners in a 1000 x 1000 square. */
export const pathOf = (corners, closed = true) => `M${corners.map(([x, y]) => `${x * ACROSS} ${y * ACROSS}`).join("L")}${closed ? "Z" : ""}`;

export const textOf = ({ kind, corners }) => `${kind}(${corners.flat().map(rounded).join(",")})`;

/** Return the box of two corners: top left, then bottom right, at least `least` wide and high. */
export function boxOf([x0, y0], [x1, y1], least = 1 / ACROSS) {
  const side = (a, b) => {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    if (high - low >= least - 1e-9) return [low, high];
    return low + least <= 1 ? [low, rounded(low + least)] : [rounded(1 - least), 1];
  };
  const [[left, right], [top, bottom]] = [side(x0, x1), side(y0, y1)];
  return [[left, top], [right, bottom]];
}

/** Return a shape's corners moved by (x, y) within the image; `snap` aligns its top left with the grid. */
export function moved(corners, [x, y], snap) {
  const by = [x, y].map((distance, axis) => {
    const values = corners.map((corner) => corner[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return Math.min(Math.max(snap(low + distance), 0), 1 - (high - low)) - low;
  });
  return corners.map((corner) => corner.map((value, axis) => rounded(value + by[axis])));
}

/** Return a shape's corners mirrored left to right. */
export function mirrored({ kind, corners }) {
  const flipped = corners.map(([x, y]) => [rounded(1 - x), y]);
  return kind === "box" ? boxOf(...flipped) : flipped.reverse();
}

/** Return whether two shapes are the same, whichever corner a polygon's list starts with. */
export function same(one, other) {
  const key = (shape) => outlineOf(shape).map(String).sort().join(" ");
  return one.kind === other.kind && key(one) === key(other);
}

/** Return the point halfway between two corners. */
export const middle = ([x0, y0], [x1, y1]) => [rounded((x0 + x1) / 2), rounded((y0 + y1) / 2)];
