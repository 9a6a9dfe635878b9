// The editing page: builds it from the server's description of the network and connects its controls.

import * as api from "./api.js";
import "./icons.js";
import "./theme.js";
import { Directions } from "./directions.js";
import { $, complain, selection, setting } from "./dom.js";
import { compare, redo, roll, undo } from "./edit-history.js";
import { newDonor, newImage, open, openAddress, openDonor, openFirst, openFirstDonor, showDonor, showState } from "./edit-images.js";
import { choose, findDirections, lock, point, redraw, redrawAll, slide, slideTo, transplant } from "./edit-regions.js";
import { loadSets, setTo, slideSet } from "./edit-sets.js";
import { current, page, say } from "./edit-state.js";
import { listenToView, outlines, turnBySteps } from "./edit-view.js";
import { ImageView } from "./image_view.js";
import { listenToKeys } from "./keys.js";
import { Projection } from "./projection.js";
import { RegionSearch } from "./region-search.js";
import { RegionList } from "./regions.js";
import { DirectionSets } from "./sets.js";
import { Viewer } from "./viewer.js";

async function begin() {
  const start = await api.takeStart();
  page.network = await (await api.get("network")).json();
  const { regions, is_3d_aware: is3dAware, psi, projects, title } = page.network;
  document.title = `${title} · linkgan`;
  $("network").textContent = title;
  for (const part of document.querySelectorAll(".feature-3d")) part.hidden = !is3dAware;
  for (const part of document.querySelectorAll(".feature-project")) part.hidden = !projects;
  $("psi").parentElement.hidden = psi === null;
  const chosenPsi = setting($("psi"), psi ?? 1);
  page.settings = { strength: setting($("strength"), 1), psi: () => (psi === null ? null : chosenPsi()), consistent: selection($("consistent")) };

  page.main = new Viewer(new ImageView($("image"), "Redraw"), regions);
  page.donor = new Viewer(new ImageView($("donor-image"), "Copy"), regions);
  page.main.view.plate.classList.toggle("turns", is3dAware);
  page.list = new RegionList($("regions"), regions);
  page.directions = new Directions($("directions-section"), page.network.directions);
  page.sets = new DirectionSets($("sets-section"));
  if (page.network.draws) new RegionSearch($("search"), page.main.view.plate, loadSets);
  listenToImages();
  listenToView();
  const viewerOf = (image) => [page.main, page.donor].find(({ state }) => state?.image === image);
  page.projection = new Projection(
    (purpose, image) => (purpose === "donor" ? openDonor(image) : open(image)),
    (image) => viewerOf(image)?.refresh().then(() => say("The photograph is refined.")),
  );
  listenToControls();

  await openFirst(start);
  await loadSets();
  choose(regions[0].name);
  await openFirstDonor();
}

function listenToImages() {
  const { main, donor, list, directions, sets } = page;
  main.addEventListener("shown", showState);
  donor.addEventListener("shown", showDonor);
  for (const source of [main.view, list]) {
    source.addEventListener("redraw", ({ detail }) => redraw(detail.region));
    source.addEventListener("wheel", ({ detail }) => roll(detail.region, detail.by));
    source.addEventListener("near", ({ detail }) => point(detail.region));
  }
  list.addEventListener("choose", ({ detail }) => choose(detail.region));
  list.addEventListener("lock", ({ detail }) => lock(detail.region, detail.locked));
  donor.view.addEventListener("redraw", ({ detail }) => transplant(detail.region));
  donor.view.addEventListener("near", ({ detail }) => {
    donor.view.point(detail.region);
    point(detail.region);
  });
  directions.addEventListener("slide", ({ detail }) => main.preview(() => slideTo(page.chosen, detail)));
  directions.addEventListener("slid", ({ detail }) => slide(page.chosen, detail));
  sets.addEventListener("slide", ({ detail }) => main.preview(() => setTo(detail)));
  sets.addEventListener("slid", ({ detail }) => slideSet(detail));
  directions.addEventListener("find", () => findDirections(page.chosen));
}

function listenToControls() {
  const { main, projection } = page;
  const help = () => $("help-dialog").showModal();
  const clicks = {
    undo, redo, help, "redraw-all": redrawAll, compare: () => compare(), dice: () => newImage(), "donor-dice": () => newDonor(),
    "open-photograph": () => projection.choose("image"), "donor-photograph": () => projection.choose("donor"),
    "download-image": () => main.download("image"), "download-latents": () => main.download("latents"),
    skip: (event) => (event.preventDefault(), $("image").focus()), // its own address would replace the image's
  };
  for (const [id, call] of Object.entries(clicks)) $(id).addEventListener("click", call);
  $("alert").querySelector("button").addEventListener("click", () => complain());
  for (const [form, field, show] of [["new-image", "seed", newImage], ["donor-form", "donor-seed", newDonor]]) {
    $(form).addEventListener("submit", (event) => (event.preventDefault(), show(Number($(field).value))));
  }
  addEventListener("popstate", openAddress);
  addEventListener("visibilitychange", () => document.hidden || main.refresh()); // another tab may have edited it
  listenToKeys({
    undo, redo, redrawAll, outlines, current, roll, lock, redraw, help, turn: turnBySteps,
    newImage: () => newImage(), compare: () => compare(), region: (number) => page.network.regions[number]?.name,
  });
}

api.onNewToken(() => (complain(), page.main?.state ? page.main.refresh() : location.reload()));
begin().catch((error) => complain(error.message));
