// Pixels to pictures: the grey image with a contrast, and the outlines of the cells.

// of Okabe and Ito, which people with any kind of colour vision can distinguish
export const COLOURS = [
  [86, 180, 233],
  [230, 159, 0],
  [0, 158, 115],
  [240, 228, 66],
  [213, 94, 0],
  [204, 121, 167],
];

export const colourOf = (label) => COLOURS[label % COLOURS.length];

export const ink = ([red, green, blue], alpha = 255) =>
  ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// Grey of each value: low is black, high is white.
export function greys(bits, low, high) {
  const table = new Uint8ClampedArray(2 ** bits);
  const width = Math.max(high - low, 1e-9);
  for (let value = 0; value < table.length; value += 1) {
    table[value] = (255 * (value - low)) / width;
  }
  return table;
}

export function paintGrey(target, pixels, table) {
  for (let i = 0; i < pixels.length; i += 1) {
    const grey = table[pixels[i]];
    target[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
}

// Which row or column of the image each pixel of the screen shows; -1 outside.
export function places(count, start, scale, length) {
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i += 1) {
    const place = Math.floor(start + (i + 0.5) / scale);
    numbers[i] = place >= 0 && place < length ? place : -1;
  }
  return numbers;
}

const WHITE = ink([255, 255, 255]);
const VEIL = ink([0, 114, 178], 130); // seen on bright cells, too
const HUES = COLOURS.map((colour) => ink(colour));

// Colours of cells of which none is chosen, whatever their numbers are.
export const PLAIN_INKS = { lines: Uint32Array.from(HUES), fills: new Uint32Array(HUES.length) };

// Colours of the cells 0 to `largest`, with those that are chosen in white.
export function inksOf(largest, chosen = []) {
  const lines = Uint32Array.from({ length: largest + 1 }, (_, label) => HUES[label % HUES.length]);
  const fills = new Uint32Array(largest + 1);
  for (const label of chosen) {
    lines[label] = WHITE;
    fills[label] = VEIL;
  }
  return { lines, fills };
}

/* Paint outlines on the screen, `width` pixels of it wide at any zoom, inside of the cells.

   A pixel belongs to the outline if a pixel of the screen that far away, up, down, left or right,
   shows another label. Cell i has an outline of the colour `lines[i]`, and `fills[i]` inside;
   the colours repeat if there are fewer than cells. */
export function paintOutlines(target, labels, imageWidth, columns, rows, width, { lines, fills }) {
  target.fill(0);
  const across = columns.length;
  const down = rows.length;
  for (let y = 0; y < down; y += 1) {
    if (rows[y] < 0) continue;
    const row = rows[y] * imageWidth;
    const above = (y >= width ? rows[y - width] : rows[y]) * imageWidth;
    const below = (y + width < down ? rows[y + width] : rows[y]) * imageWidth;
    for (let x = 0; x < across; x += 1) {
      const column = columns[x];
      if (column < 0) continue;
      const label = labels[row + column];
      if (label === 0) continue;
      const left = x >= width ? columns[x - width] : column;
      const right = x + width < across ? columns[x + width] : column;
      const isEdge =
        above < 0 ||
        below < 0 ||
        left < 0 ||
        right < 0 ||
        labels[above + column] !== label ||
        labels[below + column] !== label ||
        labels[row + left] !== label ||
        labels[row + right] !== label;
      const ink = label % lines.length;
      target[y * across + x] = isEdge ? lines[ink] : fills[ink];
    }
  }
}
