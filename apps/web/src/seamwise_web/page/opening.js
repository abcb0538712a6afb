// How an image comes onto the page: dropped, chosen in a dialog, or from the folder.

import * as api from "./api.js";
import { attempt, byName, complain } from "./desk.js";

export class Opening {
  /* `onFiles(files)` hears of what was dropped or chosen, `onPlace(place)` of an image of the
     folder, `onList(places)` of the images that its list shows. With `hasPhotos` these are also
     HEIC and RAW. */
  constructor(elements, start, onFiles, onPlace, { onList = () => {}, hasPhotos = false } = {}) {
    this.elements = elements;
    this.start = start;
    this.onFiles = onFiles;
    this.onPlace = onPlace;
    this.onList = onList;
    this.hasPhotos = hasPhotos;
    elements.file.accept = [...start.suffixes, ...(hasPhotos ? start.photos : [])].join();
    elements.choose.addEventListener("click", () => elements.file.click());
    elements.file.addEventListener("change", () => {
      this.send([...elements.file.files]);
      elements.file.value = ""; // so that the same file can be chosen again
    });
    this.listenForDrops();
    if (start.folder !== null) this.list("");
  }

  listenForDrops() {
    const body = document.body;
    let depth = 0;
    const mark = (step) => {
      depth = Math.max(0, depth + step);
      body.classList.toggle("dropping", depth > 0);
    };
    addEventListener("dragenter", () => mark(1));
    addEventListener("dragleave", () => mark(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      mark(-depth);
      this.send([...event.dataTransfer.files]);
    });
  }

  send(files) {
    if (files.length === 0) return;
    const largest = this.start.largest_upload;
    const tooLarge = files.find(({ size }) => size > largest);
    if (tooLarge) {
      const limit = Math.floor(largest / 2 ** 20);
      complain(`${tooLarge.name} is larger than ${limit} MiB: start the page with its folder.`);
      return;
    }
    this.onFiles(byName(files, ({ name }) => name));
  }

  async list(place) {
    const { folder, name, crumbs, entries, note } = this.elements;
    const listed = await attempt(() => api.listFolder(place, this.hasPhotos));
    if (!listed) return;
    folder.hidden = false;
    name.textContent = this.start.folder;
    note.textContent = listed.note || (isEmpty(listed) ? "No image of a kind that the page reads." : "");
    crumbs.replaceChildren(...this.path(listed.place));
    const folders = byName(listed.folders);
    const places = byName(listed.images).map((one) => join(listed.place, one));
    entries.replaceChildren(
      ...folders.map((one) => this.entry(`${one}/`, () => this.list(join(listed.place, one)))),
      ...places.map((one) => this.entry(one.split("/").at(-1), () => this.onPlace(one))),
    );
    this.onList(places);
  }

  path(place) {
    const names = place ? place.split("/") : [];
    if (names.length === 0) return [];
    const parts = [this.start.folder, ...names];
    return parts.map((one, depth) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.textContent = `${one} /`;
      button.addEventListener("click", () => this.list(names.slice(0, depth).join("/")));
      return button;
    });
  }

  entry(words, action) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", action);
    item.append(button);
    return item;
  }
}

const join = (place, name) => (place ? `${place}/${name}` : name);
const isEmpty = ({ folders, images }) => folders.length + images.length === 0;
