// Photographs: choosing a file, and waiting until the network has found it.

import { complain, $ } from "./dom.js";
import * as api from "./api.js";

const WAITING = "linkgan-photograph"; // of this tab, so that a reload goes on waiting
const PAUSE = 400; // milliseconds between two looks at how far it is

export class Projection {
  /** `done(purpose, image)` is called with the name of the image that a photograph became. */
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

  /** Let a photograph be chosen, as the "image" or as the "donor". */
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

  /** The square in the middle, which is what the network gets. */
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
    if (this.waiting !== waiting) return; // stopped meanwhile, maybe for another photograph
    this.close();
    if (error) complain(error);
    else await this.done(waiting.purpose, image).catch(({ message }) => complain(message));
  }

  /** Look how far it is until it has an image or an error, or nobody waits for it any more. */
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
    $("projection-chip").textContent = `Finding the photograph, ${Math.floor(100 * share)} %`;
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
