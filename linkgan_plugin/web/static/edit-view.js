// How the image is shown: outlines, camera, pasting, and the depth or normals of 3D objects.

import { $ } from "./dom.js";
import { page } from "./edit-state.js";

const TURN = Math.PI / 18; // of the camera, per click or key

/** Always show the outlines, or only under the pointer. */
export function outlines(on = $("outlines").ariaPressed !== "true") {
  $("outlines").ariaPressed = String(on);
  for (const viewer of [page.main, page.donor]) viewer.view.plate.classList.toggle("always", on);
}

/** Rotate the camera by angles in radians. */
function turn(x, y) {
  const { yaw, pitch } = page.main.look;
  page.main.turn({ yaw: yaw + x, pitch: pitch + y });
}

/** Rotate the camera by steps: right and up. */
export function turnBySteps(right, up) {
  if (page.network.is_3d_aware) turn(TURN * right, TURN * up);
}

/** Connect the camera buttons, drags on the image, and the choices of pasting and surface. */
export function listenToView() {
  page.main.view.addEventListener("drag", ({ detail }) => turn(-detail.x * Math.PI, detail.y * Math.PI));
  $("orbit").addEventListener("click", (event) => {
    const way = event.target.closest("button")?.dataset.turn;
    if (way === "home") page.main.turn({ yaw: 0, pitch: 0 });
    else if (way) turnBySteps(way.split(" ")[0], -way.split(" ")[1]);
  });
  $("outlines").addEventListener("click", () => outlines());
  $("pasted").addEventListener("change", () => page.main.change("look", { pasted: $("pasted").checked }));
  $("surface").addEventListener("change", () => page.main.change("look", { surface: $("surface").value }));
}
