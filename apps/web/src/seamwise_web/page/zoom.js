// A picture on the screen that is zoomed and moved: its subclasses paint it.

const CLICK = 5; // pixels that a pointer may move during a click
const LARGEST_SCALE = 40; // pixels of the screen for one of the picture
const FOOT = 64; // pixels of the page below the picture that the tools take
const SHOWN = 1.5; // least scale, in pixels of the page, at which a place is shown

export class Stage {
  /* A subclass defines `paint()`, and may define `click(place, event)`; with `takes(event)` it
     begins a drag of its own, of which it hears by `drag(place)` and `drop(isDone)`. */
  constructor(stage, canvases) {
    this.stage = stage;
    this.canvases = canvases;
    [this.base] = canvases;
    this.width = 0;
    this.height = 0;
    this.pointers = new Map();
    this.isDragging = false;
    this.onMove = () => {};
    new ResizeObserver(() => this.resize()).observe(stage);
    this.listen();
  }

  get isEmpty() {
    return this.width === 0;
  }

  click() {}

  takes() {
    return false;
  }

  // Where a point of the screen lies in the picture.
  inImage({ x, y }) {
    return { x: this.left + x / this.scale, y: this.top + y / this.scale };
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
    this.onMove(this);
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
    this.onMove(this);
    this.draw();
  }

  // Show the same part as another picture of the same size.
  follow({ scale, left, top, isFit }) {
    Object.assign(this, { scale, left, top, isFit });
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    for (const canvas of this.canvases) {
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
    const isFirst = this.pointers.size === 1;
    if (this.isDragging) this.endDrag(false); // a second finger zooms
    this.start = isFirst ? this.place(event) : null; // two fingers do not click
    if (isFirst && this.takes(event)) {
      this.start = null;
      this.isDragging = true;
      this.drag(this.inImage(this.place(event)));
    }
  }

  endDrag(isDone) {
    this.isDragging = false;
    this.drop(isDone);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.place(event);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (this.isDragging) {
      this.drag(this.inImage(now));
    } else if (others.length === 0) {
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
    if (this.isDragging) this.endDrag(isClick);
    if (isClick && this.start) this.click(this.inImage(this.start), event);
    this.start = null;
  }
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
