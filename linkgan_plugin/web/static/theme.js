// Dark or light: as the system has it, until somebody presses the button.

import { $ } from "./dom.js";

const THEME = "linkgan-theme";

function show() {
  const theme = localStorage.getItem(THEME);
  if (theme) document.documentElement.dataset.theme = theme;
}

function switchOver() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  localStorage.setItem(THEME, dark ? "light" : "dark");
  show();
}

$("theme").addEventListener("click", switchOver);
show();
