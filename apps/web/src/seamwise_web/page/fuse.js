// The Fuse door: frames come in, and become one picture.

import * as api from "./api.js";
import * as desk from "./desk.js";
import { attempt, busy, complain, element, idle } from "./desk.js";
import { listenForKeys } from "./keys.js";
import { Lightbox } from "./lightbox.js";
import { Opening } from "./opening.js";
import { inTurn } from "./sliders.js";

const FORMATS = [
  [".jpg", "JPEG"],
  [".png", "PNG, every pixel"],
  [".tif", "TIFF, every pixel"],
];

const MOST_POINTS = 5000; // of a stroke

const state = { burst: null, job: null, chosen: 0, isAdding: false, isSending: false };
const lightbox = new Lightbox(element("stage"), element("base"), element("divider"), paint);
const retouchInTurn = inTurn(retouch);
let start = null;

const isOpen = (key) => state.burst?.burst === key;

// --- frames

// Add frames, each by a function that sends it; a new burst is fused at once.
async function addFrames(senders) {
  if (state.isSending || !mayLoseStrokes()) return;
  complain("");
  const isNew = !state.isAdding || !state.burst;
  state.isSending = true;
  const burst = await attempt(() => send(senders, isNew));
  state.isSending = false;
  state.isAdding = false;
  idle();
  if (!burst) return;
  const shown = show(burst);
  if (isNew && burst.frames.length > 1) await fuse(); // while the frames are read for the page
  await shown;
}

// Send frames; those of a new burst are forgotten together if one is refused.
async function send(senders, isNew) {
  let burst = isNew ? await api.openBurst() : state.burst;
  try {
    for (const [number, sendOne] of senders.entries()) {
      busy(`frame ${number + 1} of ${senders.length}`, number / senders.length);
      burst = await sendOrSkip(sendOne, burst);
    }
  } catch (error) {
    if (isNew) await api.closeBurst(burst.burst).catch(() => {});
    else await show(burst);
    throw error;
  }
  if (isNew && state.burst) api.closeBurst(state.burst.burst).catch(() => {});
  return burst;
}

// Send a frame; one that is refused is skipped with a message, if the user wants that.
async function sendOrSkip(sendOne, burst) {
  try {
    return await sendOne(burst.burst);
  } catch (error) {
    if (!element("skip-bad").checked) throw error;
    complain(`Skipped: ${error.message}`);
    return burst;
  }
}

async function show(burst) {
  const isNew = !isOpen(burst.burst);
  state.burst = burst;
  if (!burst.fused && lightbox.mode === "retouch") setMode("compare");
  if (isNew) {
    state.chosen = 0;
    lightbox.clear();
    desk.remember(burst.burst);
  }
  state.chosen = Math.min(state.chosen, Math.max(burst.frames.length - 1, 0));
  showWelcome(burst.frames.length === 0);
  showStrip();
  showParts();
  await showPictures();
}

function showStrip() {
  const { burst, frames } = state.burst;
  element("strip").hidden = frames.length === 0;
  const items = frames.map(({ name }, number) => {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "option");
    item.title = name;
    const small = document.createElement("img");
    small.src = `${api.smallFrame(burst, number)}?${encodeURIComponent(name)}`;
    small.alt = "";
    const words = document.createElement("span");
    words.textContent = name;
    item.append(small, words);
    item.addEventListener("click", () => choose(number));
    return item;
  });
  element("strip").replaceChildren(...items);
  markChosen();
}

