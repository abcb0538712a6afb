// The Compare door: two label images of one field, and where they differ.

import * as api from "./api.js";
import { Contrast } from "./contrast.js";
import * as desk from "./desk.js";
import { attempt, busy, complain, element, idle } from "./desk.js";
import { listenForKeys } from "./keys.js";
import { Opening } from "./opening.js";
import { Position } from "./position.js";
import { inTurn, latest } from "./sliders.js";
import { KIND_COLOURS, Twin } from "./twin.js";

const SIDES = ["true", "pred"];
const FROM_SEGMENT = "cells=";
const IOUS = [0.5, 0.6, 0.7, 0.8, 0.9];
const NO_IMAGE = { bits: 8, low: 0, high: 255 };

// words, what it means, kinds of true and of predicted cells
const ROWS = [
  ["Correct", "They have a partner.", "correct", "partners"],
  ["Missed", "Nothing was predicted there.", "missed", null],
  ["Invented", "No true cell is there.", null, "invented"],
  ["Merged", "True cells that share a predicted one, which may match one of them.", "merged", "merges"],
  ["Split", "True cells in several pieces, one of which may match.", "split", "pieces"],
  ["Inexact", "Seen, but the outline is wrong.", "inexact", "near_misses"],
];

const state = { true: null, pred: null, image: null, result: null, shown: null, slot: "true", at: -1, contrastOf: null };
const twins = Object.fromEntries(
  SIDES.map((side) => {
    const parts = ["stage", "base", "overlay"].map((part) => element(`${side}-${part}`));
    return [side, new Twin(...parts)];
  }),
);
const both = Object.values(twins);
const contrast = new Contrast(element("low"), element("high"), (...ends) => {
  for (const twin of both) twin.setContrast(...ends);
});

const position = new Position(latest(showPlane));
const inLine = inTurn((ask) => ask()); // what is asked last is shown last

// --- opening

const senders = {
  true: { file: api.dropLabels, place: api.takeLabels },
  pred: { file: api.dropLabels, place: api.takeLabels },
  image: { file: api.upload, place: api.openFromFolder },
};

const hasManyPlanes = ({ times, tiled }) => times > 1 || Boolean(tiled);

// Put files or places into the slots, beginning with the one that is chosen.
const fill = inTurn(async (way, items) => {
  complain("");
  for (const item of items) {
    const { slot } = state;
    busy("opening");
    const opened = await attempt(() => senders[slot][way](item));
    idle();
    if (!opened) return;
    if (slot === "image" && hasManyPlanes(opened)) {
      api.close(opened.picture).catch(() => {});
      complain(`${opened.name} has several planes, or is too large: choose a plane or a stack.`);
      return;
    }
    state[slot] = opened;
    setSlot(nextSlot());
  }
  if (state.true && state.pred) await inLine(show);
});

const nextSlot = () => [...SIDES, "image"].find((slot) => !state[slot]) ?? state.slot;

function setSlot(slot) {
  state.slot = slot;
  for (const one of document.querySelectorAll("[data-slot]")) {
    const { slot: name } = one.dataset;
    one.setAttribute("aria-checked", name === slot);
    one.querySelector("span").textContent =
      state[name]?.name ?? (name === "image" ? "not needed" : "not open yet");
  }
}

// Show both label images, over the image if there is one.
async function show() {
  const open = { true: state.true, pred: state.pred };
  const isWanted = () => SIDES.every((side) => state[side] === open[side]);
  const { width, height, slices } = open.true;
  const result = await attempt(compare, isWanted);
  if (!result || !isWanted()) return;
  desk.remember([open.true.labels, open.pred.labels, state.image?.picture ?? ""].join("."));
  const isSame = both[0].width === width && both[0].height === height;
  for (const side of SIDES) if (!isSame) twins[side].open(width, height);
  const hasSlices = position.counts.z === Math.max(slices, 1);
  if (!hasSlices) position.open({ slices, times: 1 });
  state.shown = open;
  state.result = result;
  checkImage();
  state.contrastOf = null;
  await showPlane();
  takeResult(result);
  showWelcome(false);
}

// Show a slice of both label images and of the image.
async function showPlane() {
  const { shown, image } = state;
  const { place } = position;
  const isWanted = () => state.shown === shown && state.image === image && position.is(place);
  const { width, height } = shown.true;
  const nothing = { pixels: new Uint8Array(width * height), facts: NO_IMAGE };
  const loaded = await attempt(
    () =>
      Promise.all([
        image ? api.channel(image.picture, image.first_channel, place) : nothing,
        ...SIDES.map((side) => api.labelPixels(shown[side].labels, place)),
      ]),
    isWanted,
  );
  if (!loaded || !isWanted()) return;
  const [{ pixels, facts }, ...labels] = loaded;
  for (const [i, side] of SIDES.entries()) {
    twins[side].setLabels(labels[i].pixels, labels[i].facts.largest);
    twins[side].setKinds(state.result.kinds[side]);
    twins[side].setChannel(pixels, facts.bits);
  }
  if (state.contrastOf === (image ?? nothing.facts)) contrast.tell();
  else contrast.show(facts);
  state.contrastOf = image ?? nothing.facts;
}

