// The table of the cells. Only the rows in sight exist, so that ten thousand cells stay quick.

import { colourOf } from "./paint.js";

const HEIGHT = 28; // pixels of a row, as in style.css
const MORE = 8; // rows above and below those in sight

export class CellTable {
  /* `onChoose(number, isFurther)` is called when a row is clicked. */
  constructor(box, heads, rows, onChoose) {
    this.box = box;
    this.heads = heads;
    this.rows = rows;
    this.onChoose = onChoose;
    this.columns = [];
    this.order = [];
    this.sorting = { column: 0, isDown: false };
    this.chosen = new Set();
    box.addEventListener("scroll", () => this.drawRows());
    new ResizeObserver(() => this.drawRows()).observe(box);
    rows.addEventListener("click", (event) => this.click(event));
  }

  show(table) {
    this.columns = table.columns;
    this.place = new Map(table.columns[0].values.map((number, i) => [number, i]));
    this.places = table;
    if (this.sorting.column >= this.columns.length) this.sorting = { column: 0, isDown: false };
    this.drawHeads();
    this.sort();
  }

  clear() {
    this.columns = [];
    this.order = [];
    this.drawHeads();
    this.drawRows();
  }

  get numbers() {
    return this.order.map((row) => this.columns[0].values[row]);
  }

  where(number) {
    const row = this.place?.get(number);
    if (row === undefined) return null;
    const { x, y, z } = this.places;
    return { x: x[row] + 0.5, y: y[row] + 0.5, z: z ? Math.round(z[row]) : null };
  }

  // The cell that stands `step` rows below another; the first if no other is chosen.
  neighbour(number, step) {
    const { numbers } = this;
    if (numbers.length === 0) return 0;
    const at = numbers.indexOf(number);
    return at < 0 ? numbers[0] : numbers[(at + step + numbers.length) % numbers.length];
  }

  choose(numbers, last) {
    this.chosen = numbers;
    const row = last ? this.numbers.indexOf(last) : -1;
    if (row >= 0) {
      const top = row * HEIGHT;
      const room = this.box.clientHeight - this.heads.offsetHeight - HEIGHT;
      const isAbove = top < this.box.scrollTop;
      if (isAbove || top > this.box.scrollTop + room) {
        this.box.scrollTop = Math.max(0, top - room / 2);
      }
    }
    this.drawRows();
  }

  sort() {
    const { values } = this.columns[this.sorting.column];
    const sign = this.sorting.isDown ? -1 : 1;
    const key = (row) => values[row] ?? Infinity;
    this.order = values.map((_, row) => row);
    this.order.sort((one, other) => sign * (key(one) - key(other)) || one - other);
    this.drawRows();
  }

  drawHeads() {
    const cells = this.columns.map(({ words, title }, column) => {
      const head = document.createElement("th");
      const isSorted = column === this.sorting.column;
      const arrow = this.sorting.isDown ? " ▾" : " ▴";
      head.setAttribute("aria-sort", sortWord(isSorted, this.sorting.isDown));
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words + (isSorted ? arrow : "");
      button.title = title;
      button.addEventListener("click", () => this.sortBy(column));
      head.append(button);
      return head;
    });
    this.heads.replaceChildren(...cells);
  }

  sortBy(column) {
    const isDown = this.sorting.column === column ? !this.sorting.isDown : column > 0;
    this.sorting = { column, isDown };
    this.drawHeads();
    this.box.scrollTop = 0;
    this.sort();
    this.heads.children[column].firstChild.focus();
  }

  drawRows() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - MORE);
    const count = Math.ceil(this.box.clientHeight / HEIGHT) + 2 * MORE;
    const last = Math.min(this.order.length, first + count);
    const rows = this.order.slice(first, last).map((row) => this.rowOf(row));
    this.rows.replaceChildren(
      this.spacer(first),
      ...rows,
      this.spacer(this.order.length - last),
    );
  }

  rowOf(row) {
    const number = this.columns[0].values[row];
    const line = document.createElement("tr");
    line.className = this.chosen.has(number) ? "cell chosen" : "cell";
    line.dataset.number = number;
    line.setAttribute("aria-selected", this.chosen.has(number));
    for (const { values } of this.columns) {
      const cell = document.createElement("td");
      cell.textContent = words(values[row]);
      line.append(cell);
    }
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colourOf(number)})`;
    line.firstChild.prepend(swatch);
    return line;
  }

  spacer(count) {
    const line = document.createElement("tr");
    line.style.height = `${count * HEIGHT}px`;
    return line;
  }

  click(event) {
    const line = event.target.closest("tr.cell");
    if (line) this.onChoose(Number(line.dataset.number), event.shiftKey || event.ctrlKey);
  }
}

function sortWord(isSorted, isDown) {
  if (!isSorted) return "none";
  return isDown ? "descending" : "ascending";
}

export function words(value) {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : 2);
}
