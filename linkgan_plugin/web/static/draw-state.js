// State of the drawing page: its parts, the drawing tool, and whether corners snap to pixels.

import { $ } from "./dom.js";

export const SNAPS = "linkgan-snap";

/** The parts of the page; filled in by `begin`. */
export const page = { about: null, model: null, stage: null, pointer: null, list: null, strip: null, checker: null, tool: "box" };

export const say = (text) => ($("status").textContent = text);
export const snaps = () => $("snap").ariaPressed === "true";
export const pixels = () => (snaps() ? page.about.size : 0);
