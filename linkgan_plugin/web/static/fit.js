// The displayed size of an image.

const CRISP = 256; // images up to this size are scaled by whole factors

/**
 * Resize a plate so that its canvas fills `element`; small images are scaled by whole factors. With `tall` the plate may be
 * higher than the element.
 */
export function fit(plate, { width, height }, element, tall) {
  const box = element.getBoundingClientRect();
  const room = Math.min(box.width, tall ? Infinity : Math.max(box.height, 200) * (width / height));
  const ratio = devicePixelRatio || 1;
  const factor = Math.floor((room * ratio) / width);
  const shown = width <= CRISP && factor >= 1 ? (factor * width) / ratio : Math.min(room, (2 * width) / ratio);
  plate.style.width = `${shown}px`;
  plate.style.height = `${(shown * height) / width}px`;
  plate.classList.toggle("crisp", width <= CRISP);
}
