// A large image by tiles: only those in sight are asked for, at the zoom that the screen needs.

import * as api from "./api.js";
import { PLAIN_INKS, greys, paintGrey, paintOutlines, places } from "./paint.js";

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
      const { facts, pixels } = await this.read(plane, place);
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

  read(plane, place) {
    return api.tile(this.key, plane, place);
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

/* The outlines of all cells of a large image, drawn as wide on the screen at any zoom. */
export class CellTiles extends Tiles {
  read(plane, place) {
    return api.cellTile(this.key, plane, place);
  }

  take(name, { width, height }, labels) {
    this.tiles.set(name, { width, height, labels });
  }

  paint(over, { left, top, scale, sight }, lineWidth) {
    const level = this.levelFor(scale);
    const wanted = this.inSight(level, sight);
    for (const place of wanted) {
      const tile = this.tiles.get(String(place));
      if (tile) this.drawCells(over, tile, place, { left, top, scale }, lineWidth);
      else if (tile === undefined) this.ask(place);
    }
    this.stale = null;
    this.forget(new Set(wanted.map(String)));
  }

  // Draw a tile where it lies on the screen: as far as it does.
  drawCells(over, tile, [level, row, column], view, lineWidth) {
    const factor = this.factor(level);
    const size = view.scale * factor;
    const across = span(column * this.side, tile.width, view.left / factor, size, over.canvas.width);
    const down = span(row * this.side, tile.height, view.top / factor, size, over.canvas.height);
    if (across.length < 1 || down.length < 1) return;
    const image = over.createImageData(across.length, down.length);
    paintOutlines(
      new Uint32Array(image.data.buffer),
      tile.labels,
      tile.width,
      places(across.length, across.start, size, tile.width),
      places(down.length, down.start, size, tile.height),
      lineWidth,
      PLAIN_INKS,
    );
    over.putImageData(image, across.first, down.first);
  }
}

/* Where a tile lies along an axis of the screen: its first pixel there, how many it covers, and at
   which pixel of the tile they start. */
function span(origin, length, from, scale, screen) {
  const begin = (origin - from) * scale;
  const first = Math.max(0, Math.round(begin));
  const last = Math.min(screen, Math.round(begin + length * scale));
  return { first, length: last - first, start: (first - begin) / scale };
}
