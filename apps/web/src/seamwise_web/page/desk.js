// What the doors share: messages, the work that is done, and what a tab had open.

import * as api from "./api.js";

const PAUSE = 150; // milliseconds between two questions about the work

export const element = (id) => document.getElementById(id);

// --- messages

export function complain(words) {
  element("message-words").textContent = words;
  element("message").hidden = !words;
}

// Do something that may fail, and show why it did, if that still matters.
export async function attempt(action, isWanted = () => true) {
  try {
    return await action();
  } catch (error) {
    if (isWanted()) complain(error.message);
    if (error.status === undefined) console.error(error);
    return null;
  }
}

// --- the work

export function busy(words, share = null, canCancel = false) {
  element("work").hidden = false;
  element("cancel").hidden = !canCancel;
  element("stage-words").textContent = `${words}…`;
  if (share === null) element("progress").removeAttribute("value");
  else element("progress").value = share;
}

export function idle() {
  element("work").hidden = true;
}

/* Show how far a work is, until it ends; returns what became of it.

   Returns null if it is not wanted any more, or if the server does not answer. */
export async function follow(key, isWanted) {
  for (;;) {
    const job = await attempt(() => api.job(key), isWanted);
    if (!isWanted()) return null;
    if (!job || !["waiting", "running"].includes(job.state)) {
      idle();
      if (job?.state === "failed") complain(job.error);
      return job;
    }
    const waits = job.state === "waiting" && job.ahead > 0;
    busy(waits ? `waiting for ${job.ahead} other` : job.stage, job.share, true);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

// --- what this tab has open behind a door: in its address, and when it comes back from another one

let door = "";

export function remember(key) {
  history.replaceState(null, "", key ? `#${key}` : location.pathname);
  if (key) sessionStorage.setItem(door, key);
  else sessionStorage.removeItem(door);
}

// The key of what was open, and whether the user asked for it by its address.
export function recall(name) {
  door = name;
  const key = location.hash.slice(1);
  return { key: key || sessionStorage.getItem(door), isAsked: key !== "" };
}

export let isAtDoor = false; // a link to another door was clicked: the server keeps all

export function keepOpen() {
  isAtDoor = true;
}

export function listenForDoors() {
  for (const link of document.querySelectorAll("#doors a")) {
    link.addEventListener("click", keepOpen);
  }
  element("message-close").addEventListener("click", () => complain(""));
}

// --- the title

export function entitle({ name, note }, size) {
  element("name").textContent = `${name} · ${size}`;
  element("name").title = name;
  element("note").textContent = note;
  document.title = `${name} · seamwise`;
}

// --- files

const PARTS = ["folder", "folder-name", "crumbs", "entries", "folder-note", "file", "choose"];

// The elements of the card that images are opened with.
export const openingParts = () =>
  Object.fromEntries(PARTS.map((id) => [id.replace("folder-", ""), element(id)]));

const inOrder = new Intl.Collator(undefined, { numeric: true }); // x2 before x10

export const byName = (names, nameOf = (one) => one) =>
  [...names].sort((one, other) => inOrder.compare(nameOf(one), nameOf(other)));
