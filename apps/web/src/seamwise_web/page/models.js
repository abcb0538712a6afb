// The list of models: which fit an image, what the chosen one is for, and where it finds cells.

import { element } from "./desk.js";

export class Models {
  /* `onChange()` is called when another model is chosen. */
  constructor(models, onChange) {
    this.models = models;
    this.onChange = onChange;
    this.list = element("model");
    this.list.replaceChildren(...models.map(({ name }) => new Option(name, name)));
    this.list.addEventListener("change", () => this.describe());
  }

  get chosen() {
    return this.named(this.list.value);
  }

  get isForStacks() {
    return this.chosen.ndim === 3;
  }

  // What the user chose above the button.
  wishes(channel) {
    const { value } = element("diameter");
    return { model: this.chosen.name, channel, diameter: value === "" ? null : Number(value) };
  }

  named(name) {
    return this.models.find((one) => one.name === name);
  }

  choose({ name }) {
    this.list.value = name;
    this.describe();
  }

  // A model that was trained joins the list, and is chosen.
  add(model) {
    this.models.push(model);
    this.list.add(new Option(model.name, model.name), 0);
    this.choose(model);
  }

  // Models for stacks fit stacks alone, and are the first choice for them.
  fit({ slices }) {
    const ndim = slices > 0 ? 3 : 2;
    for (const option of this.list.options) {
      option.hidden = option.disabled = this.named(option.value).ndim > ndim;
    }
    if (this.chosen.ndim !== ndim) {
      this.choose(this.models.find((one) => one.ndim === ndim) ?? this.models[0]);
    }
  }

  describe() {
    const { purpose, diameters } = this.chosen;
    const parts = [];
    if (purpose) parts.push(`It ${purpose}.`);
    if (diameters) {
      const [low, high] = diameters.map((size) => size.toFixed(0));
      parts.push(`It knows cells ${low} to ${high} pixels across.`);
    }
    element("purpose").textContent = parts.join(" ");
    this.onChange();
  }

  // What the buttons say: here, or in all planes, or in the stacks of all time points.
  showButtons({ slices = 0, times = 1, tiled = null } = {}) {
    const count = this.isForStacks ? times : times * Math.max(slices, 1);
    const words = this.isForStacks || slices === 0 ? "time points" : "planes";
    element("find").textContent = tiled ? "Find cells in what you see" : "Find cells";
    const all = `Find cells in all ${count} ${words}`;
    element("find-all").textContent = tiled ? "Find all cells of the image" : all;
    element("find-all").hidden = count < 2 && tiled === null;
  }
}
