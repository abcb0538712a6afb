// One of two label images that are looked at together: its errors have colours.

import { ink } from "./paint.js";
import { View } from "./view.js";

const MARGIN = 8; // pixels of the page around the error that is shown

// of Okabe and Ito, as those of the cells
export const KIND_COLOURS = {
  missed: [213, 94, 0],
  invented: [204, 121, 167],
  merged: [240, 228, 66],
  merges: [240, 228, 66],
  split: [86, 180, 233],
  pieces: [86, 180, 233],
  inexact: [0, 158, 115],
  near_misses: [0, 158, 115],
};
const CORRECT = [205, 210, 217];
const FILL = 120; // of 255

export class Twin extends View {
  constructor(stage, base, overlay) {
    super(stage, base, overlay, () => {});
    this.box = null;
  }

  // Colour the cells of each kind; all others are correct.
  setKinds(kinds) {
    const lines = new Uint32Array(this.largest + 1).fill(ink(CORRECT));
    const fills = new Uint32Array(this.largest + 1);
    for (const [kind, numbers] of Object.entries(kinds)) {
      for (const number of numbers) {
        lines[number] = ink(KIND_COLOURS[kind]);
        fills[number] = ink(KIND_COLOURS[kind], FILL);
      }
    }
    this.setInks({ lines, fills });
  }

  // Frame a part of the image: [top, left, bottom, right], or null for none.
  setBox(box) {
    this.box = box;
    this.draw();
  }

  paint() {
    super.paint();
    if (!this.box || this.isEmpty) return;
    const [top, left, bottom, right] = this.box;
    const margin = MARGIN * devicePixelRatio;
    const x = (left - this.left) * this.scale - margin;
    const y = (top - this.top) * this.scale - margin;
    const width = (right - left) * this.scale + 2 * margin;
    const height = (bottom - top) * this.scale + 2 * margin;
    const over = this.overlay.getContext("2d");
    for (const [colour, line] of [["#000c", 5], ["#fff", 2]]) {
      over.strokeStyle = colour;
      over.lineWidth = line * devicePixelRatio;
      over.strokeRect(x, y, width, height);
    }
  }
}
