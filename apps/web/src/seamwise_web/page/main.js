// The page: what is open, what is chosen, and what happens on a click or a key.

import * as api from "./api.js";
import * as desk from "./desk.js";
import { attempt, busy, complain, element, idle } from "./desk.js";
import { listenForSaves, showAllCells, showFiles } from "./files.js";
import { listenForKeys } from "./keys.js";
import { Models } from "./models.js";
import { Opening } from "./opening.js";
import { Planes } from "./planes.js";
import { mayLoseAllCells, mayLoseCorrections } from "./questions.js";
import { Reading } from "./reading.js";
import { Sliders, inTurn, latest } from "./sliders.js";
import { CellTable } from "./table.js";
import { button, isPressed, press, showTools } from "./tools.js";
import { Training } from "./training.js";
import { View } from "./view.js";

const MOST_POINTS = 4000; // of a line
const REST = 250; // milliseconds without a change until the table is measured

const state = {
  picture: null,
  send: null, // asks for the file once more, with other axes
  whole: null, // the large image that the picture is a part of
  cells: null, // of the plane or stack that is shown
  unsaved: 0, // corrections, in all planes
  job: null,
  turn: null,
  chosen: new Set(),
  last: 0,
};
const view = new View(element("stage"), element("base"), element("overlay"), choose, drawn);
const table = new CellTable(element("table"), element("heads"), element("rows"), chooseRow);
const arriveSoon = latest(arrive);
const planes = new Planes(view, arriveSoon);
const decodeSoon = latest(decode);
const sliders = new Sliders(element("sliders"), (values) => decodeSoon(planes.shown, values));
const reading = new Reading((axes) => open(state.send, axes), takeSpacing);
const changeInTurn = inTurn(change);
let training = null;
let models = null;
let measuring = 0;

// --- opening

async function open(send, axes) {
  if (!mayLoseCorrections(state.unsaved) || !mayLoseAllCells(state)) return;
  complain("");
  busy("opening");
  const picture = await attempt(() => send(axes));
  idle();
  if (!picture) return;
  for (const one of [state.picture, state.whole]) if (one) api.close(one.picture).catch(() => {});
  state.whole = null;
  state.send = send;
  desk.remember(picture.picture);
  await show(picture);
  await findFirst(picture);
}

// Look for the cells of an image that nobody looked for yet.
async function findFirst({ tiled, found }) {
  if (!tiled && found.length === 0) await find();
}

// Take what is in sight of a large image as an image of its own.
async function takePart() {
  const { key, place } = planes.shown;
  const part = await attempt(() => api.takePart(key, place, view.wholePixels));
  if (!part) return;
  state.whole = { ...state.picture, job: state.job };
  state.send = null;
  desk.remember(part.picture);
  await show(part);
  await find();
}

async function backToWhole() {
  if (!state.whole || !mayLoseCorrections(state.unsaved)) return;
  const { whole, picture } = state;
  const described = await attempt(() => api.picture(whole.picture)); // cells may have come
  if (!described || state.whole !== whole) return;
  api.close(picture.picture).catch(() => {});
  state.whole = null;
  desk.remember(whole.picture);
  await show(described);
  if (described.job) await follow(described.job);
}

function openFiles(files) {
  if (files.length === 1) open((axes) => api.upload(files[0], axes));
  else complain(`The page opens one image at a time: drop one of the ${files.length}.`);
}

const openPlace = (place) => open((axes) => api.openFromFolder(place, axes));

// Whether an image is the one on the page: what was asked for another one comes too late.
const isOpen = (key) => state.picture?.picture === key;

async function show(picture) {
  state.picture = picture;
  state.unsaved = 0;
  state.job = null;
  planes.open(picture);
  reading.open(picture, state.send !== null);
  forgetCells();
  showWelcome(false);
  desk.entitle(picture, planes.size);
  models.fit(picture);
  if (picture.tiled) planes.showCells(picture);
  showParts();
  await arrive();
}

