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

const json = async (path, options) => (await ask(path, options)).json();

// pixels in 8, 16 or 32 bits, and what describes them
async function pixels(path, options) {
  const answer = await ask(path, options);
  const facts = JSON.parse(answer.headers.get("X-Seamwise-State"));
  const Kind = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array }[facts.bits];
  return { facts, pixels: new Kind(await answer.arrayBuffer()) };
}

export const start = () => json("start");
export const listFolder = (place) => json(`folder?place=${encodeURIComponent(place)}`);
export const upload = (file) =>
  json(`uploads?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
export const openFromFolder = (place) => json("pictures", withJson({ place }));
export const picture = (key) => json(`pictures/${key}`);
export const close = (key) => json(`pictures/${key}`, { method: "DELETE" });
export const channel = (key, number) => pixels(`pictures/${key}/channels/${number}`);
export const segment = (key, fields) => json(`pictures/${key}/segment`, withJson(fields));
export const job = (key) => json(`jobs/${key}`);
export const cancel = (key) => json(`jobs/${key}`, { method: "DELETE" });
export const labels = (key) => pixels(`pictures/${key}/labels`);
export const decode = (key, fields) => pixels(`pictures/${key}/decode`, withJson(fields));
export const edit = (key, action, revision, cells) =>
  pixels(`pictures/${key}/edit`, withJson({ action, revision, cells }));
export const table = (key) => json(`pictures/${key}/table`);
export const labelsFile = (key) => `api/pictures/${key}/labels.tif`;
export const tableFile = (key) => `api/pictures/${key}/cells.csv`;
