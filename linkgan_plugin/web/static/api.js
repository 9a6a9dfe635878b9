// Asking the server: the token, the errors for people, and images that carry the state of their image.

const TOKEN = "linkgan-token";

/** An answer that is a sentence for people. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Take out of the address what the terminal put there: whether it is a new start, and an image to begin with. A token
 * that the program does not take changes nothing: any page can lead here with one of its own. `first`: what the page
 * asks for at first.
 */
export async function takeStart(first = "network") {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (!token) return { isNew: false, image: location.hash.slice(1) };
  history.replaceState(null, "", location.pathname);
  const isNew = localStorage.getItem(TOKEN) !== token && (await isTaken(token, first));
  if (isNew) localStorage.setItem(TOKEN, token);
  return { isNew, image: given.get("image") };
}

async function isTaken(token, first) {
  const response = await fetch(`api/${first}`, { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  return response?.ok ?? false;
}

/** Call back when another tab was given the token of a new start. */
export function onNewToken(call) {
  addEventListener("storage", (event) => event.key === TOKEN && call());
}

async function ask(method, path, body, kind) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(TOKEN)}` };
  if (kind) headers["Content-Type"] = kind;
  let response;
  try {
    response = await fetch(`api/${path}`, { method, headers, body });
  } catch {
    throw new Refusal("The program does not answer. Is it still running in the terminal?", 0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Refusal(answer.error ?? `The program answered with an error (${response.status}).`, response.status);
}

/** Send plain data, or nothing; returns the response. */
export const get = (path) => ask("GET", path);
export const remove = (path) => ask("DELETE", path);
export const post = (path, data = {}) => ask("POST", path, JSON.stringify(data), "application/json");
export const upload = (path, file) => ask("POST", path, file, "application/octet-stream");

/** An image as ImageData, and the state that came with it: { pixels, state }. */
export async function imageOf(response) {
  const [state, width] = ["state", "width"].map((name) => JSON.parse(response.headers.get(`linkgan-${name}`)));
  return { state, pixels: new ImageData(new Uint8ClampedArray(await response.arrayBuffer()), width) };
}

/** Put ImageData on a canvas, which takes its size. */
export function paint(canvas, pixels) {
  if (canvas.width !== pixels.width || canvas.height !== pixels.height) [canvas.width, canvas.height] = [pixels.width, pixels.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Let the browser save an answer under the name that the server gives it. */
export async function save(response) {
  const link = document.createElement("a");
  link.download = /filename="([^"]+)"/.exec(response.headers.get("content-disposition"))[1];
  link.href = URL.createObjectURL(await response.blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
