// A slider and a field for each threshold.

const MOMENT = 600; // milliseconds after its last move in which a slider is in the hand

export class Sliders {
  /* `onMove(values)` is called while a slider moves. */
  constructor(box, onMove) {
    this.box = box;
    this.onMove = onMove;
    this.inputs = new Map();
    this.lastMove = -Infinity;
  }

  show(sliders) {
    const names = sliders.map(({ name }) => name).join();
    if (names !== [...this.inputs.keys()].join()) this.build(sliders);
    for (const { name, value } of sliders) {
      for (const input of this.inputs.get(name)) {
        // the one that is being moved keeps what the hand gives it
        if (input !== document.activeElement || !this.isMoving) input.value = value;
      }
    }
  }

  build(sliders) {
    this.inputs.clear();
    this.box.replaceChildren(...sliders.map((slider) => this.row(slider)));
  }

  row({ name, words, help, most, step }) {
    const row = document.createElement("div");
    row.className = "slider valued";
    row.title = help;
    const label = document.createElement("label");
    label.textContent = words;
    label.htmlFor = `slider-${name}`;
    const range = field("range", { min: 0, max: most, step, id: `slider-${name}` });
    range.setAttribute("aria-description", help);
    const number = field("number", { min: 0, step });
    number.setAttribute("aria-label", `${words}, as a number`);
    if (name !== "min_size") number.max = most;
    range.addEventListener("input", () => this.moved(number, range.value));
    number.addEventListener("input", () => {
      if (number.max !== "" && Number(number.value) > Number(number.max)) number.value = number.max;
      this.moved(range, number.value);
    });
    row.append(label, range, number);
    this.inputs.set(name, [range, number]);
    return row;
  }

  moved(other, value) {
    if (value === "" || !(Number(value) >= 0)) return;
    this.lastMove = performance.now();
    other.value = value;
    this.onMove(this.values());
  }

  get isMoving() {
    return performance.now() - this.lastMove < MOMENT;
  }

  values() {
    // the field, since a slider ends before large sizes do
    const value = ([range, number]) => Number(number.value === "" ? range.value : number.value);
    return Object.fromEntries([...this.inputs].map(([name, pair]) => [name, value(pair)]));
  }
}

function field(type, attributes) {
  const input = document.createElement("input");
  input.type = type;
  for (const [name, value] of Object.entries(attributes)) input[name] = value;
  return input;
}

// A function that runs `work` with the latest arguments, one run after the other.
export function latest(work) {
  let isRunning = false;
  let next = null;
  async function run(...values) {
    if (isRunning) {
      next = values;
      return;
    }
    isRunning = true;
    try {
      await work(...values);
    } finally {
      isRunning = false;
      if (next) {
        const waiting = next;
        next = null;
        run(...waiting);
      }
    }
  }
  return run;
}

// A function that runs `work` for every call, one after the other.
export function inTurn(work) {
  let line = Promise.resolve();
  return (...values) => {
    const turn = line.then(() => work(...values));
    line = turn.catch(() => {});
    return turn;
  };
}
