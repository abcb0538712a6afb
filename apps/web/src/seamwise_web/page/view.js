// The image on the screen: zoom, pan, contrast, outlines, and which cell lies under the pointer.

import { greys, inksOf, paintGrey, paintOutlines, places } from "./paint.js";
import { Stage } from "./zoom.js";

export class View extends Stage {
  /* `onChoose(label, isFurther)` is called when a cell is clicked, with 0 for the background, and
     `onLine(pen, points)` when a line was drawn with a pen. */
  constructor(stage, base, overlay, onChoose, onLine = () => {}) {
    super(stage, [base, overlay]);
    this.overlay = overlay;
    this.onChoose = onChoose;
    this.onLine = onLine;
    this.pen = null;
    this.line = [];
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
    this.image = this.grey.getContext("2d").createImageData(width, height);
    this.begin(null);
  }

  // Show an image that comes in tiles; see `Tiles`.
  openTiles(width, height, tiles) {
    this.width = width;
    this.height = height;
    this.begin(tiles);
  }

  begin(tiles) {
    this.tiles = tiles;
    this.cellTiles = null;
    this.labels = null;
    this.largest = 0;
    this.pixels = null;
    this.resize();
    this.fit();
  }

  // Show outlines that come in tiles; null for none.
  setCellTiles(cellTiles) {
    this.cellTiles = cellTiles;
    this.draw();
  }

  // The part of the image on the screen.
  get sight() {
    const { width, height } = this.base;
    const right = Math.min(this.width, this.left + width / this.scale);
    const bottom = Math.min(this.height, this.top + height / this.scale);
    return { left: Math.max(0, this.left), top: Math.max(0, this.top), right, bottom };
  }

  // The same in whole pixels.
  get wholePixels() {
    const { left, top, right, bottom } = this.sight;
    const box = { left: Math.floor(left), top: Math.floor(top) };
    return { ...box, width: Math.ceil(right) - box.left, height: Math.ceil(bottom) - box.top };
  }

  setChannel(pixels, bits) {
    this.pixels = pixels;
    this.bits = bits;
  }

  setContrast(low, high) {
    this.tiles?.setContrast(low, high);
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

  // --- drawing lines: `pen` is what they are for, null to choose cells

  setPen(pen) {
    this.pen = pen;
    this.line = [];
    this.stage.classList.toggle("drawing", pen !== null);
    this.draw();
  }

  takes(event) {
    return this.pen !== null && event.button === 0 && !event.shiftKey;
  }

  drag({ x, y }) {
    this.line.push([x, y]);
    this.draw();
  }

  drop(isDone) {
    const { line } = this;
    this.line = [];
    this.draw();
    if (isDone && line.length > 1) this.onLine(this.pen, line);
  }

  drawLine() {
    const over = this.overlay.getContext("2d");
    over.lineJoin = "round";
    over.lineCap = "round";
    for (const [colour, width] of [["#000c", 5], ["#fff", 2]]) {
      over.strokeStyle = colour;
      over.lineWidth = width * devicePixelRatio;
      over.beginPath();
      for (const [x, y] of this.line) {
        over.lineTo((x - this.left) * this.scale, (y - this.top) * this.scale);
      }
      if (this.pen === "draw") over.closePath();
      over.stroke();
    }
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
    context.translate(-this.left, -this.top);
    if (this.tiles) this.tiles.paint(context, this.sight, this.scale);
    else context.drawImage(this.grey, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (this.labels && this.hasOutlines) this.drawOutlines(over);
    if (this.cellTiles && this.hasOutlines) this.cellTiles.paint(over, this, this.lineWidth);
    if (this.line.length > 0) this.drawLine();
  }

  get lineWidth() {
    return Math.max(1, Math.round(1.5 * devicePixelRatio));
  }

  drawOutlines(over) {
    const { width, height } = this.base;
    const image = over.createImageData(width, height);
    paintOutlines(
      new Uint32Array(image.data.buffer),
      this.labels,
      this.width,
      places(width, this.left, this.scale, this.width),
      places(height, this.top, this.scale, this.height),
      this.lineWidth,
      this.inks,
    );
    over.putImageData(image, 0, 0);
  }
}
