from dataclasses import replace

import numpy as np
import torch

from seamwise.labels import measure_guides
from seamwise.segmentation import Augmentation, Samples, TargetAndWeight
from seamwise.segmentation.augment import random_crop, random_guided_crop

STILL = Augmentation(
    rotate=0, mirror=False, scale=0, warp=0, gamma=0, brightness=0, noise=0, touching_contrast=0
)


def samples_of(images, **options):
    options = {"augmentation": Augmentation(), "steps": 200, **options}
    return Samples(
        images, seed=3, batch_size=4, crop=(16, 16), transform=TargetAndWeight(), **options
    )


def test_a_corrected_image_is_drawn_more_often(annotated):
    images = [replace(image, image=0 * image.image + k) for k, image in enumerate(annotated)]
    images[1] = replace(images[1], weight=3.0)
    samples = samples_of(images, augmentation=STILL)
    counts = np.bincount([int(samples[i][0][0, 0, 0]) for i in range(800)])
    assert abs(counts / 800 - np.array([0.2, 0.6, 0.2])).max() < 0.06


def test_equal_weights_change_no_sample(annotated):
    heavy = [replace(image, weight=3.0) for image in annotated]
    for number in range(5):
        pairs = zip(samples_of(annotated)[number], samples_of(heavy)[number], strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_guides_change_no_crop_and_stand_behind_the_target(annotated):
    plain, guided = samples_of(annotated)[7], samples_of(annotated, is_guided=True)[7]
    assert [part.shape for part in guided] == [(1, 16, 16), (16, 16), (3, 16, 16)]
    assert torch.equal(plain[0], guided[0])
    assert torch.equal(plain[1], guided[1])
    assert (guided[2][0] > 0).equal((guided[1] == 1) | (guided[1] == 2))


def guided_crop(image, settings, crop, seed=0, spacing=None):
    return random_guided_crop(
        image.image, image.labels, measure_guides(image.labels),
        crop=crop, settings=settings, rng=np.random.default_rng(seed), spacing=spacing,
    )  # fmt: skip


def test_an_unchanged_crop_has_the_guides_of_the_image(annotated):
    image = annotated[0]
    _, labels, guides = guided_crop(image, STILL, image.labels.shape)
    truth = measure_guides(image.labels)
    assert np.array_equal(guides[0], truth.relief)
    rows, columns = np.nonzero(labels)
    own = labels[rows, columns]
    place = np.stack([rows, columns], 1)
    ends = place + guides[1:, rows, columns].T * truth.radius[own][:, None]
    assert np.allclose(ends, truth.centre[own], atol=1e-4)


def test_offsets_turn_with_the_crop_and_do_not_grow_with_it(annotated):
    """All offsets of a cell end in one point, and its pixels agree about the radius."""
    image = annotated[0]
    settings = replace(STILL, rotate=180, mirror=True, scale=0.5)
    for seed in range(6):
        _, labels, guides = guided_crop(image, settings, (72, 80), seed)
        for number in np.unique(labels[labels > 0]):
            cell = labels == number
            if cell.sum() < 60:
                continue
            place = np.stack(np.nonzero(cell), 1)
            offsets = guides[1:, cell].T
            # p + R·o(p) is the centre for all p, so a straight line through (o, p) has slope −R
            slopes = [np.polyfit(offsets[:, k], place[:, k], 1)[0] for k in (0, 1)]
            assert slopes[0] < 0
            assert np.isclose(slopes[0], slopes[1], rtol=0.01)


def test_anisotropic_crops_keep_image_and_labels(annotated):
    image = annotated[0]
    settings = replace(STILL, rotate=90, scale=0.3)
    pixels, labels, guides = guided_crop(image, settings, (40, 30), spacing=(2.0, 1.0))
    plain = random_crop(
        image.image, image.labels,
        crop=(40, 30), settings=settings, rng=np.random.default_rng(0), spacing=(2.0, 1.0),
    )  # fmt: skip
    assert np.array_equal(pixels, plain[0])
    assert np.array_equal(labels, plain[1])
    assert guides.shape == (3, 40, 30)
    assert np.abs(guides[1:]).max() < 3
