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
  Delete: "delete",
  Backspace: "delete",
  Escape: "none",
  "?": "help",
};
const ON_IMAGE = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const ON_TABLE = { ArrowUp: "previous", ArrowDown: "next" };

const isField = (target) => target.matches("select, textarea, input:not([type=range])");

export function listenForKeys(stage, table, act) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const action = actionOf(event, stage, table);
    if (!action) return;
    event.preventDefault();
    act(action);
  });
}

function actionOf(event, stage, table) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey) {
    const letter = key.toLowerCase();
    if (letter === "y" || (letter === "z" && event.shiftKey)) return "redo";
    return letter === "z" ? "undo" : null;
  }
  if (event.altKey || isField(target)) return null;
  if (target === stage && ON_IMAGE[key]) return ON_IMAGE[key];
  if (table.contains(target) && ON_TABLE[key]) return ON_TABLE[key];
  return KEYS[key.length === 1 ? key.toLowerCase() : key] ?? null;
}