// Another plane is on the page.
async function arrive() {
  const where = planes.shown;
  const isFound = planes.isIn(state.picture.found);
  if (!isFound) forgetCells();
  const ask = () => api.labels(where.key, where.place);
  const asked = isFound ? attempt(ask, () => planes.isShown(where)) : null;
  const [labels] = await Promise.all([asked, planes.draw()]);
  if (labels) takeLabels(where, labels);
}

function forgetCells() {
  state.cells = null;
  clearTimeout(measuring);
  element("table").setAttribute("aria-busy", "false");
  view.setLabels(null, 0);
  setChosen([]);
  table.clear();
}

// The card to open an image with, over the image that is open.
function showWelcome(isShown) {
  element("welcome").hidden = !isShown && state.picture !== null;
  element("back").hidden = state.picture === null;
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
  if (picture.job) await follow(picture.job);
  else await findFirst(picture); // the reload came before the search
}

// --- finding cells

async function findInWhole() {
  const { key } = planes.shown;
  complain("");
  const job = await attempt(() => api.segmentWhole(key, models.wishes(planes.channel)));
  if (job) await follow(job.job);
}

async function find(isAll = false) {
  if (state.picture?.tiled) {
    await (isAll ? findInWhole() : takePart());
    return;
  }
  const isForMany = isAll || models.isForStacks;
  const lost = isForMany ? state.unsaved : (state.cells?.unsaved ?? state.unsaved);
  if (!state.picture || !mayLoseCorrections(lost)) return;
  complain("");
  const fields = { ...models.wishes(planes.channel), all: isAll };
  const { key, place } = planes.shown;
  const job = await attempt(() => api.segment(key, place, fields));
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
    const described = await attempt(() => api.picture(picture));
    if (!described || !isOpen(picture)) return;
    state.picture = described;
    if (described.tiled) planes.showCells(described);
    else await arrive();
  }
  showParts();
}

async function cancel() {
  const key = state.job;
  if (key) await attempt(() => api.cancel(key));
}

// --- cells

// Show cells, unless they are those of another plane or older than what is shown.
function takeLabels(where, { pixels, facts }) {
  const before = state.cells;
  const isSame = String(before?.place) === String(facts.place); // or another slice of the stack
  if (!planes.isShown(where) || (isSame && facts.revision < before.revision)) return;
  const isRenumbered = facts.numbering !== before?.numbering;
  state.cells = facts;
  state.unsaved = facts.unsaved + facts.unsaved_elsewhere;
  view.setLabels(pixels, facts.largest);
  setChosen(isRenumbered ? [] : [...state.chosen]);
  sliders.show(facts.sliders);
  element("caution").textContent = facts.caution;
  element("caution").hidden = !facts.caution;
  showParts();
  if (facts.revision !== before?.revision) measureSoon();
}

// Ask for a change of the cells, and show what comes of it; true if it was made.
async function change(where, ask) {
  const isWanted = () => planes.isShown(where);
  if (!isWanted() || !state.cells) return false;
  element("table").setAttribute("aria-busy", "true");
  state.turn = where.key;
  const answer = await attempt(ask, isWanted);
  // after a refusal, show what the cells are now: another tab may have changed them
  const labels = answer ?? (isWanted() && (await api.labels(where.key, where.place).catch(() => null)));
  state.turn = null;
  if (labels) takeLabels(where, labels);
  if (isWanted()) measureSoon();
  else arriveSoon(); // another slice of the stack, whose cells changed too
  return answer !== null && isWanted();
}

async function decode(where, values) {
  if (!planes.isShown(where) || !state.cells) return;
  const start = performance.now();
  const { min_size, ...thresholds } = values;
  const fields = { thresholds, min_size: Math.round(min_size) };
  setChosen([]);
  await changeInTurn(where, () => api.decode(where.key, where.place, fields));
  // the view paints in the same frame, before this
  requestAnimationFrame(() => performance.measure("slider to picture", { start }));
}

