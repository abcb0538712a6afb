// Which key does what.

const KEYS = {
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  0: "fit",
  o: "outlines",
  n: "next",
  p: "previous",
  m: "merge",
  s: "split",
  c: "draw",
  ",": "slice-back",
  ".": "slice-on",
  "<": "time-back",
  ">": "time-on",
  b: "compare",
  f: "fused",
  d: "depth",
  r: "retouch",
  "[": "smaller",
  "]": "larger",
  Delete: "delete",
  Backspace: "delete",
  Escape: "none",
  "?": "help",
};
const ON_IMAGE = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const ON_LIST = {
  ArrowUp: "previous",
  ArrowLeft: "previous",
  ArrowDown: "next",
  ArrowRight: "next",
};

const isField = (target) => target.matches("select, textarea, input:not([type=range])");

// `stages` are moved by arrow keys; in `list`, if there is one, they lead from item to item.
export function listenForKeys(stages, list, act) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const action = actionOf(event, stages, list);
    if (!action) return;
    event.preventDefault();
    act(action);
  });
}

function actionOf(event, stages, list) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey) {
    const letter = key.toLowerCase();
    if (letter === "y" || (letter === "z" && event.shiftKey)) return "redo";
    return letter === "z" ? "undo" : null;
  }
  if (event.altKey || isField(target)) return null;
  if (stages.includes(target) && ON_IMAGE[key]) return ON_IMAGE[key];
  if (list?.contains(target) && ON_LIST[key]) return ON_LIST[key];
  return KEYS[key.length === 1 ? key.toLowerCase() : key] ?? null;
}