// Close an image that does not lie on the label images.
function checkImage() {
  const { image } = state;
  const isSame = (axis) => image[axis] === state.true[axis];
  if (image && !["width", "height", "slices"].every(isSame)) {
    complain(`${image.name} has another size than the label images, so it is not shown.`);
    state.image = null;
    setSlot(state.slot);
  }
  for (const id of ["low-row", "high-row"]) element(id).hidden = state.image === null;
  element("contrast").hidden = state.image === null && state.true.slices < 2;
}

// --- comparing

const compare = () =>
  api.compare({
    true: state.true.labels,
    pred: state.pred.labels,
    iou: Number(element("iou").value),
  });

// Compare the labels that are shown at the IoU that is chosen by then.
async function compareAgain() {
  if (!SIDES.every((side) => state[side] === state.shown?.[side])) return; // they are about to be
  const result = await attempt(compare);
  if (result) takeResult(result);
}

function takeResult(result) {
  state.result = result;
  for (const side of SIDES) twins[side].setKinds(result.kinds[side]);
  showKinds();
  showScores();
  stepTo(-1);
  showParts();
}

async function swap() {
  [state.true, state.pred] = [state.pred, state.true];
  setSlot(state.slot);
  await inLine(show);
}

// --- errors

function stepTo(at) {
  const { errors } = state.result;
  state.at = at;
  const error = errors[at];
  for (const twin of both) twin.setBox(error?.box ?? null);
  if (error) position.go("z", error.z);
  const count = errors.length === 1 ? "1 error" : `${errors.length} errors`;
  element("step").textContent = error ? `${wordsOf(error)} · ${at + 1} of ${count}` : firstWords(count);
  for (const row of document.querySelectorAll("#kinds tbody tr")) {
    row.classList.toggle("chosen", error !== undefined && row.dataset.kind === error.kind);
  }
  if (!error) return;
  const [top, left, bottom, right] = error.box;
  twins.true.show((left + right) / 2, (top + bottom) / 2);
}

const firstWords = (count) =>
  state.result.errors.length ? `${count}. N leads to the next one.` : "All cells are correct.";

function wordsOf({ kind, side, id }) {
  const [words] = ROWS.find((row) => row.includes(kind));
  return `${words}: ${side === "true" ? "true" : "predicted"} cell ${id}`;
}

// Go to the next error, of one kind if it is named.
function step(by, kind = null) {
  const { errors } = state.result;
  const count = errors.length;
  const from = state.at < 0 && by < 0 ? 0 : state.at;
  for (let i = 1; i <= count; i += 1) {
    const at = (((from + i * by) % count) + count) % count;
    if (kind === null || errors[at].kind === kind) {
      stepTo(at);
      return;
    }
  }
}

// --- parts of the page

function showKinds() {
  const { counts } = state.result;
  const rows = ROWS.map(([words, help, ofTrue, ofPred]) => {
    const row = document.createElement("tr");
    const kind = ofTrue ?? ofPred;
    row.dataset.kind = kind;
    row.title = help;
    const head = document.createElement("th");
    head.scope = "row";
    head.append(...nameOf(words, kind, counts[kind]));
    row.append(head, cell(ofTrue ? counts[ofTrue] : ""), cell(ofPred ? counts[ofPred] : ""));
    return row;
  });
  const sum = document.createElement("tr");
  sum.className = "sum";
  const head = document.createElement("th");
  head.textContent = "All";
  sum.append(head, cell(counts.true), cell(counts.pred));
  element("kinds").tBodies[0].replaceChildren(...rows, sum);
}

// The colour of a kind, and its name: a button if there are such errors.
function nameOf(words, kind, count) {
  const swatch = document.createElement("span");
  swatch.className = "swatch square";
  const colour = KIND_COLOURS[kind];
  if (colour) swatch.style.background = `rgb(${colour})`;
  const isButton = colour && count > 0;
  const name = document.createElement(isButton ? "button" : "span");
  name.textContent = words;
  if (isButton) {
    name.type = "button";
    name.className = "link";
    name.addEventListener("click", () => step(1, kind));
  }
  return [swatch, name];
}

function cell(value) {
  const one = document.createElement("td");
  one.textContent = value;
  return one;
}

