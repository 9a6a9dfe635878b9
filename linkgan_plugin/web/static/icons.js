// The icons of the pages: line paths in a 24 x 24 square.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  undo: "M9 6 4 11l5 5M4 11h10a6 6 0 0 1 0 12h-2",
  redo: "m15 6 5 5-5 5M20 11H10a6 6 0 0 0 0 12h2",
  redraw: "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.5 11V7a3.5 3.5 0 0 1 6.8-1.2",
  dice: "M5 5h14v14H5zM9 9h.01M15 9h.01M12 12h.01M9 15h.01M15 15h.01",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M9 9h.01",
  download: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  outline: "M5 5h3M11 5h3M17 5h2v2M19 10v3M19 16v3h-2M13 19h-3M7 19H5v-2M5 13v-3M5 7V5",
  compare: "M12 3v18M4 6h8v12H4zM16 6h4v12h-4",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18h.01",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  front: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 9v6M9 12h6",
  box: "M5 6h14v12H5z",
  polygon: "M12 4 20 10 17 19 7 19 4 10z",
  select: "M6 3l12 9-5.5 1L15.5 19l-2.3 1-3-6L6 17.5z",
  mirror: "M12 3v18M9 7 3 17h6zM15 7l6 10h-6z",
  delete: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  add: "M12 5v14M5 12h14",
  grid: "M4 4h16v16H4zM4 9.3h16M4 14.7h16M9.3 4v16M14.7 4v16",
};

const sprite = document.createElementNS(SVG, "svg");
sprite.setAttribute("class", "sprite");
sprite.setAttribute("aria-hidden", "true");
for (const [name, path] of Object.entries(PATHS)) {
  const symbol = document.createElementNS(SVG, "symbol");
  symbol.id = `i-${name}`;
  symbol.setAttribute("viewBox", "0 0 24 24");
  symbol.append(document.createElementNS(SVG, "path"));
  symbol.firstChild.setAttribute("d", path);
  sprite.append(symbol);
}
document.body.prepend(sprite);
