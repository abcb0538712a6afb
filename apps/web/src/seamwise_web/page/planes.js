// The plane on the page: its slice, time point and channel, and the contrast of that channel.

import * as api from "./api.js";
import { Contrast } from "./contrast.js";
import { attempt, complain, element } from "./desk.js";
import { Position } from "./position.js";
import { CellTiles, Tiles } from "./tiles.js";

export class Planes {
  /* `onMove()` is called when another slice or time point is chosen. */
  constructor(view, onMove) {
    this.view = view;
    this.picture = null;
    this.contrast = new Contrast(element("low"), element("high"), (...ends) => view.setContrast(...ends));
    this.contrastOf = ""; // which channel
    this.position = new Position(onMove);
    element("channel").addEventListener("change", () => this.draw());
  }

  open(picture) {
    this.picture = picture;
    this.position.open(picture);
    const { channels, width, height } = picture;
    const names = channels === 3 ? ["1 (red)", "2 (green)", "3 (blue)"] : null;
    element("channel").replaceChildren(
      ...Array.from({ length: channels }, (_, n) => new Option(names ? names[n] : String(n + 1), n)),
    );
    element("channel").value = picture.first_channel;
    element("channel-row").hidden = channels < 2;
    if (picture.tiled) this.view.openTiles(width, height, this.tiles());
    else this.view.open(width, height);
  }

  get channel() {
    return Number(element("channel").value);
  }

  // The plane on the page, and whether it still is.
  get shown() {
    return { key: this.picture.picture, place: this.position.place };
  }

  isShown({ key, place }) {
    return this.picture?.picture === key && this.position.is(place);
  }

  // Whether it is in a list of planes and stacks; z is -1 for a whole stack.
  isIn(places) {
    const { place } = this.position;
    return places.some(([time, z]) => time === place.time && (z < 0 || z === place.z));
  }

  // How large the image is, in words.
  get size() {
    const { width, height, slices, times } = this.picture;
    const parts = [`${width} × ${height}`];
    if (slices > 0) parts.push(`${slices} slices`);
    if (times > 1) parts.push(`${times} time points`);
    return parts.join(", ");
  }

  async draw() {
    const { shown, channel } = this;
    if (this.view.tiles) {
      this.view.tiles.show(channel, shown.place);
      this.view.cellTiles?.show(channel, shown.place);
      return;
    }
    const isWanted = () => this.isShown(shown) && this.channel === channel;
    const answer = await attempt(() => api.channel(shown.key, channel, shown.place), isWanted);
    if (!answer || !isWanted()) return;
    this.view.setChannel(answer.pixels, answer.facts.bits);
    this.setContrast(answer.facts);
  }

  // The contrast of a channel to begin with; what the user chose stays for its other planes.
  setContrast(facts) {
    const channel = `${this.picture.picture} ${this.channel}`;
    if (this.contrastOf === channel) this.contrast.tell();
    else this.contrast.show(facts);
    this.contrastOf = channel;
  }

  tiles() {
    return new Tiles(this.picture, this.hearing(this.picture));
  }

  // Show the cells of all of a large image, if it has some.
  showCells(picture) {
    const { cells } = picture.tiled;
    this.picture = picture;
    if (!cells) {
      this.view.setCellTiles(null);
      return;
    }
    const tiled = { ...picture.tiled, levels: cells.levels };
    const tiles = new CellTiles({ ...picture, tiled }, this.hearing(picture));
    tiles.show(0, this.position.place);
    this.view.setCellTiles(tiles);
  }

  hearing(picture) {
    return {
      onFacts: (facts) => this.setContrast(facts),
      onFault: (error) => this.picture.picture === picture.picture && complain(error.message),
      onTile: () => this.view.draw(),
    };
  }
}
