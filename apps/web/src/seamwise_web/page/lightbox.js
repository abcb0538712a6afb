// The fused picture on the screen: next to a frame, alone, as a depth map, or painted from a frame.

import { Stage } from "./zoom.js";

const STEP = 0.02; // of the width, for a key
const SOLID = 0.85; // of the radius of the brush, where half of the picture is the frame
const SOFT = 0.09; // of the radius: the blur there

export class Lightbox extends Stage {
  /* `divider` is the line between the frame and the picture. `onStroke(points)` hears of a line
     that was painted. */
  constructor(stage, base, divider, onStroke) {
    super(stage, [base]);
    this.onStroke = onStroke;
    this.radius = 1;
    this.strokes = []; // painted, and not in the fused picture yet
    this.layer = document.createElement("canvas");
    this.listenForBrush();
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
    this.strokes = [];
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
    this.stage.classList.toggle("painting", mode === "retouch");
    this.draw();
  }

  // --- the brush, whose radius is in pixels of the picture

  setRadius(radius) {
    this.radius = radius;
    this.draw();
  }

  listenForBrush() {
    this.stage.addEventListener("pointermove", (event) => {
      this.pointer = this.place(event);
      if (this.mode === "retouch") this.draw();
    });
    this.stage.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw();
    });
  }

  takes(event) {
    const { frame, fused } = this.pictures;
    return this.mode === "retouch" && event.button === 0 && !event.shiftKey && frame && fused;
  }

  drag({ x, y }) {
    if (!this.stroke) {
      this.stroke = { points: [], radius: this.radius, frame: this.pictures.frame };
      this.strokes.push(this.stroke);
    }
    this.stroke.points.push([x, y]);
    this.draw();
  }

  drop(isDone) {
    const { stroke } = this;
    this.stroke = null;
    if (isDone) this.onStroke(stroke);
    else this.forget([stroke]);
  }

  // Forget strokes that are in the picture, or were refused.
  forget(strokes) {
    this.strokes = this.strokes.filter((one) => !strokes.includes(one));
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
    if (this.mode !== "depth") for (const stroke of this.strokes) this.drawStroke(context, stroke);
    if (this.mode === "retouch" && this.pointer) this.drawBrush(context);
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

  // The frame along a stroke, as the server will paint it.
  drawStroke(context, { points, radius, frame }) {
    const { layer } = this;
    layer.width = this.base.width;
    layer.height = this.base.height;
    const over = layer.getContext("2d");
    over.lineCap = "round";
    over.lineJoin = "round";
    over.lineWidth = 2 * SOLID * radius * this.scale;
    over.filter = `blur(${(SOFT * radius * this.scale).toFixed(1)}px)`;
    over.beginPath();
    for (const [x, y] of [points[0], ...points]) {
      over.lineTo((x - this.left) * this.scale, (y - this.top) * this.scale);
    }
    over.stroke();
    over.filter = "none";
    over.globalCompositeOperation = "source-in";
    this.drawPicture(over, frame);
    context.drawImage(layer, 0, 0);
  }

  drawBrush(context) {
    const { x, y } = this.pointer;
    for (const [colour, line] of [["#000a", 3], ["#fff", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = line * devicePixelRatio;
      context.beginPath();
      context.arc(x, y, this.radius * this.scale, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
