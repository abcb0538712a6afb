"""Training samples drawn from annotated images; see `Samples`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seamwise.engine.draws import ImageDraws
from seamwise.labels import measure_guides
from seamwise.segmentation.augment import (
    Augmentation,
    random_crop,
    random_guided_crop,
    vary_intensity,
)
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.transforms import TargetAndWeight
from seamwise.words import Sampling


class Samples(Dataset[tuple[torch.Tensor, ...]]):
    """Training samples step·batch_size + index, each a pure function of (seed, step, index).

    A step sees the same samples with any number of workers and after resuming. Losses with the same
    classes see the same samples. Losses with other classes see the same crops; only the touching
    contrast differs, since it needs the touching class.

    An image with a `weight` of 3 is drawn three times as often as one with 1; `sampling` is that of
    `engine.draws.ImageDraws`. With `is_guided` samples have guides too.
    """

    def __init__(
        self,
        images: Sequence[AnnotatedImage],
        *,
        seed: int,
        steps: int,
        batch_size: int,
        crop: tuple[int, ...],
        augmentation: Augmentation,
        transform: TargetAndWeight,
        sampling: Sampling = "random",
        is_guided: bool = False,
    ) -> None:
        self.images = images
        self.seed, self.steps, self.batch_size = seed, steps, batch_size
        self.crop, self.augmentation, self.transform = crop, augmentation, transform
        self._draws = ImageDraws([image.weight for image in images], sampling=sampling, seed=seed)
        self._guides = [measure_guides(image.labels) for image in images] if is_guided else None

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        """Return a sample.

        Image `(C, *crop)` and target `(*crop)`; guides `(1 + ndim, *crop)` if there are any; weight
        `(*crop)` if there is a map.
        """
        rng = np.random.default_rng((self.seed, *divmod(number, self.batch_size)))
        chosen = self._draws.draw(number, rng)
        source = self.images[chosen]
        spacing = source.relative_spacing
        options: dict[str, Any] = {"crop": self.crop, "settings": self.augmentation, "rng": rng}
        guides: list[NDArray[np.float32]] = []
        if self._guides is None:
            image, labels = random_crop(source.image, source.labels, spacing=spacing, **options)
        else:
            image, labels, *guides = random_guided_crop(
                source.image, source.labels, self._guides[chosen], spacing=spacing, **options
            )
        target, weight = self.transform(labels, spacing=spacing)
        image = vary_intensity(image, target, settings=self.augmentation, rng=rng, spacing=spacing)
        return tuple(
            torch.from_numpy(array)
            for array in (image, target, *guides, weight)
            if array is not None
        )
