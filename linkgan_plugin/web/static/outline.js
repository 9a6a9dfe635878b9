// Outlines of masks: the border of a set of pixels as an SVG path along the edges of the pixels.

const HALF = 128; // pixels with at least this coverage, of 255, are inside

/** Return the share of the image that a mask covers. */
export function area(mask) {
  let inside = 0;
  for (const value of mask) inside += value >= HALF;
  return inside / mask.length;
}

/** Return the border of mask >= HALF as SVG path data, "" for an empty mask. Holes are separate loops. */
export function outline(mask, width, height) {
  const next = edges(mask, width, height);
  const across = width + 1;
  let path = "";
  for (const [start] of next) {
    let [from, at] = [NaN, start];
    const corners = [];
    do {
      const ends = next.get(at);
      const end = ends.pop();
      if (!ends.length) next.delete(at);
      if (end - at !== at - from) corners.push(at);
      [from, at] = [at, end];
    } while (at !== start && next.has(at));
    path += `M${corners.map((corner) => `${corner % across} ${Math.floor(corner / across)}`).join("L")}Z`;
  }
  return path;
}

/** Return the edges between inside and outside, inside on the right: corner -> corners, numbered row by row. */
function edges(mask, width, height) {
  const across = width + 1;
  const next = new Map();
  const add = (from, to) => (next.has(from) ? next.get(from).push(to) : next.set(from, [to]));
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] >= HALF;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      const corner = y * across + x;
      if (!inside(x, y - 1)) add(corner, corner + 1);
      if (!inside(x + 1, y)) add(corner + 1, corner + across + 1);
      if (!inside(x, y + 1)) add(corner + across + 1, corner + across);
      if (!inside(x - 1, y)) add(corner + across, corner);
    }
  }
  return next;
}
