// How large an image is shown.

const CRISP = 256; // images up to this size are shown in whole multiples of their pixels

/**
 * Size a plate for the canvas in it: as large as there is room in `element`, small images in whole multiples of the
 * screen's pixels. `tall`: it may be higher than the element is.
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