function showScores() {
  const { scores, mean_ap: mean } = state.result;
  const shown = scores.filter(({ iou }) => IOUS.includes(iou));
  const rows = shown.map(({ iou, ap, f1, pq }) => row(iou.toFixed(1), [ap, f1, pq]));
  element("scores").tBodies[0].replaceChildren(...rows, row("0.5 to 0.95, mean", [mean]));
}

function row(name, values) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  line.append(head, ...values.map((value) => cell(value.toFixed(3))));
  return line;
}

function showWelcome(isShown) {
  element("welcome").hidden = !isShown && state.result !== null;
  element("back").hidden = state.result === null;
}

function showParts() {
  const { result } = state;
  for (const id of ["tools", "kinds-part", "scores-part", "true-tag", "pred-tag"]) {
    element(id).hidden = result === null;
  }
  element("hint").hidden = result !== null;
  if (!result) return;
  element("true-tag").textContent = `true: ${state.true.name}`;
  element("pred-tag").textContent = `predicted: ${state.pred.name}`;
  element("name").textContent = `${state.true.width} × ${state.true.height}`;
  document.title = `${state.pred.name} · Compare · seamwise`;
  for (const action of ["next", "previous"]) {
    document.querySelector(`[data-action=${action}]`).disabled = result.errors.length === 0;
  }
}

// --- buttons and keys

const actions = {
  "zoom-in": () => twins.true.zoom(1.5),
  "zoom-out": () => twins.true.zoom(1 / 1.5),
  fit: () => twins.true.fit(),
  left: () => twins.true.pan(60, 0),
  right: () => twins.true.pan(-60, 0),
  up: () => twins.true.pan(0, 60),
  down: () => twins.true.pan(0, -60),
  outlines: toggleOutlines,
  "slice-back": () => position.step("z", -1),
  "slice-on": () => position.step("z", 1),
  next: () => state.result.errors.length && step(1),
  previous: () => state.result.errors.length && step(-1),
  none: () => (element("welcome").hidden ? stepTo(-1) : showWelcome(false)),
  help: () => element("keys").showModal(),
};

function toggleOutlines() {
  const button = document.querySelector("[data-action=outlines]");
  const isOn = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", isOn);
  for (const twin of both) twin.setOutlines(isOn);
}

function act(action) {
  if (!(action in actions) || (action !== "help" && !state.result)) return;
  actions[action]();
}

function listen() {
  twins.true.onMove = (twin) => twins.pred.follow(twin);
  twins.pred.onMove = (twin) => twins.true.follow(twin);
  element("open").addEventListener("click", () => showWelcome(element("welcome").hidden));
  element("back").addEventListener("click", () => showWelcome(false));
  element("help").addEventListener("click", () => act("help"));
  element("swap").addEventListener("click", swap);
  element("iou").append(...IOUS.map((iou) => new Option(iou.toFixed(1), iou)));
  element("iou").addEventListener("change", () => inLine(compareAgain));
  for (const one of document.querySelectorAll("[data-slot]")) {
    one.addEventListener("click", () => setSlot(one.dataset.slot));
  }
  for (const one of document.querySelectorAll("[data-action]")) {
    one.addEventListener("click", () => act(one.dataset.action));
  }
  listenForKeys([element("true-stage"), element("pred-stage")], null, act);
  desk.listenForDoors();
}

async function restore() {
  const { key, isAsked } = desk.recall("compare");
  if (!key) return;
  if (key.startsWith(FROM_SEGMENT)) {
    await takeCells(key.slice(FROM_SEGMENT.length));
    return;
  }
  const [ofTrue, ofPred, image] = key.split(".");
  try {
    [state.true, state.pred] = await Promise.all([ofTrue, ofPred].map(api.labelSet));
    state.image = image ? await api.picture(image) : null;
  } catch (error) {
    Object.assign(state, { true: null, pred: null });
    desk.remember("");
    if (isAsked) complain(error.message);
    return;
  }
  setSlot("true");
  await inLine(show);
}

// The Segment door sent its cells: they are the predicted ones, over their image.
async function takeCells(key) {
  desk.remember("");
  const [picture, time, z] = key.split(".");
  const place = { time: Number(time), z: Number(z) };
  const opened = await attempt(() =>
    Promise.all([api.cellsAsLabels(picture, place), api.picture(picture)]),
  );
  if (!opened) return;
  const [pred, image] = opened;
  state.pred = pred;
  const hasPlane = pred.slices === image.slices && image.times === 1;
  state.image = hasPlane ? image : null;
  setSlot("true");
}

async function begin() {
  const start = await attempt(api.start);
  if (!start) return;
  listen();
  setSlot("true");
  new Opening(desk.openingParts(), start, (files) => fill("file", files), (place) => fill("place", [place]));
  await restore();
}

begin();
