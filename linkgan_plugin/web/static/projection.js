// Photographs: choosing a file, uploading it, and following its inversion.

import { complain, $ } from "./dom.js";
import * as api from "./api.js";

const WAITING = "linkgan-photograph"; // in this tab's storage, so that a reload continues to wait
const PAUSE = 400; // milliseconds between two requests for the progress

export class Projection {
  /** `done(purpose, image)` is called with the name of the image of an inverted photograph. */
  constructor(done) {
    this.done = done;
    this.dialog = $("projection");
    this.bar = this.dialog.querySelector("progress");
    $("file").addEventListener("change", () => this.send());
    $("projection-hide").addEventListener("click", () => this.dialog.close());
    $("projection-cancel").addEventListener("click", () => this.cancel());
    this.dialog.addEventListener("close", () => ($("projection-chip").hidden = !this.waiting));
    $("projection-chip").addEventListener("click", () => this.open());
    const waiting = JSON.parse(sessionStorage.getItem(WAITING));
    if (waiting) this.wait(waiting, false);
  }

  /** Open the file dialog for a photograph, which becomes the "image" or the "donor". */
  choose(purpose) {
    if (this.waiting) return this.open();
    this.purpose = purpose;
    $("file").value = "";
    $("file").click();
  }

  open() {
    $("projection-chip").hidden = true;
    this.dialog.showModal();
  }

  async send() {
    const [file] = $("file").files;
    if (!file) return;
    complain();
    try {
      const { photograph } = await (await api.upload("photographs", file)).json();
      this.showGiven(await createImageBitmap(file));
      this.wait({ photograph, purpose: this.purpose }, true);
    } catch (error) {
      complain(error.message);
    }
  }

  /** Show the centre square, which is what is inverted. */
  showGiven(bitmap) {
    const canvas = this.dialog.querySelector(".given");
    const side = Math.min(bitmap.width, bitmap.height);
    canvas.width = canvas.height = Math.min(side, 512);
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    canvas.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, canvas.width, canvas.height);
  }

  async wait(waiting, show) {
    this.waiting = waiting;
    sessionStorage.setItem(WAITING, JSON.stringify(waiting));
    this.report({ share: 0, text: "Waiting for the network…" });
    if (show) this.open();
    else $("projection-chip").hidden = false;
    const { image, error } = await this.outcome(waiting).catch(({ message }) => ({ error: message }));
    if (this.waiting !== waiting) return; // cancelled meanwhile, perhaps for another photograph
    this.close();
    if (error) complain(error);
    else await this.done(waiting.purpose, image).catch(({ message }) => complain(message));
  }

  /** Follow the progress until there is an image or an error, or the inversion is cancelled. */
  async outcome(waiting) {
    while (this.waiting === waiting) {
      const { state, pixels } = await api.imageOf(await api.get(`photographs/${waiting.photograph}`));
      if (this.waiting !== waiting) break;
      this.report(state, pixels);
      if (state.image || state.error) return state;
      await new Promise((go) => setTimeout(go, PAUSE));
    }
    return {};
  }

  report({ share, text }, pixels) {
    this.bar.value = share;
    $("projection-status").textContent = text;
    $("projection-chip").textContent = `Inverting the photograph, ${Math.floor(100 * share)} %`;
    if (pixels) api.paint(this.dialog.querySelector(".found"), pixels);
  }

  async cancel() {
    const { photograph } = this.waiting;
    this.close();
    await api.remove(`photographs/${photograph}`).catch((error) => complain(error.message));
  }

  close() {
    this.waiting = null;
    sessionStorage.removeItem(WAITING);
    $("projection-chip").hidden = true;
    this.dialog.close();
  }
}
