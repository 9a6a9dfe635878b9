// Dark or light theme: the system's, until the button is pressed.

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