function markChosen() {
  for (const [number, item] of [...element("strip").children].entries()) {
    item.setAttribute("aria-selected", number === state.chosen);
    if (number === state.chosen) item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

async function choose(number) {
  state.chosen = number;
  markChosen();
  showParts();
  await showFrame();
}

function step(by) {
  const count = state.burst.frames.length;
  return choose((state.chosen + by + count) % count);
}

async function removeChosen() {
  if (state.job || state.burst.frames.length === 0 || !mayLoseStrokes()) return;
  const { burst } = state.burst;
  const changed = await attempt(() => api.removeFrame(burst, state.chosen));
  if (changed) await show(changed);
}

// --- pictures

async function showPictures() {
  const { fused, frames } = state.burst;
  lightbox.set("fused", null);
  lightbox.set("depth", null);
  const size = fused ?? frames[state.chosen];
  if (!size) return lightbox.clear();
  lightbox.open(size.width, size.height);
  const frame = showFrame();
  if (fused) await showFused();
  await frame;
}

async function showFused() {
  const { burst, fused } = state.burst;
  const isWanted = () => isOpen(burst) && state.burst.fused === fused;
  const [picture, depth] = await Promise.all(
    [api.fused, api.depth].map((ask) => attempt(() => ask(burst), isWanted)),
  );
  if (!isWanted()) return;
  lightbox.set("fused", picture);
  lightbox.set("depth", depth);
}

async function showFrame() {
  const { burst, frames, fused } = state.burst;
  const number = state.chosen;
  const isAligned = fused !== null;
  const isWanted = () =>
    isOpen(burst) && state.chosen === number && (state.burst.fused !== null) === isAligned;
  const frame = await attempt(() => api.frame(burst, number), isWanted);
  if (!frame || !isWanted()) return;
  if (!fused) lightbox.open(frames[number].width, frames[number].height);
  lightbox.set("frame", frame);
}

// --- fusing

async function fuse() {
  if (!state.burst || !mayLoseStrokes()) return;
  const { burst } = state.burst;
  const fields = {
    method: element("method").value,
    align: element("align").checked,
    moving: element("moving").checked,
    skip_bad: element("skip-bad").checked,
  };
  const job = await attempt(() => api.fuse(burst, fields));
  if (job) await follow(job.job);
}

async function follow(key) {
  const { burst } = state.burst;
  state.job = key;
  showParts();
  const isWanted = () => state.job === key && isOpen(burst);
  const job = await desk.follow(key, isWanted);
  if (!isWanted()) return; // another work has begun
  state.job = null;
  if (job?.state === "done") {
    const changed = await attempt(() => api.burst(burst));
    if (changed) await show(changed);
  }
  showParts();
}

async function cancel() {
  if (state.job) await attempt(() => api.cancel(state.job));
}

// --- painting

// Take a stroke of the brush from the chosen frame.
async function paint(stroke) {
  const points = thinned(stroke.points, stroke.radius);
  const fields = { action: "paint", frame: state.chosen, radius: stroke.radius, points };
  await retouchInTurn(state.burst.burst, fields);
  lightbox.forget([stroke]);
}

// Without points that lie closer than a tenth of the radius to the one before.
function thinned(points, radius) {
  let last = points[0];
  const apart = points.filter(([x, y]) => {
    const isFar = Math.hypot(x - last[0], y - last[1]) > radius / 10;
    if (isFar) last = [x, y];
    return isFar;
  });
  const line = [points[0], ...apart, points.at(-1)];
  const most = Math.ceil(line.length / (MOST_POINTS - 1));
  return line.filter((_, i) => i % most === 0 || i === line.length - 1);
}

// Ask for a change of the picture, and show what comes of it.
async function retouch(burst, fields) {
  const isWanted = () => isOpen(burst);
  if (!isWanted() || !state.burst.fused) return;
  const changed = await attempt(() => api.retouch(burst, fields), isWanted);
  if (!changed || !isWanted()) return;
  state.burst = changed;
  showParts();
  await showFused();
}

function setRadius() {
  lightbox.setRadius(Math.round(2 ** Number(element("brush").value)));
  element("brush-size").textContent = `${2 * lightbox.radius} px`;
}

function changeRadius(by) {
  element("brush").value = Number(element("brush").value) + by;
  setRadius();
}

const undo = (action) => state.burst.fused && retouchInTurn(state.burst.burst, { action });

function mayLoseStrokes() {
  const isSaved = state.burst?.fused?.is_saved ?? true;
  return isSaved || confirm("Continue without what you painted? Save the picture first to keep it.");
}

// --- parts of the page

function setMode(mode) {
  lightbox.setMode(mode);
  for (const one of document.querySelectorAll("[data-mode]")) {
    one.setAttribute("aria-pressed", one.dataset.mode === mode);
  }
  showParts();
}

function showWelcome(isShown) {
  element("welcome").hidden = !isShown;
  element("back").hidden = !state.burst || state.burst.frames.length === 0;
}

function showParts() {
  const { burst, frames = [], fused = null } = state.burst ?? {};
  const isBusy = state.job !== null;
  const chosen = frames[state.chosen];
  element("tools").hidden = frames.length === 0;
  element("add").disabled = isBusy || !start;
  element("remove").disabled = isBusy || frames.length === 0;
  element("fuse").disabled = isBusy || frames.length < 2;
  for (const one of document.querySelectorAll("[data-mode]")) one.disabled = !fused;
  element("facts").textContent = facts(frames);
  element("name").textContent = fused ? `${fused.name} · ${fused.width} × ${fused.height}` : "";
  document.title = fused ? `${fused.name} · seamwise` : "Fuse · seamwise";
  const isCompared = fused !== null && lightbox.mode === "compare";
  element("left-tag").hidden = !chosen || (fused && !isCompared);
  element("left-tag").textContent = chosen?.name ?? "";
  element("right-tag").hidden = !fused || lightbox.mode === "retouch";
  element("right-tag").textContent =
    lightbox.mode === "depth" ? `dark: ${frames[0]?.name}, bright: ${frames.at(-1)?.name}` : "fused";
  element("saving").hidden = !fused;
  element("retouching").hidden = !fused || lightbox.mode !== "retouch";
  element("undo").disabled = isBusy || !fused?.can_undo;
  element("redo").disabled = isBusy || !fused?.can_redo;
  element("source").textContent = chosen?.name ?? "";
  showNotes(fused?.notes ?? []);
  if (!fused) return;
  showFormats(fused);
  const suffix = element("format").value;
  element("quality-row").hidden = suffix !== ".jpg";
  element("save").href = api.fusedFile(burst, suffix, suffix === ".jpg" ? quality() : null);
  element("save-depth").href = api.depthFile(burst);
}

function facts(frames) {
  if (frames.length === 0) return "";
  const [{ width, height }] = frames;
  return `${frames.length} of ${width} × ${height}`;
}

function showNotes(notes) {
  const lines = notes.map((note) => {
    const line = document.createElement("p");
    line.className = "caution";
    line.textContent = note;
    return line;
  });
  element("notes").replaceChildren(...lines);
}

// Formats that can hold the picture; the first choice is that of the frames.
function showFormats({ suffix, bits }) {
  const formats = FORMATS.filter(([one]) => bits === 8 || one !== ".jpg");
  const select = element("format");
  if (select.dataset.bits !== String(bits)) {
    select.replaceChildren(...formats.map(([value, words]) => new Option(words, value)));
    select.dataset.bits = bits;
    const same = { ".jpeg": ".jpg", ".tiff": ".tif" }[suffix] ?? suffix;
    if (formats.some(([one]) => one === same)) select.value = same;
  }
  element("keeps").textContent =
    `${bits} bits a colour, with the camera's notes (EXIF) and the colour profile of the first frame.`;
}

// The quality of a JPEG from 1 to 100, as the field then says; null for the usual one.
function quality() {
  const field = element("quality");
  if (field.value) field.value = Math.min(Math.max(Math.round(Number(field.value)), 1), 100);
  return field.value || null;
}

function describeMethod() {
  element("method-words").textContent = start.methods[element("method").selectedIndex].words;
}

// --- buttons and keys

const actions = {
  "zoom-in": () => lightbox.zoom(1.5),
  "zoom-out": () => lightbox.zoom(1 / 1.5),
  fit: () => lightbox.fit(),
  left: () => lightbox.pan(60, 0),
  right: () => lightbox.pan(-60, 0),
  up: () => lightbox.pan(0, 60),
  down: () => lightbox.pan(0, -60),
  compare: () => state.burst.fused && setMode("compare"),
  fused: () => state.burst.fused && setMode("fused"),
  depth: () => state.burst.fused && setMode("depth"),
  retouch: () => state.burst.fused && setMode("retouch"),
  smaller: () => changeRadius(-0.5),
  larger: () => changeRadius(0.5),
  undo: () => undo("undo"),
  redo: () => undo("redo"),
  next: () => step(1),
  previous: () => step(-1),
  delete: removeChosen,
  none: () => showWelcome(false),
  help: () => element("keys").showModal(),
};

function act(action) {
  if (!(action in actions) || (action !== "help" && lightbox.isEmpty)) return;
  actions[action]();
}

function listen() {
  element("open").addEventListener("click", () => {
    state.isAdding = false;
    showWelcome(element("welcome").hidden);
  });
  element("add").addEventListener("click", () => {
    state.isAdding = state.burst !== null;
    showWelcome(true);
  });
  element("back").addEventListener("click", () => showWelcome(false));
  element("help").addEventListener("click", () => act("help"));
  element("remove").addEventListener("click", removeChosen);
  element("fuse").addEventListener("click", () => {
    complain("");
    fuse();
  });
  element("cancel").addEventListener("click", cancel);
  element("method").addEventListener("change", describeMethod);
  for (const id of ["format", "quality"]) element(id).addEventListener("input", showParts);
  element("brush").addEventListener("input", setRadius);
  element("undo").addEventListener("click", () => act("undo"));
  element("redo").addEventListener("click", () => act("redo"));
  element("save").addEventListener("click", () => {
    state.burst.fused.is_saved = true; // as the server counts it
  });
  addEventListener("beforeunload", (event) => {
    if (state.burst?.fused?.is_saved === false && !desk.isAtDoor) event.preventDefault();
  });
  for (const one of document.querySelectorAll("[data-action]")) {
    one.addEventListener("click", () => act(one.dataset.action));
  }
  listenForKeys([element("stage")], element("strip"), act);
  desk.listenForDoors();
}

function offerAll(places) {
  element("all-row").hidden = places.length < 2;
  element("all").textContent = `Take all ${places.length} images of this folder`;
  element("all").onclick = () => addFrames(places.map((place) => (key) => api.takeFrame(key, place)));
}

// An image of the folder is added to the burst: alone it would be none.
function takeOne(place) {
  state.isAdding = state.burst !== null;
  return addFrames([(key) => api.takeFrame(key, place)]);
}

async function restore() {
  const { key, isAsked } = desk.recall("fuse");
  if (!key) return;
  let burst;
  try {
    burst = await api.burst(key);
  } catch (error) {
    desk.remember("");
    if (isAsked) complain(error.message);
    return;
  }
  await show(burst);
  if (burst.job) await follow(burst.job);
}

async function begin() {
  start = await attempt(api.start);
  if (!start) return;
  element("method").replaceChildren(...start.methods.map(({ name }) => new Option(name, name)));
  describeMethod();
  listen();
  setRadius();
  const addFiles = (files) => addFrames(files.map((file) => (key) => api.dropFrame(key, file)));
  new Opening(desk.openingParts(), start, addFiles, takeOne, { onList: offerAll, hasPhotos: true });
  showParts();
  await restore();
}

begin();
