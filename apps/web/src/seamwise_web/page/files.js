// The links below the cells, which save files, what they count as saved, and the words about all
// cells of a large image.

import * as api from "./api.js";
import { element } from "./desk.js";

// The files of the cells of a plane or stack.
export function showFiles({ picture, found }, place) {
  for (const link of document.querySelectorAll("[data-file]")) {
    link.href = api.cellsFile(picture, place, link.dataset.file);
  }
  element("compare-cells").href = `compare.html#cells=${picture}.${place.time}.${place.z}`;
  element("save-all").hidden = found.length < 2;
}

// The cells of all of a large image, if they are known.
export function showAllCells(image) {
  const cells = image?.tiled?.cells;
  element("all-cells").hidden = !cells;
  if (!cells) return;
  const { count, source, caution } = cells;
  element("all-counts").textContent = count === null ? "" : `${count.toLocaleString("en")} cells`;
  element("all-source").textContent = `Outlines of the whole image: ${source}.`;
  element("all-caution").textContent = caution;
  element("all-caution").hidden = !caution;
  for (const link of document.querySelectorAll("[data-whole]")) {
    link.href = api.wholeFile(image.picture, link.dataset.whole);
  }
}

// What is saved cannot be lost, on the page as on the server.
export function listenForSaves(state) {
  element("save-labels").addEventListener("click", () => {
    state.unsaved -= state.cells.unsaved;
    state.cells.unsaved = 0;
  });
  element("save-all").addEventListener("click", () => {
    state.unsaved = state.cells.unsaved = 0;
  });
  document.querySelector("[data-whole='labels.tif']").addEventListener("click", () => {
    state.picture.tiled.cells.is_saved = true;
  });
}
