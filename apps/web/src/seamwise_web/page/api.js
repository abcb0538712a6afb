// What the page asks the server for. The token is in the address, so that relative paths suffice.

const LOST = "The server does not answer. Is seamwise still running in the terminal?";

export class ServerError extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`api/${path}`, options);
  } catch {
    throw new ServerError(LOST, 0);
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let words = text;
  try {
    words = JSON.parse(text).error;
  } catch {
    // a plain text
  }
  throw new ServerError(words || `The server answered ${answer.status}.`, answer.status);
}

function withJson(fields) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  };
}

// a plane; by default the first one
const at = ({ time, z } = { time: 0, z: 0 }) => `time=${time}&z=${z}`;
const named = (name) => `name=${encodeURIComponent(name)}`;
const json = async (path, options) => (await ask(path, options)).json();

// pixels in 8, 16 or 32 bits, and what describes them
async function pixels(path, options) {
  const answer = await ask(path, options);
  const facts = JSON.parse(answer.headers.get("X-Seamwise-State"));
  const Kind = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array }[facts.bits];
  return { facts, pixels: new Kind(await answer.arrayBuffer()) };
}

// a picture to draw
const bitmap = async (path) => createImageBitmap(await (await ask(path)).blob());

export const start = () => json("start");
export const listFolder = (place, hasPhotos = false) =>
  json(`folder?place=${encodeURIComponent(place)}${hasPhotos ? "&photos=1" : ""}`);
export const upload = (file, axes = "") =>
  json(`uploads?${named(file.name)}&axes=${axes}`, { method: "POST", body: file });
export const openFromFolder = (place, axes = "") => json("pictures", withJson({ place, axes }));
export const setSpacing = (key, fields) => json(`pictures/${key}/spacing`, withJson(fields));
export const picture = (key) => json(`pictures/${key}`);
export const close = (key) => json(`pictures/${key}`, { method: "DELETE" });
export const channel = (key, number, place) =>
  pixels(`pictures/${key}/channels/${number}?${at(place)}`);
export const segment = (key, place, fields) =>
  json(`pictures/${key}/segment?${at(place)}`, withJson(fields));
export const tile = (key, { channel, place }, numbers) =>
  pixels(`tiled/${key}/tiles/${channel}/${numbers.join("/")}?${at(place)}`);
export const cellTile = (key, { place }, numbers) =>
  pixels(`tiled/${key}/cells/${numbers.join("/")}?${at(place)}`);
export const segmentWhole = (key, fields) => json(`tiled/${key}/segment`, withJson(fields));
export const wholeFile = (key, name) => `api/tiled/${key}/${name}`;
export const takePart = (key, place, box) =>
  json(`tiled/${key}/parts?${at(place)}`, withJson(box));
export const job = (key) => json(`jobs/${key}`);
export const cancel = (key) => json(`jobs/${key}`, { method: "DELETE" });
export const labels = (key, place) => pixels(`pictures/${key}/labels?${at(place)}`);
export const decode = (key, place, fields) =>
  pixels(`pictures/${key}/decode?${at(place)}`, withJson(fields));
export const edit = (key, place, fields) =>
  pixels(`pictures/${key}/edit?${at(place)}`, withJson(fields));
export const table = (key, place) => json(`pictures/${key}/table?${at(place)}`);
export const cellsFile = (key, place, name) => `api/pictures/${key}/${name}?${at(place)}`;

const burstPath = (key) => `bursts/${key}`;
const framePath = (key, number) => `bursts/${key}/frames/${number}`;
export const openBurst = () => json("bursts", { method: "POST" });
export const burst = (key) => json(burstPath(key));
export const closeBurst = (key) => json(burstPath(key), { method: "DELETE" });
export const dropFrame = (key, file) =>
  json(`bursts/${key}/frames?${named(file.name)}`, { method: "POST", body: file });
export const takeFrame = (key, place) => json(`bursts/${key}/places`, withJson({ place }));
export const removeFrame = (key, number) => json(framePath(key, number), { method: "DELETE" });
export const smallFrame = (key, number) => `api/${framePath(key, number)}/small.jpg`;
export const frame = (key, number) => bitmap(`${framePath(key, number)}/shown.jpg`);
export const fuse = (key, fields) => json(`bursts/${key}/fuse`, withJson(fields));
export const retouch = (key, fields) => json(`bursts/${key}/retouch`, withJson(fields));
export const fused = (key) => bitmap(`bursts/${key}/shown.jpg`);
export const depth = (key) => bitmap(`bursts/${key}/depth.png`);
export const fusedFile = (key, suffix, quality) =>
  `api/bursts/${key}/picture${suffix}${quality ? `?quality=${quality}` : ""}`;
export const depthFile = (key) => `api/bursts/${key}/depth.png`;

const labelsPath = (key) => `labels/${key}`;
export const dropLabels = (file) =>
  json(`labels?${named(file.name)}`, { method: "POST", body: file });
export const takeLabels = (place) => json("labels/places", withJson({ place }));
export const labelSet = (key) => json(labelsPath(key));
export const closeLabels = (key) => json(labelsPath(key), { method: "DELETE" });
export const labelPixels = (key, place) => pixels(`${labelsPath(key)}/pixels?${at(place)}`);
export const cellsAsLabels = (picture, place) =>
  json(`labels/pictures?${at(place)}`, withJson({ picture }));
export const compare = (fields) => json("comparisons", withJson(fields));

const trainingPath = (key) => `trainings/${key}`;
export const openTraining = () => json("trainings", { method: "POST" });
export const training = (key) => json(trainingPath(key));
export const addToTraining = (key, picture, place) =>
  json(`trainings/${key}/pictures?${at(place)}`, withJson({ picture }));
export const train = (key, fields) => json(`trainings/${key}/train`, withJson(fields));
export const modelFile = (key) => `api/trainings/${key}/model.safetensors`;
