// The buttons below the image: which are pressed, and which can be used.

export const button = (action) => document.querySelector(`[data-action="${action}"]`);
export const isPressed = (action) => button(action).getAttribute("aria-pressed") === "true";

export function press(action) {
  const isOn = !isPressed(action);
  button(action).setAttribute("aria-pressed", isOn);
  return isOn;
}

// While new cells are looked for, those that are there cannot be changed.
export function showTools({ chosen, cells }, isBusy) {
  const isFixed = isBusy || cells === null;
  button("delete").disabled = isFixed || chosen.size === 0;
  button("merge").disabled = isFixed || chosen.size < 2;
  button("split").disabled = button("draw").disabled = isFixed;
  button("undo").disabled = isFixed || !cells.can_undo;
  button("redo").disabled = isFixed || !cells.can_redo;
}
