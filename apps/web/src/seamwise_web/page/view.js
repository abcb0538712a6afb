// The image on the screen: zoom, pan, contrast, outlines, and which cell lies under the pointer.

import { greys, inksOf, paintGrey, paintOutlines, places } from "./paint.js";
import { Stage } from "./zoom.js";

export class View extends Stage {
  /* `onChoose(label, isFurther)` is called when a cell is clicked, with 0 for the background. */
  constructor(stage, base, overlay, onChoose) {
    super(stage, [base, overlay]);
    this.overlay = overlay;
    this.onChoose = onChoose;
    this.hasOutlines = true;
    this.largest = 0;
    this.grey = document.createElement("canvas");
    this.setInks(inksOf(0));
  }

  open(width, height) {
    this.width = width;
    this.height = height;
    this.grey.width = width;
    this.grey.height = height;
    this.labels = null;
    this.largest = 0;
    this.pixels = null;
    this.image = this.grey.getContext("2d").createImageData(width, height);
    this.resize();
    this.fit();
  }

  setChannel(pixels, bits) {
    this.pixels = pixels;
    this.bits = bits;
  }

  setContrast(low, high) {
    if (!this.pixels) return;
    const target = new Uint32Array(this.image.data.buffer);
    paintGrey(target, this.pixels, greys(this.bits, low, high));
    this.grey.getContext("2d").putImageData(this.image, 0, 0);
    this.draw();
  }

  setLabels(labels, largest) {
    this.labels = labels;
    this.largest = largest;
    this.setInks(inksOf(largest));
  }

  choose(numbers) {
    this.setInks(inksOf(this.largest, numbers));
  }

  // Colours of the outlines and of the inside of each cell.
  setInks(inks) {
    this.inks = inks;
    this.draw();
  }

  setOutlines(hasOutlines) {
    this.hasOutlines = hasOutlines;
    this.draw();
  }

  labelAt(x, y) {
    const column = Math.floor(x);
    const row = Math.floor(y);
    const isInside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return isInside && this.labels ? this.labels[row * this.width + column] : 0;
  }

  click({ x, y }, event) {
    this.onChoose(this.labelAt(x, y), event.shiftKey || event.ctrlKey || event.metaKey);
  }

  paint() {
    const { width, height } = this.base;
    const context = this.base.getContext("2d");
    const over = this.overlay.getContext("2d");
    context.clearRect(0, 0, width, height);
    over.clearRect(0, 0, width, height);
    if (this.isEmpty || !width || !height) return;
    context.imageSmoothingEnabled = this.scale < 1;
    context.imageSmoothingQuality = "high";
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    context.drawImage(this.grey, -this.left, -this.top);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (!this.labels || !this.hasOutlines) return;
    const image = over.createImageData(width, height);
    paintOutlines(
      new Uint32Array(image.data.buffer),
      this.labels,
      this.width,
      places(width, this.left, this.scale, this.width),
      places(height, this.top, this.scale, this.height),
      Math.max(1, Math.round(1.5 * devicePixelRatio)),
      this.inks,
    );
    over.putImageData(image, 0, 0);
  }
}
