/* Search in a site that is opened as a file: browsers start no workers there, so a hidden frame does a worker's work. */
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    this.waiting = [];
    addEventListener("message", event => {
      if (event.source !== this.frame.contentWindow) return;
      this.dispatchEvent(new MessageEvent("message", { data: event.data }));
    });
    if (document.body) this.start(url);
    else addEventListener("DOMContentLoaded", () => this.start(url));
  }

  start(url) {
    document.body.append(this.frame);
    const inside = this.frame.contentWindow, page = this.frame.contentDocument;
    const send = inside.postMessage.bind(inside);
    // A function of the frame's own: the answers are told by where they come from.
    inside.postMessage = inside.Function("data", "parent.postMessage(data, '*')");
    inside.importScripts = (...urls) => urls.reduce(
      (before, next) => before.then(() => this.load(page, next)), Promise.resolve());
    this.load(page, url).then(() => {
      this.send = data => send(data, "*");
      this.waiting.forEach(data => this.send(data));
    });
  }

  load(page, url) {
    return new Promise((done, failed) => {
      const script = page.createElement("script");
      Object.assign(script, { src: url, onload: done, onerror: failed });
      page.body.append(script);
    });
  }

  postMessage(data) {
    if (this.send) this.send(data);
    else this.waiting.push(data);
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") {
  window.IFrameWorker = IFrameWorker;
  window.Worker = IFrameWorker;
}
