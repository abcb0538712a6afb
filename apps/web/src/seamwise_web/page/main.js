// The page: what is open, what is chosen, and what happens on a click or a key.

import * as api from "./api.js";
import { Contrast } from "./contrast.js";
import * as desk from "./desk.js";
import { attempt, busy, complain, element, idle } from "./desk.js";
import { listenForKeys } from "./keys.js";
import { Opening } from "./opening.js";
import { Sliders, inTurn, latest } from "./sliders.js";
import { CellTable } from "./table.js";
import { Training } from "./training.js";
import { View } from "./view.js";

const MOST_POINTS = 4000; // of a line
const REST = 250; // milliseconds without a change until the table is measured

const state = { picture: null, cells: null, job: null, turn: null, chosen: new Set(), last: 0 };
const view = new View(element("stage"), element("base"), element("overlay"), choose, drawn);
const table = new CellTable(element("table"), element("heads"), element("rows"), chooseRow);
const contrast = new Contrast(element("low"), element("high"), (...ends) => view.setContrast(...ends));
const decodeSoon = latest(decode);
const sliders = new Sliders(element("sliders"), (values) => decodeSoon(state.picture.picture, values));
const changeInTurn = inTurn(change);
let training = null;
let start = null;
let measuring = 0;

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
  desk.remember(picture.picture);
  await show(picture);
  if (!picture.has_cells) await find();
}

function openFiles(files) {
  if (files.length === 1) open(() => api.upload(files[0]));
  else complain(`The page opens one image at a time: drop one of the ${files.length}.`);
}

// Whether an image is the one on the page: what was asked for another one comes too late.
const isOpen = (key) => state.picture?.picture === key;

async function show(picture) {
  state.picture = picture;
  state.cells = null;
  state.job = null;
  clearTimeout(measuring);
  element("table").setAttribute("aria-busy", "false");
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
  await showChannel();
}

// The card to open an image with, over the image that is open.
function showWelcome(isShown) {
  element("welcome").hidden = !isShown && state.picture !== null;
  element("back").hidden = state.picture === null;
}

async function showChannel() {
  const { picture } = state.picture;
  const number = element("channel").value;
  const isWanted = () => isOpen(picture) && element("channel").value === number;
  const answer = await attempt(() => api.channel(picture, number), isWanted);
  if (!answer || !isWanted()) return;
  const { pixels, facts } = answer;
  view.setChannel(pixels, facts.bits);
  contrast.show(facts);
}

