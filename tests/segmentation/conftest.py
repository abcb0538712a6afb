"""A tiny trained-looking world: synthetic images, annotated, and settings that run in a second."""

import pytest

from seamwise.io.models import NormalizationRule
from seamwise.segmentation import AnnotatedImage, TrainSettings
from seamwise.segmentation.normalization import normalization
from seamwise.synth import crowded_cells
from support.curves import no_curves


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


@pytest.fixture(scope="session")
def annotated():
    scenes = [crowded_cells((72, 80), cells=8, radius=7, rng=seed) for seed in range(3)]
    images = []
    for number, scene in enumerate(scenes):
        image = scene.image[None]
        images.append(
            AnnotatedImage(
                f"cells{number}",
                normalization(image, NormalizationRule())(image),
                scene.labels.astype("int32"),
            )
        )
    return images


@pytest.fixture(scope="session")
def quick():
    return TrainSettings(
        steps=4, batch_size=2, crop=48, width=2, depth=2, validate_every=2, gap_radius=3
    )
