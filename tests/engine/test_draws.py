import numpy as np
import pytest

from seamwise.engine.draws import ImageDraws


def drawn(count, samples, **options):
    draws = ImageDraws([1.0] * count, **options)
    return [draws.draw(number, np.random.default_rng((0, number))) for number in range(samples)]


def test_an_epoch_has_each_image_once_in_an_order_of_its_own():
    numbers = drawn(7, 35, sampling="epochs", seed=3)
    epochs = [numbers[start : start + 7] for start in range(0, 35, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5
    assert drawn(7, 7, sampling="epochs", seed=4) != epochs[0]


def test_a_sample_is_drawn_alike_whatever_came_before():
    numbers = drawn(5, 20, sampling="epochs", seed=0)
    later = ImageDraws([1.0] * 5, sampling="epochs", seed=0)
    assert later.draw(17, np.random.default_rng(9)) == numbers[17]


def test_the_order_does_not_take_from_the_generator_of_the_sample():
    rng = np.random.default_rng(1)
    ImageDraws([1.0] * 5, sampling="epochs", seed=0).draw(2, rng)
    assert rng.random() == np.random.default_rng(1).random()


def test_at_random_some_images_come_twice_before_others_come_once():
    numbers = drawn(7, 700, sampling="random", seed=0)
    assert len(set(numbers[:7])) < 7
    counts = np.bincount(numbers, minlength=7)
    assert counts.min() > 60
    assert counts.max() < 140


def test_images_that_count_more_are_drawn_more_often():
    draws = ImageDraws([1.0, 3.0], sampling="random", seed=0)
    numbers = [draws.draw(n, np.random.default_rng((0, n))) for n in range(800)]
    assert 0.7 < np.mean(numbers) < 0.8
    with pytest.raises(ValueError, match="sampling must be random, not epochs, for images that"):
        ImageDraws([1.0, 3.0], sampling="epochs", seed=0)