// After a reload, the server still has what was open.
async function restore() {
  const { key, isAsked } = desk.recall("segment");
  if (!key) return;
  let picture;
  try {
    picture = await api.picture(key);
  } catch (error) {
    desk.remember("");
    if (isAsked) complain(error.message);
    return;
  }
  desk.remember(key);
  await show(picture);
  if (picture.has_cells) await attempt(async () => takeLabels(key, await api.labels(key)));
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

async function follow(key) {
  const { picture } = state.picture;
  state.job = key;
  showParts();
  const job = await desk.follow(key, () => state.job === key && isOpen(picture));
  if (state.job !== key || !isOpen(picture)) return; // another work has begun
  state.job = null;
  if (job?.state === "done") {
    await attempt(async () => takeLabels(picture, await api.labels(picture)));
  }
  showParts();
}

async function cancel() {
  const key = state.job;
  if (key) await attempt(() => api.cancel(key));
}

// --- cells

// Show cells, unless they are those of another image or older than what is shown.
function takeLabels(picture, { pixels, facts }) {
  if (!isOpen(picture) || facts.revision < state.cells?.revision) return;
  const isRenumbered = facts.numbering !== state.cells?.numbering;
  state.cells = facts;
  view.setLabels(pixels, facts.largest);
  setChosen(isRenumbered ? [] : [...state.chosen]);
  sliders.show(facts.sliders);
  element("caution").textContent = facts.caution;
  element("caution").hidden = !facts.caution;
  showParts();
  measureSoon();
}

// Ask for a change of the cells, and show what comes of it; true if it was made.
async function change(picture, ask) {
  const isWanted = () => isOpen(picture);
  if (!isWanted() || !state.cells) return false;
  element("table").setAttribute("aria-busy", "true");
  state.turn = picture;
  const answer = await attempt(ask, isWanted);
  // after a refusal, show what the cells are now: another tab may have changed them
  const shown = answer ?? (isWanted() && (await api.labels(picture).catch(() => null)));
  state.turn = null;
  if (shown) takeLabels(picture, shown);
  else if (isWanted()) measureSoon();
  return answer !== null && isWanted();
}

async function decode(picture, values) {
  if (!isOpen(picture) || !state.cells) return;
  const start = performance.now();
  const { min_size, ...thresholds } = values;
  const fields = { thresholds, min_size: Math.round(min_size) };
  setChosen([]);
  await changeInTurn(picture, () => api.decode(picture, fields));
  // the view paints in the same frame, before this
  requestAnimationFrame(() => performance.measure("slider to picture", { start }));
}

async function edit(action, cells = [], points = []) {
  if (!state.cells) return;
  const { picture } = state.picture;
  const { numbering } = state.cells;
  const isDone = await changeInTurn(picture, () => {
    if (cells.length > 0 && state.cells.numbering !== numbering) {
      throw new api.ServerError("The cells changed in the meantime: choose again.", 409);
    }
    return api.edit(picture, action, state.cells.revision, cells, points);
  });
  if (!isDone) return;
  if (action === "delete") setChosen([...state.chosen].filter((one) => !cells.includes(one)));
  if (action === "merge") setChosen([Math.min(...cells)]);
}

// A line was drawn, to split a cell or around a new one.
function drawn(pen, points) {
  const most = Math.ceil(points.length / MOST_POINTS);
  edit(pen, [], points.filter((_, i) => i % most === 0 || i === points.length - 1));
}

function takePen(pen) {
  const isTaken = view.pen !== pen && state.cells !== null && state.job === null;
  view.setPen(isTaken ? pen : null);
  for (const one of ["split", "draw"]) button(one).setAttribute("aria-pressed", view.pen === one);
}

function measureSoon() {
  clearTimeout(measuring);
  element("table").setAttribute("aria-busy", "true");
  measuring = setTimeout(measure, REST);
}

const measure = latest(async () => {
  const { cells } = state;
  if (!cells) return;
  const isWanted = () => state.cells === cells; // else it is measured again
  const rows = await attempt(() => api.table(state.picture.picture), isWanted);
  if (!isWanted()) return;
  if (!isOpen(state.turn)) element("table").setAttribute("aria-busy", "false");
  if (!rows) return;
  table.show(rows);
  table.choose(state.chosen, state.last);
  const count = rows.columns[0].values.length;
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
  const count = state.cells?.unsaved ?? 0;
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
  split: () => takePen("split"),
  draw: () => takePen("draw"),
  undo: () => state.cells?.can_undo && edit("undo"),
  redo: () => state.cells?.can_redo && edit("redo"),
  next: () => step(1),
  previous: () => step(-1),
  none: escape,
  help: () => element("keys").showModal(),
  left: () => view.pan(60, 0),
  right: () => view.pan(-60, 0),
  up: () => view.pan(0, 60),
  down: () => view.pan(0, -60),
};

// Close the card, lay the pen down, or choose no cell: what comes first.
function escape() {
  if (!element("welcome").hidden) showWelcome(false);
  else if (view.pen !== null) takePen(null);
  else setChosen([]);
}

function act(action) {
  const needsImage = action !== "help";
  if (!(action in actions) || (needsImage && view.isEmpty)) return; // a key of another door
  actions[action]();
}

function showParts() {
  training.look(state.picture?.picture ?? null, state.cells !== null, element("model").value);
  const hasCells = state.cells !== null;
  const hasPicture = state.picture !== null;
  element("tools").hidden = !hasPicture;
  element("contrast").hidden = !hasPicture;
  element("find").disabled = !hasPicture;
  for (const id of ["tuning", "results"]) element(id).hidden = !hasCells;
  const isBusy = state.job !== null; // new cells will replace these
  element("tuning").inert = isBusy;
  button("delete").disabled = isBusy || state.chosen.size === 0;
  button("merge").disabled = isBusy || state.chosen.size < 2;
  button("split").disabled = button("draw").disabled = isBusy || !hasCells;
  if (view.pen !== null && (isBusy || !hasCells)) takePen(null);
  button("undo").disabled = isBusy || !state.cells?.can_undo;
  button("redo").disabled = isBusy || !state.cells?.can_redo;
  if (!hasCells) {
    element("counts").textContent = "";
    element("caution").hidden = true;
    return;
  }
  element("save-labels").href = api.labelsFile(state.picture.picture);
  element("save-table").href = api.tableFile(state.picture.picture);
}

// A model that was trained joins the list, and is chosen.
function addModel(model) {
  start?.models.push(model);
  element("model").add(new Option(model.name, model.name), 0);
  element("model").value = model.name;
  describeModel();
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
  showParts();
}

function listen() {
  element("open").addEventListener("click", () => showWelcome(element("welcome").hidden));
  element("back").addEventListener("click", () => showWelcome(false));
  element("help").addEventListener("click", () => act("help"));
  element("cancel").addEventListener("click", cancel);
  element("find").addEventListener("click", find);
  element("diameter").addEventListener("keydown", ({ key }) => key === "Enter" && find());
  element("model").addEventListener("change", describeModel);
  element("channel").addEventListener("change", showChannel);
  element("defaults").addEventListener("click", () => {
    sliders.show(state.cells.defaults);
    decodeSoon(state.picture.picture, sliders.values());
  });
  for (const one of document.querySelectorAll("[data-action]")) {
    one.addEventListener("click", () => act(one.dataset.action));
  }
  element("save-labels").addEventListener("click", () => {
    state.cells.unsaved = 0; // as the server counts it
  });
  listenForKeys([element("stage")], element("table"), act);
  addEventListener("beforeunload", (event) => {
    if (state.cells?.unsaved && !desk.isAtDoor) event.preventDefault();
  });
}

async function begin() {
  start = await attempt(api.start);
  if (!start) return;
  element("model").replaceChildren(...start.models.map(({ name }) => new Option(name, name)));
  training = new Training(addModel);
  describeModel();
  listen();
  desk.listenForDoors();
  new Opening(desk.openingParts(), start, openFiles, (place) => open(() => api.openFromFolder(place)));
  await restore();
}

begin();
