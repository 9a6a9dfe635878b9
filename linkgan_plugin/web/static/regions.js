// The list of regions: their names, versions and locks.

import { button, icon } from "./dom.js";

/** Fires "redraw", "choose", "near", "wheel" (detail.by) and "lock" (detail.locked), all with detail.region. */
export class RegionList extends EventTarget {
  constructor(list, regions) {
    super();
    this.rows = new Map(regions.map((region) => [region.name, this.row(region)]));
    list.replaceChildren(...[...this.rows.values()].map((row) => row.item));
    list.addEventListener("pointerleave", () => this.tell("near", { region: null }));
  }

  row({ name, title, colour }) {
    const tell = (type, more) => this.tell(type, { region: name, ...more });
    const item = document.createElement("li");
    item.style.setProperty("--region", colour);
    const label = document.createElement("span");
    label.textContent = title;
    const note = document.createElement("small");
    const choose = button({ className: "quiet name", pressed: false, label: null, press: () => tell("choose") }, label, note);
    choose.title = "Its sliders are shown below";
    const back = button({ className: "quiet", label: `Earlier version of ${title}`, press: () => tell("wheel", { by: -1 }) }, icon("left"));
    const count = document.createElement("span");
    const forth = button({ className: "quiet", label: `Later version of ${title}`, press: () => tell("wheel", { by: 1 }) }, icon("right"));
    const versions = document.createElement("span");
    versions.className = "versions";
    versions.append(back, count, forth);
    const lock = button({ className: "quiet lock", pressed: false, label: `Lock ${title}`, press: () => tell("lock", { locked: lock.ariaPressed !== "true" }) }, icon("unlock"));
    lock.title = "Lock: nothing changes it (L)";
    const again = button({ className: "quiet again", label: `Redraw ${title}`, press: () => tell("redraw") }, icon("redraw"));
    again.title = "Redraw";
    item.append(choose, versions, lock, again);
    item.addEventListener("pointerenter", () => tell("near"));
    item.addEventListener("focusin", () => tell("near"));
    return { item, choose, note, back, count, forth, lock, again };
  }

  /** Show the state of an image; `absent` are the regions that are empty in it. */
  show(state, absent) {
    const locked = new Set(state.locked);
    for (const [name, row] of this.rows) {
      const { version, versions } = state.regions[name];
      row.count.textContent = `${version + 1} / ${versions}`;
      row.count.ariaLabel = `version ${version + 1} of ${versions}`;
      row.back.disabled = locked.has(name) || version === 0;
      row.forth.disabled = locked.has(name) || version + 1 === versions;
      row.again.disabled = locked.has(name);
      row.lock.ariaPressed = String(locked.has(name));
      row.lock.querySelector("use").setAttribute("href", locked.has(name) ? "#i-lock" : "#i-unlock");
      row.note.textContent = absent.has(name) ? "not in this image" : "";
    }
  }

  /** Mark the region whose sliders are shown. */
  choose(region) {
    for (const [name, row] of this.rows) {
      row.item.classList.toggle("chosen", name === region);
      row.choose.ariaPressed = String(name === region);
    }
  }

  /** Highlight a region; null for none. */
  point(region) {
    for (const [name, row] of this.rows) row.item.classList.toggle("near", name === region);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
