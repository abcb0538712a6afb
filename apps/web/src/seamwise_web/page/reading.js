// How the file of an image is read: what its pages are, and how large a pixel is.

import * as api from "./api.js";
import { attempt, element } from "./desk.js";

const WORDS = { T: "time points", Z: "slices", C: "channels" };
const SHOWN = 6; // digits of a length

export class Reading {
  /* `onAxes(axes)` is called when other axes are chosen, and `onSpacing(picture)` with the image
     whose pixel size was set. */
  constructor(onAxes, onSpacing) {
    this.onSpacing = onSpacing;
    this.picture = null;
    element("axes").addEventListener("change", () => onAxes(element("axes").value));
    for (const id of ["pixel-size", "slice-size"]) {
      element(id).addEventListener("change", () => this.send());
    }
  }

  // `isSent` tells whether the file can be asked for once more.
  open(picture, isSent) {
    this.picture = picture;
    const { axes, spacing, slices, tiled } = picture;
    element("axes-row").hidden = !axes || !isSent;
    const choices = axes?.choices ?? [];
    element("axes").replaceChildren(...choices.map((one) => new Option(inWords(one), one)));
    element("axes").value = axes?.read ?? "";
    element("pixel-row").hidden = Boolean(tiled);
    element("slices-row").hidden = slices === 0 || Boolean(tiled);
    element("pixel-size").value = spacing ? short(spacing.at(-1)) : "";
    element("slice-size").value = spacing && slices > 0 ? short(spacing[0]) : "";
  }

  async send() {
    const [pixel, slices] = ["pixel-size", "slice-size"].map((id) => {
      const { value } = element(id);
      return value === "" ? null : Number(value);
    });
    const { picture } = this;
    const described = await attempt(() => api.setSpacing(picture.picture, { pixel, slices }));
    if (described && this.picture === picture) {
      this.picture = described;
      this.onSpacing(described);
    }
  }
}

const short = (length) => String(Number(length.toPrecision(SHOWN)));
const inWords = (axes) => [...axes].filter((one) => one in WORDS).map((one) => WORDS[one]).join(", ");
