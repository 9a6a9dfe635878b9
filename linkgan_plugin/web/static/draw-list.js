// The list of regions: names, axes, and the areas and errors that the server computes.

import { button, icon } from "./dom.js";

/** Fires "add", "remove" and "choose", with detail.id of the region. */
export class DrawnList extends EventTarget {
  constructor(list, model) {
    super();
    Object.assign(this, { list, model, rows: new Map() });
  }

  /**
   * Show the regions with the server's response: `found`, region -> { area, pixels, count, axes, error }, and `wrong`, the
   * regions that have errors, alone or with others.
   */
  render({ found, wrong }) {
    const { regions, selected } = this.model;
    const ids = new Set(regions.map(({ id }) => id));
    for (const [id, row] of this.rows) if (!ids.has(id)) (row.item.remove(), this.rows.delete(id));
    for (const [place, region] of regions.entries()) {
      const row = this.rows.get(region.id) ?? this.newRow(region.id);
      if (this.list.children[place] !== row.item) this.list.insertBefore(row.item, this.list.children[place] ?? null);
      row.item.style.setProperty("--region", region.colour);
      row.item.classList.toggle("chosen", region.id === selected.region);
      row.choose.ariaPressed = String(region.id === selected.region);
      row.choose.ariaLabel = `Draw ${region.name}`;
      row.remove.ariaLabel = `Delete the region ${region.name}`;
      for (const field of ["name", "axes"]) if (row[field] !== document.activeElement) row[field].value = region[field];
      row.add.style.visibility = region.text ? "hidden" : "";
      row.add.ariaLabel = `Add a shape to ${region.name}`;
      row.note.textContent = this.noteOf(region, found.get(region.id));
      row.error.textContent = found.get(region.id)?.error ?? "";
      row.item.classList.toggle("wrong", wrong.has(region.id));
    }
  }

  noteOf({ text, shapes }, found) {
    if (!text && !shapes.length) return "no shape yet: drag a box on the image";
    const what = text ? ` · ${text}` : "";
    if (!found || found.error) return what.slice(3);
    return `${shareOf(found, this.model.data.dim)}${what}`;
  }

  newRow(id) {
    const item = document.createElement("li");
    item.dataset.id = id;
    const tell = (type) => this.dispatchEvent(new CustomEvent(type, { detail: { id } }));
    const choose = button({ className: "quiet dot", pressed: false, label: "Draw", press: () => tell("choose") });
    choose.title = "Draw the next shape in this region";
    const [name, axes] = [this.field(id, "name", "Name"), this.field(id, "axes", "Axes")];
    axes.title = "Latent axes: auto, a number, or ranges such as 0:16";
    const add = button({ className: "quiet", label: "Add a shape", press: () => tell("add") }, icon("add"));
    add.title = "Add a shape in the centre (A)";
    const remove = button({ className: "quiet", label: "Delete the region", press: () => tell("remove") }, icon("delete"));
    remove.title = "Delete the region";
    const [note, error] = ["note", "error"].map((kind) => Object.assign(document.createElement("small"), { className: kind }));
    const at = Object.assign(document.createElement("span"), { className: "hint", textContent: "axes" });
    item.append(choose, name, at, axes, add, remove, note, error);
    const row = { item, choose, name, axes, add, remove, note, error };
    this.rows.set(id, row);
    return row;
  }

  field(id, field, label) {
    const input = Object.assign(document.createElement("input"), { type: "text", className: field, ariaLabel: label, spellcheck: false, autocomplete: "off" });
    input.addEventListener("input", () => this.model.change(id, { [field]: input.value.trim() }));
    input.addEventListener("change", () => this.model.commit());
    input.addEventListener("focus", () => this.model.selected.region !== id && this.model.select(id));
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
    return input;
  }
}

/** Return area, pixels and axes as text. */
export function shareOf({ area, pixels, count, axes }, dim) {
  const place = area === null ? "differs between images" : `${(100 * area).toFixed(1)} % · ${Number(pixels.toFixed(pixels < 10 ? 1 : 0)).toLocaleString("en")} px`;
  return `${place} · ${count} of ${dim} axes${axes ? ` (${axes})` : ""}`;
}
