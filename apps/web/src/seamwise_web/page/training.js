// Training a model on corrected images, with its curve.

import * as api from "./api.js";
import { attempt, element } from "./desk.js";

const PAUSE = 700; // milliseconds between two looks at the run
const KEY = "training"; // under which this tab keeps it

export class Training {
  /* `onModel(model)` hears of the model that comes out. */
  constructor(onModel) {
    this.onModel = onModel;
    this.state = null;
    this.model = null;
    element("add-example").addEventListener("click", () => this.add());
    element("train").addEventListener("click", () => this.train(false));
    element("resume").addEventListener("click", () => this.train(true));
    element("stop").addEventListener("click", () => this.stop());
    new ResizeObserver(() => this.draw()).observe(element("curve"));
    this.restore();
  }

  // The plane that is on the page, or null, and the name of the model to begin with.
  look(shown, hasCells, model) {
    this.shown = shown;
    this.start = model;
    element("training").hidden = !hasCells && this.state === null;
    this.isReady = hasCells;
    this.show();
  }

  async restore() {
    const key = sessionStorage.getItem(KEY);
    if (!key) return;
    try {
      this.take(await api.training(key));
    } catch {
      sessionStorage.removeItem(KEY); // the program was started again
    }
  }

  async add() {
    const state = await attempt(async () => {
      const { training } = this.state ?? (await api.openTraining());
      sessionStorage.setItem(KEY, training);
      return api.addToTraining(training, this.shown.key, this.shown.place);
    });
    if (state) this.take(state);
  }

  async train(resume) {
    const steps = element("steps").value;
    const wanted = steps === "" ? null : Math.round(Number(steps));
    const fields = { model: this.start, steps: wanted, resume };
    const state = await attempt(() => api.train(this.state.training, fields));
    if (state) this.take(state);
  }

  async stop() {
    await attempt(() => api.cancel(this.state.job));
    await this.refresh();
  }

  async refresh() {
    const state = await attempt(() => api.training(this.state.training));
    if (state) this.take(state);
  }

  take(state) {
    this.state = state;
    if (state.model && state.model.name !== this.model) {
      this.model = state.model.name;
      this.onModel(state.model);
    }
    element("training").hidden = false;
    this.show();
    this.draw();
    clearTimeout(this.waiting);
    if (state.is_busy) this.waiting = setTimeout(() => this.refresh(), PAUSE);
  }

  show() {
    const { names = [], is_busy: isBusy, can_resume: canResume, model } = this.state ?? {};
    element("examples").textContent = names.length === 1 ? "1 image" : `${names.length} images`;
    element("examples").title = names.join(", ");
    element("add-example").disabled = !this.isReady || isBusy;
    element("train").disabled = names.length === 0 || isBusy;
    element("train").textContent = canResume ? "Begin again" : "Train";
    element("resume").hidden = !canResume;
    element("stop").hidden = !isBusy;
    element("stop").disabled = this.state?.is_stopping ?? false;
    element("training-words").textContent = this.words();
    element("curve").hidden = !this.state || this.state.loss.length === 0;
    element("save-model").hidden = !model;
    if (model) element("save-model").href = api.modelFile(this.state.training);
  }

  words() {
    const { loss = [], scores = [], steps, model, error, stage } = this.state ?? {};
    if (error) return error;
    if (this.state?.is_stopping) return "stopping…";
    if (this.state?.is_busy && loss.length === 0) return `${stage}…`;
    if (loss.length === 0) return "";
    const score = scores.length ? `, best score ${Math.max(...scores.map(([, one]) => one)).toFixed(2)}` : "";
    const isEarly = model && loss.at(-1)[0] < steps;
    const why = isEarly ? " It ended early, since nothing improved." : "";
    const end = model ? `${why} The model ${model.name} is in the list.` : "";
    const kept = this.state.can_resume ? " It waits here until seamwise ends: Resume continues." : "";
    return `Step ${loss.at(-1)[0]} of ${steps}${score}.${end}${kept}`;
  }

  draw() {
    const canvas = element("curve");
    const { loss = [], scores = [], steps } = this.state ?? {};
    if (canvas.hidden || loss.length === 0) return;
    canvas.width = canvas.clientWidth * devicePixelRatio;
    canvas.height = canvas.clientHeight * devicePixelRatio;
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    const { clientWidth: width, clientHeight: height } = canvas;
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);
    const right = (step) => 6 + ((width - 12) * step) / Math.max(steps, 1);
    const down = (value, most) => height - 8 - ((height - 26) * value) / most;
    const most = Math.max(...loss.map(([, value]) => value), 1e-9);
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1.5;
    context.strokeStyle = context.fillStyle = colour("--quiet");
    context.fillText(`loss, 0 to ${most.toPrecision(2)}`, 6, 12);
    line(context, loss.map(([step, value]) => [right(step), down(value, most)]));
    context.strokeStyle = context.fillStyle = colour("--accent");
    context.fillText("score, 0 to 1", width - 84, 12);
    const dots = scores.map(([step, value]) => [right(step), down(value, 1)]);
    context.lineWidth = 2;
    line(context, dots);
    for (const [x, y] of dots) context.fillRect(x - 2.5, y - 2.5, 5, 5);
  }
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}
