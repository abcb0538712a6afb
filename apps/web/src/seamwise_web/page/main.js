// The page: what is open, what is chosen, and what happens on a click or a key.

import * as api from "./api.js";
import { listenForKeys } from "./keys.js";
import { Opening } from "./opening.js";
import { Sliders, latest } from "./sliders.js";
import { CellTable } from "./table.js";
import { View } from "./view.js";

const PAUSE = 150; // milliseconds between two questions about the work
const REST = 250; // milliseconds without a change until the table is measured

const element = (id) => document.getElementById(id);
const state = { picture: null, cells: null, job: null, changes: 0, chosen: new Set(), last: 0 };
const view = new View(element("stage"), element("base"), element("overlay"), choose);
const table = new CellTable(element("table"), element("heads"), element("rows"), chooseRow);
const sliders = new Sliders(element("sliders"), latest(decode));
let start = null;
let measuring = 0;

// --- messages

function complain(words) {
  element("message-words").textContent = words;
  element("message").hidden = !words;
}

// Do something that may fail, and show why it did.
async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    complain(error.message);
    if (error.status === undefined) console.error(error);
    return null;
  }
}

// --- opening

async function open(send) {
  if (!mayLoseCorrections()) return;
  complain("");
  busy("opening");
  const picture = await attempt(send);
  idle();
  if (!picture) return;
  const before = state.picture;
  if (before) api.close(before.picture).catch(() => {});
  history.replaceState(null, "", `#${picture.picture}`);
  await show(picture);
  if (!picture.has_cells) await find();
}

async function show(picture) {
  state.picture = picture;
  state.cells = null;
  setChosen([]);
  table.clear();
  showWelcome(false);
  element("name").textContent = `${picture.name} · ${picture.width} × ${picture.height}`;
  element("name").title = picture.name;
  element("note").textContent = picture.note;
  document.title = `${picture.name} · seamwise`;
  const numbers = [...Array(picture.channels).keys()];
  const names = picture.channels === 3 ? ["1 (red)", "2 (green)", "3 (blue)"] : null;
  element("channel").replaceChildren(
    ...numbers.map((n) => new Option(names ? names[n] : String(n + 1), n)),
  );
  element("channel").value = picture.first_channel;
  element("channel-row").hidden = picture.channels < 2;
  view.open(picture.width, picture.height);
  showParts();
  await attempt(showChannel);
}

// The card to open an image with, over the image that is open.
function showWelcome(isShown) {
  element("welcome").hidden = !isShown && state.picture !== null;
  element("back").hidden = state.picture === null;
}

async function showChannel() {
  const number = element("channel").value;
  const { pixels, facts } = await api.channel(state.picture.picture, number);
  view.setChannel(pixels, facts.bits);
  const most = Math.max(2 ** facts.bits - 1, facts.high);
  for (const [id, value] of [["low", facts.low], ["high", facts.high]]) {
    // a logarithm, since the interesting part of 16 bits is often at the dark end
    const input = element(id);
    input.min = 0;
    input.max = Math.log2(most + 1);
    input.step = "any";
    input.value = Math.log2(value + 1);
  }
  setContrast();
}

function setContrast() {
  const value = (id) => 2 ** Number(element(id).value) - 1;
  view.setContrast(value("low"), value("high"));
}

// After a reload, the server still has what was open.
async function restore() {
  const key = location.hash.slice(1);
  if (!key) return;
  let picture;
  try {
    picture = await api.picture(key);
  } catch (error) {
    history.replaceState(null, "", location.pathname);
    complain(error.message);
    return;
  }
  await show(picture);
  if (picture.has_cells) await attempt(async () => takeLabels(await api.labels(key)));
  if (picture.job) await follow(picture.job);
}

// --- finding cells

async function find() {
  if (!state.picture || !mayLoseCorrections()) return;
  complain("");
  const diameter = element("diameter").value;
  const fields = {
    model: element("model").value,
    channel: Number(element("channel").value),
    diameter: diameter === "" ? null : Number(diameter),
  };
  const job = await attempt(() => api.segment(state.picture.picture, fields));
  if (job) await follow(job.job);
}

