// The image on the screen: zoom, pan, contrast, outlines, and which cell lies under the pointer.

import { greys, paintGrey, paintOutlines, places } from "./paint.js";

const CLICK = 5; // pixels that a pointer may move during a click
const LARGEST_SCALE = 40; // pixels of the screen for one of the image
const FOOT = 64; // pixels of the page below the image that the tools take
const SHOWN = 1.5; // least scale, in pixels of the page, at which a cell of the table is shown

export class View {
  /* `onChoose(label, isFurther)` is called when a cell is clicked, with 0 for the background. */
  constructor(stage, base, overlay, onChoose) {
    this.stage = stage;
    this.base = base;
    this.overlay = overlay;
    this.onChoose = onChoose;
    this.hasOutlines = true;
    this.width = 0;
    this.height = 0;
    this.grey = document.createElement("canvas");
    this.isChosen = new Uint8Array(1);
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(stage);
    this.listen();
  }

  get isEmpty() {
    return this.width === 0;
  }

  open(width, height) {
    this.width = width;
    this.height = height;
    this.grey.width = width;
    this.grey.height = height;
    this.labels = null;
    this.pixels = null;
    this.isChosen = new Uint8Array(1);
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
    this.isChosen = new Uint8Array(largest + 1);
    this.draw();
  }

  choose(numbers) {
    this.isChosen.fill(0);
    for (const number of numbers) this.isChosen[number] = 1;
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

  // --- zoom and pan: `scale` pixels of the screen for one of the image, from (left, top) on

  fit() {
    const { width, height } = this.base;
    if (this.isEmpty || !width || !height) return;
    const room = Math.max(height - FOOT * devicePixelRatio, height / 2);
    this.scale = Math.min(width / this.width, room / this.height, LARGEST_SCALE);
    this.left = (this.width - width / this.scale) / 2;
    this.top = (this.height - room / this.scale) / 2;
    this.isFit = true;
    this.draw();
  }

  zoom(factor, x = this.base.width / 2, y = this.base.height / 2) {
    const smallest = Math.min(this.base.width / this.width, this.base.height / this.height) / 2;
    const scale = Math.min(Math.max(this.scale * factor, smallest), LARGEST_SCALE);
    this.left += x / this.scale - x / scale;
    this.top += y / this.scale - y / scale;
    this.scale = scale;
    this.moved();
  }

  pan(x, y) {
    this.left -= x / this.scale;
    this.top -= y / this.scale;
    this.moved();
  }

  // Bring a place into sight, large enough; what is in sight already stays where it is.
  show(x, y) {
    const enough = Math.min(SHOWN * devicePixelRatio, LARGEST_SCALE);
    const right = (x - this.left) * this.scale;
    const down = (y - this.top) * this.scale;
    const isInside = right > 0 && down > 0 && right < this.base.width && down < this.base.height;
    if (isInside && this.scale >= enough) return;
    this.scale = Math.max(this.scale, enough);
    this.left = x - this.base.width / this.scale / 2;
    this.top = y - this.base.height / this.scale / 2;
    this.moved();
  }

  moved() {
    this.isFit = false;
    // some of the image always stays in sight
    const margin = 0.25;
    const across = this.base.width / this.scale;
    const down = this.base.height / this.scale;
    this.left = clamp(this.left, -across * (1 - margin), this.width - across * margin);
    this.top = clamp(this.top, -down * (1 - margin), this.height - down * margin);
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    for (const canvas of [this.base, this.overlay]) {
      canvas.width = Math.round(clientWidth * devicePixelRatio);
      canvas.height = Math.round(clientHeight * devicePixelRatio);
    }
    if (this.isFit) this.fit();
    else this.draw();
  }

  // --- drawing

  draw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.paint();
    });
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
      this.isChosen,
    );
    over.putImageData(image, 0, 0);
  }

  // --- mouse, pen and fingers

  listen() {
    const { stage } = this;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event, false));
  }

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return {
      x: (event.clientX - box.left) * devicePixelRatio,
      y: (event.clientY - box.top) * devicePixelRatio,
    };
  }

  wheel(event) {
    if (this.isEmpty) return;
    event.preventDefault();
    const { x, y } = this.place(event);
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.zoom(Math.exp(-0.0015 * lines * event.deltaY), x, y);
  }

  down(event) {
    if (this.isEmpty || event.button > 1) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    this.start = this.pointers.size === 1 ? this.place(event) : null; // two fingers do not click
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.place(event);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (others.length === 0) {
      if (this.start && distance(this.start, now) > CLICK * devicePixelRatio) this.start = null;
      if (!this.start) {
        this.stage.classList.add("moving");
        this.pan(now.x - before.x, now.y - before.y);
      }
    } else {
      const other = others[0][1];
      const factor = distance(now, other) / Math.max(distance(before, other), 1);
      this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      this.zoom(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event, isClick = true) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.stage.classList.remove("moving");
    if (isClick && this.start) {
      const { x, y } = this.start;
      const label = this.labelAt(this.left + x / this.scale, this.top + y / this.scale);
      this.onChoose(label, event.shiftKey || event.ctrlKey || event.metaKey);
    }
    this.start = null;
  }
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
