// Photographs: choosing a file, uploading it, and following its inversion.

import { complain, $ } from "./dom.js";
import * as api from "./api.js";

const WAITING = "linkgan-photograph"; // in this tab's storage, so that a reload continues to wait
const PAUSE = 400; // milliseconds between two requests for the progress

export class Projection {
  /**
   * `done(purpose, image)` is called with the name of the image of an inverted photograph, and `refined(image)` when an
   * image that was shown before its inversion had ended has changed.
   */
  constructor(done, refined) {
    Object.assign(this, { done, refined });
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
    try {
      for await (const { image, refined, error } of this.outcomes(waiting)) {
        if (error) complain(error);
        if (image && !waiting.image) await this.show(waiting, image);
        else if (refined) await this.refined(image);
      }
    } catch ({ message }) {
      complain(message);
    }
    if (this.waiting === waiting) this.close(); // otherwise cancelled, perhaps for another photograph
  }

  /** Show an image. If its inversion goes on, the chip tells how far it is. */
  async show(waiting, image) {
    waiting.image = image;
    sessionStorage.setItem(WAITING, JSON.stringify(waiting));
    this.dialog.close();
    await this.done(waiting.purpose, image);
  }

  /** Yield the states of an inversion until its end: an image, an error, or nothing more if it is cancelled. */
  async *outcomes(waiting) {
    while (this.waiting === waiting) {
      const { state, pixels } = await api.imageOf(await api.get(`photographs/${waiting.photograph}`));
      if (this.waiting !== waiting) return;
      this.report(state, pixels);
      yield state;
      if (state.refined || state.error) return;
      await new Promise((go) => setTimeout(go, PAUSE));
    }
  }

  report({ share, text, image }, pixels) {
    this.bar.value = share;
    $("projection-status").textContent = text;
    $("projection-chip").textContent = `${image ? "Refining" : "Inverting"} the photograph, ${Math.floor(100 * share)} %`;
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