// Show how far a work is, until it ends.
async function follow(key) {
  const { picture } = state.picture;
  state.job = key;
  for (;;) {
    const job = await attempt(() => api.job(key));
    if (state.job !== key || state.picture.picture !== picture) return; // another work has begun
    if (!job || !["waiting", "running"].includes(job.state)) {
      state.job = null;
      idle();
      if (job?.state === "failed") complain(job.error);
      if (job?.state === "done") await attempt(async () => takeLabels(await api.labels(picture)));
      showParts();
      return;
    }
    const waits = job.state === "waiting" && job.ahead > 0;
    busy(waits ? `waiting for ${job.ahead} other` : job.stage, job.share);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

async function cancel() {
  const key = state.job;
  if (key) await attempt(() => api.cancel(key));
}

function busy(words, share = null) {
  element("work").hidden = false;
  element("cancel").hidden = !state.job;
  element("stage-words").textContent = `${words}…`;
  if (share === null) element("progress").removeAttribute("value");
  else element("progress").value = share;
}

function idle() {
  element("work").hidden = true;
}

// --- cells

function takeLabels({ pixels, facts }) {
  state.cells = facts;
  view.setLabels(pixels, facts.largest);
  setChosen([...state.chosen].filter((number) => number <= facts.largest));
  sliders.show(facts.sliders);
  element("caution").textContent = facts.caution;
  element("caution").hidden = !facts.caution;
  showParts();
  measureSoon();
}

// Ask for a change of the cells, and show what comes of it.
async function change(ask) {
  element("table").setAttribute("aria-busy", "true");
  state.changes += 1;
  const answer = await attempt(ask);
  state.changes -= 1;
  if (answer) takeLabels(answer);
  else if (state.changes === 0) element("table").setAttribute("aria-busy", "false");
  return answer !== null;
}

async function decode(values) {
  if (!state.picture || !state.cells) return;
  const start = performance.now();
  const { min_size, ...thresholds } = values;
  const fields = { thresholds, min_size: Math.round(min_size) };
  setChosen([]);
  await change(() => api.decode(state.picture.picture, fields));
  // the view paints in the same frame, before this
  requestAnimationFrame(() => performance.measure("slider to picture", { start }));
}

async function edit(action, cells = []) {
  if (!state.cells || !(await change(() => api.edit(state.picture.picture, action, cells)))) return;
  if (action === "delete") setChosen([]);
  if (action === "merge") setChosen([Math.min(...cells)]);
}

function measureSoon() {
  clearTimeout(measuring);
  element("table").setAttribute("aria-busy", "true");
  measuring = setTimeout(measure, REST);
}

const measure = latest(async () => {
  const { cells } = state;
  const found = await attempt(() => api.table(state.picture.picture));
  if (!found || state.cells !== cells) return;
  table.show(found);
  table.choose(state.chosen, state.last);
  if (state.changes === 0) element("table").setAttribute("aria-busy", "false");
  const count = found.columns[0].values.length;
  element("counts").textContent = count === 1 ? "1 cell" : `${count} cells`;
});

// --- choosing

function setChosen(numbers) {
  state.chosen = new Set(numbers);
  state.last = numbers.at(-1) ?? 0;
  view.choose(state.chosen);
  table.choose(state.chosen, state.last);
  showParts();
}

function choose(number, isFurther) {
  const several = isFurther || isPressed("several");
  if (!several) setChosen(number ? [number] : []);
  else if (state.chosen.has(number)) setChosen([...state.chosen].filter((one) => one !== number));
  else if (number) setChosen([...state.chosen, number]);
}

function chooseRow(number, isFurther) {
  choose(number, isFurther);
  jump(number);
}

function jump(number) {
  const place = table.where(number);
  if (place) view.show(place.x, place.y);
}

function step(by) {
  const number = table.neighbour(state.last, by);
  if (!number) return;
  setChosen([number]);
  jump(number);
}

// --- buttons and keys

function mayLoseCorrections() {
  const count = state.cells?.corrections ?? 0;
  const words = count === 1 ? "your correction" : `your ${count} corrections`;
  return count === 0 || confirm(`Continue without ${words}? Save the labels first to keep them.`);
}

const button = (action) => document.querySelector(`[data-action="${action}"]`);
const isPressed = (action) => button(action).getAttribute("aria-pressed") === "true";

function press(action) {
  const isOn = !isPressed(action);
  button(action).setAttribute("aria-pressed", isOn);
  return isOn;
}

const actions = {
  "zoom-in": () => view.zoom(1.5),
  "zoom-out": () => view.zoom(1 / 1.5),
  fit: () => view.fit(),
  outlines: () => view.setOutlines(press("outlines")),
  several: () => press("several"),
  delete: () => state.chosen.size > 0 && edit("delete", [...state.chosen]),
  merge: () => state.chosen.size > 1 && edit("merge", [...state.chosen]),
  undo: () => state.cells?.can_undo && edit("undo"),
  redo: () => state.cells?.can_redo && edit("redo"),
  next: () => step(1),
  previous: () => step(-1),
  none: () => (element("welcome").hidden ? setChosen([]) : showWelcome(false)),
  help: () => element("keys").showModal(),
  left: () => view.pan(60, 0),
  right: () => view.pan(-60, 0),
  up: () => view.pan(0, 60),
  down: () => view.pan(0, -60),
};

function act(action) {
  const needsImage = action !== "help";
  if (needsImage && view.isEmpty) return;
  actions[action]();
}

function showParts() {
  const hasCells = state.cells !== null;
  const hasPicture = state.picture !== null;
  element("tools").hidden = !hasPicture;
  element("contrast").hidden = !hasPicture;
  element("find").disabled = !hasPicture;
  for (const id of ["tuning", "results"]) element(id).hidden = !hasCells;
  button("delete").disabled = state.chosen.size === 0;
  button("merge").disabled = state.chosen.size < 2;
  button("undo").disabled = !state.cells?.can_undo;
  button("redo").disabled = !state.cells?.can_redo;
  if (!hasCells) {
    element("counts").textContent = "";
    element("caution").hidden = true;
    return;
  }
  element("save-labels").href = api.labelsFile(state.picture.picture);
  element("save-table").href = api.tableFile(state.picture.picture);
}

function describeModel() {
  const model = start.models.find(({ name }) => name === element("model").value);
  const parts = [];
  if (model.purpose) parts.push(`It ${model.purpose}.`);
  if (model.diameters) {
    const [low, high] = model.diameters.map((size) => size.toFixed(0));
    parts.push(`It knows cells ${low} to ${high} pixels across.`);
  }
  element("purpose").textContent = parts.join(" ");
}

function listen() {
  element("open").addEventListener("click", () => showWelcome(element("welcome").hidden));
  element("back").addEventListener("click", () => showWelcome(false));
  element("help").addEventListener("click", () => act("help"));
  element("cancel").addEventListener("click", cancel);
  element("find").addEventListener("click", find);
  element("diameter").addEventListener("keydown", ({ key }) => key === "Enter" && find());
  element("message-close").addEventListener("click", () => complain(""));
  element("model").addEventListener("change", describeModel);
  element("channel").addEventListener("change", () => attempt(showChannel));
  element("low").addEventListener("input", setContrast);
  element("high").addEventListener("input", setContrast);
  element("defaults").addEventListener("click", () => {
    sliders.show(state.cells.defaults);
    decode(sliders.values());
  });
  for (const one of document.querySelectorAll("[data-action]")) {
    one.addEventListener("click", () => act(one.dataset.action));
  }
  listenForKeys(element("stage"), element("table"), act);
  addEventListener("beforeunload", (event) => {
    if (state.cells?.corrections) event.preventDefault();
  });
}

async function begin() {
  start = await attempt(api.start);
  if (!start) return;
  element("model").replaceChildren(...start.models.map(({ name }) => new Option(name, name)));
  describeModel();
  listen();
  const ids = { folder: "folder", name: "folder-name", crumbs: "crumbs", entries: "entries" };
  const names = { ...ids, note: "folder-note", file: "file", choose: "choose" };
  const elements = Object.fromEntries(Object.entries(names).map(([k, id]) => [k, element(id)]));
  new Opening(elements, start, open, complain);
  await restore();
}

begin();
