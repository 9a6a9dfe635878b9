// Requests to the server: the token, error messages, and images with their state.

const TOKEN = "linkgan-token";

/** An error whose message is shown to the user. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Read and remove the token and the image that the terminal's address contains: { isNew, image }. A token that the server
 * refuses is ignored, because any page can link here with its own. `first` is the path of the page's first request.
 */
export async function takeStart(first = "network") {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (!token) return { isNew: false, image: location.hash.slice(1) };
  history.replaceState(null, "", location.pathname);
  const isNew = localStorage.getItem(TOKEN) !== token && (await isAccepted(token, first));
  if (isNew) localStorage.setItem(TOKEN, token);
  return { isNew, image: given.get("image") };
}

async function isAccepted(token, first) {
  const response = await fetch(`api/${first}`, { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  return response?.ok ?? false;
}

/** Call back when another tab stores the token of a new server. */
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
    throw new Refusal("The program does not respond. Is it still running in the terminal?", 0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Refusal(answer.error ?? `The program responded with an error (${response.status}).`, response.status);
}

/** Send a request, with plain data if given; return the response. */
export const get = (path) => ask("GET", path);
export const remove = (path) => ask("DELETE", path);
export const post = (path, data = {}) => ask("POST", path, JSON.stringify(data), "application/json");
export const upload = (path, file) => ask("POST", path, file, "application/octet-stream");

/** Return the image in a response as ImageData, and its state: { pixels, state }. */
export async function imageOf(response) {
  const [state, width] = ["state", "width"].map((name) => JSON.parse(response.headers.get(`linkgan-${name}`)));
  return { state, pixels: new ImageData(new Uint8ClampedArray(await response.arrayBuffer()), width) };
}

/** Draw ImageData on a canvas, which is resized to it. */
export function paint(canvas, pixels) {
  if (canvas.width !== pixels.width || canvas.height !== pixels.height) [canvas.width, canvas.height] = [pixels.width, pixels.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Download a response under the file name in its header. */
export async function save(response) {
  const link = document.createElement("a");
  link.download = /filename="([^"]+)"/.exec(response.headers.get("content-disposition"))[1];
  link.href = URL.createObjectURL(await response.blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
