// What the user is asked before something is lost.

export function mayLoseCorrections(count) {
  const words = count === 1 ? "your correction" : `your ${count} corrections`;
  return count === 0 || confirm(`Continue without ${words}? Save the labels first to keep them.`);
}

// The cells of all of a large image are forgotten with it, also those that are looked for.
export function mayLoseAllCells({ picture, whole, job }) {
  const large = whole ?? picture;
  if (!large?.tiled) return true;
  const isAtWork = (whole ? whole.job : job) !== null;
  const { cells } = large.tiled;
  if (!isAtWork && (!cells || cells.is_saved)) return true;
  return confirm("Continue without the cells of the whole image? Save the labels first to keep them.");
}
