"""Which image a training sample is of; see `ImageDraws`."""

from collections.abc import Sequence

import numpy as np

from seamwise.words import Sampling


class ImageDraws:
    """Number of the image that a sample is of, a pure function of its number and generator.

    Parameters
    ----------
    weights : sequence of float
        For each image, how often it is drawn compared with others; positive.
    sampling : {"random", "epochs"}
        "random": each sample draws any image, so that some come twice before others come once.
        "epochs": sampling without replacement. An epoch is as many samples as there are images,
        and has each of them once, in a random order of its own; a step may end one epoch and begin
        the next.
    seed : int
        Of the order within epochs.

    Raises
    ------
    ValueError
        The weights differ, and each image is to be drawn once.
    """

    def __init__(self, weights: Sequence[float], *, sampling: Sampling, seed: int) -> None:
        self.count, self.sampling, self.seed = len(weights), sampling, seed
        self._shares = None
        if len(set(weights)) > 1:
            if sampling == "epochs":
                raise ValueError(
                    "sampling must be random, not epochs, for images that count more than others: "
                    "corrected masks do, unless corrected_weight = 1"
                )
            self._shares = np.cumsum(np.array(weights, float) / np.sum(weights))

    def draw(self, number: int, rng: np.random.Generator) -> int:
        """Return the number of the image of sample `number`, which has the generator `rng`."""
        if self.sampling == "epochs":
            epoch, position = divmod(number, self.count)
            # the generators of samples have three numbers, and those that end in 0 seed alike
            order = np.random.default_rng((self.seed, epoch, 0, 1))
            return int(order.permutation(self.count)[position])
        if self._shares is None:
            return int(rng.integers(self.count))
        place = int(np.searchsorted(self._shares, rng.random(), side="right"))
        return min(place, self.count - 1)  # the shares sum to 1 up to rounding