async function edit(action, cells = [], points = []) {
  if (!state.cells) return;
  const where = planes.shown;
  const { numbering } = state.cells;
  const isDone = await changeInTurn(where, () => {
    if (cells.length > 0 && state.cells.numbering !== numbering) {
      throw new api.ServerError("The cells changed in the meantime: choose again.", 409);
    }
    const { revision } = state.cells;
    return api.edit(where.key, where.place, { action, revision, cells, points });
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

// The size of a pixel was set: lengths in the table change.
function takeSpacing(picture) {
  if (!isOpen(picture.picture)) return;
  state.picture = picture;
  if (state.cells) measureSoon();
}

function measureSoon() {
  clearTimeout(measuring);
  element("table").setAttribute("aria-busy", "true");
  measuring = setTimeout(measure, REST);
}

const measure = latest(async () => {
  const { cells } = state;
  if (!cells) return;
  const isWanted = () => state.cells?.revision === cells.revision; // else it is measured again
  const { key, place } = planes.shown;
  const rows = await attempt(() => api.table(key, place), isWanted);
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
  if (!place) return;
  if (place.z !== null) planes.position.go("z", place.z);
  view.show(place.x, place.y);
}

function step(by) {
  const number = table.neighbour(state.last, by);
  if (!number) return;
  setChosen([number]);
  jump(number);
}

// --- buttons and keys

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
  "slice-back": () => planes.position.step("z", -1),
  "slice-on": () => planes.position.step("z", 1),
  "time-back": () => planes.position.step("time", -1),
  "time-on": () => planes.position.step("time", 1),
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
  training.look(state.picture && planes.shown, state.cells !== null, models.chosen.name);
  const hasCells = state.cells !== null;
  const hasPicture = state.picture !== null;
  for (const id of ["tools", "contrast"]) element(id).hidden = !hasPicture;
  element("find").disabled = !hasPicture;
  models.showButtons(state.picture ?? {});
  element("whole").hidden = state.whole === null;
  showAllCells(state.picture);
  for (const id of ["tuning", "results"]) element(id).hidden = !hasCells;
  const isBusy = state.job !== null; // new cells will replace these
  element("tuning").inert = isBusy;
  showTools(state, isBusy);
  if (view.pen !== null && (isBusy || !hasCells)) takePen(null);
  if (!hasCells) {
    element("counts").textContent = "";
    element("caution").hidden = true;
    return;
  }
  showFiles(state.picture, planes.shown.place);
}

function listen() {
  element("compare-cells").addEventListener("click", desk.keepOpen);
  element("open").addEventListener("click", () => showWelcome(element("welcome").hidden));
  element("back").addEventListener("click", () => showWelcome(false));
  element("help").addEventListener("click", () => act("help"));
  element("cancel").addEventListener("click", cancel);
  element("find").addEventListener("click", () => find());
  element("whole").addEventListener("click", backToWhole);
  element("find-all").addEventListener("click", () => find(true));
  element("diameter").addEventListener("keydown", ({ key }) => key === "Enter" && find());
  element("defaults").addEventListener("click", () => {
    sliders.show(state.cells.defaults);
    decodeSoon(planes.shown, sliders.values());
  });
  for (const one of document.querySelectorAll("[data-action]")) {
    one.addEventListener("click", () => act(one.dataset.action));
  }
  listenForSaves(state);
  listenForKeys([element("stage")], element("table"), act);
  addEventListener("beforeunload", (event) => {
    if (state.unsaved && !desk.isAtDoor) event.preventDefault();
  });
}

async function begin() {
  const start = await attempt(api.start);
  if (!start) return;
  models = new Models(start.models, showParts);
  training = new Training((model) => models.add(model));
  models.describe();
  listen();
  desk.listenForDoors();
  new Opening(desk.openingParts(), start, openFiles, openPlace);
  await restore();
}

begin();
