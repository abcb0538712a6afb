// The two sliders for the contrast of a channel, which is that of all its planes.

export class Contrast {
  /* `onChange(low, high)` is called with values of pixels. */
  constructor(low, high, onChange) {
    this.inputs = [low, high];
    this.onChange = onChange;
    for (const input of this.inputs) input.addEventListener("input", () => this.tell());
  }

  show({ bits, low, high }) {
    const most = Math.max(2 ** bits - 1, high);
    for (const [i, value] of [low, high].entries()) {
      // a logarithm, since the interesting part of 16 bits is often at the dark end
      const input = this.inputs[i];
      input.min = 0;
      input.max = Math.log2(most + 1);
      input.step = "any";
      input.value = Math.log2(value + 1);
    }
    this.tell();
  }

  tell() {
    this.onChange(...this.inputs.map(({ value }) => 2 ** Number(value) - 1));
  }
}
