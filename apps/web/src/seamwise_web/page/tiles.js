// A large image by tiles: only those in sight are asked for, at the zoom that the screen needs.

import * as api from "./api.js";
import { greys, paintGrey } from "./paint.js";

const MOST = 160; // tiles that are kept
const AT_ONCE = 3; // questions at a time

export class Tiles {
  /* `onFacts(facts)` hears of the contrast of a channel when its first tile comes, `onTile()` of
     each tile that can be drawn, `onFault(error)` of one that cannot be read. */
  constructor({ picture, tiled }, { onFacts, onTile, onFault }) {
    Object.assign(this, { key: picture, ...tiled, onFacts, onTile, onFault });
    this.tiles = new Map();
    this.coming = new Set();
  }

  // Show another plane; what is on the screen stays until the new tiles come.
  show(channel, place) {
    this.plane = { channel, place };
    this.stale = this.tiles;
    this.tiles = new Map();
    this.facts = null;
    this.onTile();
  }

  setContrast(low, high) {
    if (!this.facts) return;
    this.greys = greys(this.facts.bits, low, high);
    for (const tile of this.tiles.values()) this.fill(tile);
    this.onTile();
  }

  // --- which tiles

  factor(level) {
    return this.levels[0][1] / this.levels[level][1];
  }

  // The coarsest level that is as fine as the screen.
  levelFor(scale) {
    let level = 0;
    while (level + 1 < this.levels.length && this.factor(level + 1) * scale <= 1) level += 1;
    return level;
  }

  inSight(level, { left, top, right, bottom }) {
    const [height, width] = this.levels[level];
    const side = this.side * this.factor(level);
    const range = (from, to, length) => {
      const last = Math.ceil(length / this.side) - 1;
      const first = Math.max(0, Math.floor(from / side));
      const count = Math.min(last, Math.floor(to / side)) - first + 1;
      return Array.from({ length: Math.max(count, 0) }, (_, i) => first + i);
    };
    const columns = range(left, right, width);
    return range(top, bottom, height).flatMap((row) => columns.map((column) => [level, row, column]));
  }

  // --- drawing: coarse tiles below, fine ones above

  paint(context, sight, scale) {
    const level = this.levelFor(scale);
    const coarsest = this.levels.length - 1;
    const wanted = [...this.inSight(coarsest, sight), ...this.inSight(level, sight)];
    for (const tiles of [this.stale, this.tiles]) {
      for (let one = coarsest; tiles && one >= 0; one -= 1) {
        for (const place of this.inSight(one, sight)) this.drawTile(context, tiles.get(String(place)), place);
      }
    }
    const missing = wanted.filter((place) => !this.tiles.has(String(place)));
    if (missing.length === 0) this.stale = null;
    for (const place of missing) this.ask(place);
    this.forget(new Set(wanted.map(String)));
  }

  drawTile(context, tile, [level, row, column]) {
    if (!tile) return;
    const factor = this.factor(level);
    const { width, height } = tile.canvas;
    const left = column * this.side * factor;
    const top = row * this.side * factor;
    context.drawImage(tile.canvas, left, top, width * factor, height * factor);
  }

  async ask(place) {
    const name = String(place);
    if (this.coming.size >= AT_ONCE || this.coming.has(name)) return;
    this.coming.add(name);
    const { plane } = this;
    try {
      const { facts, pixels } = await api.tile(this.key, plane, place);
      if (plane === this.plane) this.take(name, facts, pixels);
    } catch (error) {
      if (plane === this.plane) {
        this.tiles.set(name, null); // not again and again
        this.onFault(error);
      }
    }
    this.coming.delete(name);
    this.onTile();
  }

  take(name, facts, pixels) {
    const canvas = document.createElement("canvas");
    canvas.width = facts.width;
    canvas.height = facts.height;
    const tile = { canvas, pixels };
    this.tiles.set(name, tile);
    if (this.facts) {
      this.fill(tile);
      return;
    }
    this.facts = facts;
    this.onFacts(facts); // which sets the contrast
  }

  fill(tile) {
    if (!tile) return;
    const { canvas, pixels } = tile;
    const image = new ImageData(canvas.width, canvas.height);
    paintGrey(new Uint32Array(image.data.buffer), pixels, this.greys);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  forget(wanted) {
    for (const name of this.tiles.keys()) {
      if (this.tiles.size <= MOST) return;
      if (!wanted.has(name)) this.tiles.delete(name); // the oldest first
    }
  }
}
