// Which plane of a stack or series is on the page: a slider for slices, one for time points.

import { element } from "./desk.js";

const AXES = ["z", "time"];

export class Position {
  /* `onMove()` is called when another plane is chosen. */
  constructor(onMove) {
    this.onMove = onMove;
    for (const axis of AXES) {
      element(axis).addEventListener("input", () => {
        this.write(axis);
        this.onMove();
      });
    }
    this.open({ slices: 0, times: 1 });
  }

  // Begin in the middle of a stack, and at the first time point.
  open({ slices, times }) {
    const counts = { z: Math.max(slices, 1), time: times };
    this.counts = counts;
    for (const axis of AXES) {
      element(axis).max = counts[axis] - 1;
      element(axis).value = axis === "z" ? Math.floor(counts.z / 2) : 0;
      element(`${axis}-row`).hidden = counts[axis] < 2;
      this.write(axis);
    }
  }

  write(axis) {
    const { value, max } = element(axis);
    element(`${axis}-words`).textContent = `${Number(value) + 1} of ${Number(max) + 1}`;
  }

  get place() {
    const [z, time] = AXES.map((axis) => Number(element(axis).value));
    return { time, z };
  }

  is({ time, z }) {
    const { place } = this;
    return place.time === time && place.z === z;
  }

  // Go to a number of an axis, as far as there are so many.
  go(axis, number) {
    const before = element(axis).value;
    element(axis).value = number;
    if (element(axis).value === before) return;
    this.write(axis);
    this.onMove();
  }

  step(axis, by) {
    this.go(axis, this.place[axis] + by);
  }
}
