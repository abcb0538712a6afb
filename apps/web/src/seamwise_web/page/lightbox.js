// The fused picture on the screen: next to a frame, alone, or as a depth map.

import { Stage } from "./zoom.js";

const STEP = 0.02; // of the width, for a key

export class Lightbox extends Stage {
  /* `divider` is the line between the frame and the picture. */
  constructor(stage, base, divider) {
    super(stage, [base]);
    this.divider = divider;
    this.mode = "compare";
    this.share = 0.5;
    this.clear();
    this.listenToDivider();
  }

  clear() {
    this.width = 0;
    this.height = 0;
    this.pictures = { frame: null, fused: null, depth: null };
    this.draw();
  }

  // Show pictures of a size; the view stays if the size does.
  open(width, height) {
    const isSame = this.width === width && this.height === height;
    this.width = width;
    this.height = height;
    this.resize();
    if (!isSame) this.fit();
    else this.draw();
  }

  set(name, picture) {
    this.pictures[name] = picture;
    this.draw();
  }

  setMode(mode) {
    this.mode = mode;
    this.draw();
  }

  // --- the line between both

  setShare(share) {
    this.share = Math.min(Math.max(share, 0), 1);
    this.draw();
  }

  listenToDivider() {
    const { divider } = this;
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      this.setShare(this.place(event).x / this.base.width);
    });
    divider.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -1, End: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      this.setShare(this.share + steps[event.key]);
    });
  }

  placeDivider() {
    const hasBoth = this.mode === "compare" && this.pictures.fused && this.pictures.frame;
    this.divider.hidden = !hasBoth;
    this.divider.style.left = `${100 * this.share}%`;
    this.divider.setAttribute("aria-valuenow", Math.round(100 * this.share));
  }

  // --- drawing

  paint() {
    const { width, height } = this.base;
    const context = this.base.getContext("2d");
    context.clearRect(0, 0, width, height);
    this.placeDivider();
    if (this.isEmpty || !width || !height) return;
    const { frame, fused, depth } = this.pictures;
    const whole = this.mode === "depth" ? (depth ?? fused) : fused;
    if (whole) this.drawPicture(context, whole, this.mode === "depth");
    if (!frame || (fused && this.mode !== "compare")) return;
    context.save();
    context.beginPath();
    context.rect(0, 0, fused ? width * this.share : width, height);
    context.clip();
    this.drawPicture(context, frame);
    context.restore();
  }

  drawPicture(context, picture, isMap = false) {
    context.imageSmoothingEnabled = !isMap && this.scale < 3;
    context.imageSmoothingQuality = "high";
    context.drawImage(
      picture,
      -this.left * this.scale,
      -this.top * this.scale,
      this.width * this.scale,
      this.height * this.scale,
    );
  }
}
