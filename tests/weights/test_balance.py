import numpy as np
import pytest

from seamwise.weights import balance, class_weights

LABELS = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, -1]])
TARGET = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 0, 0]])


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        ("rarest", [1 / 7, 1 / 3, 1]),
        ("frequency", [11 / 7, 11 / 3, 11]),
        ("count", [1 / 7, 1 / 3, 1]),
    ],
)
def test_seven_three_and_one_pixel_written_out(words, weights):
    b0, b1, b2 = weights
    expected = [[b0] * 6, [b1, b1, b1, b2, b0, 0]]
    np.testing.assert_allclose(balance(LABELS, TARGET, balance=words), expected, rtol=1e-6)


def test_rarest_and_printed_weights_differ_by_the_rarest_count():
    assert class_weights([1000, 50, 20]).tolist() == [0.02, 0.4, 1]
    assert class_weights([1000, 50, 20], "count").tolist() == [0.001, 0.02, 0.05]
    assert class_weights([1000, 50, 20], "frequency").tolist() == [1.07, 21.4, 53.5]


def test_absent_classes_weigh_nothing_and_are_not_the_rarest():
    assert class_weights([30, 0, 10, 0]).tolist() == [1 / 3, 0, 1, 0]
    assert class_weights([0, 0]).tolist() == [0, 0]
    assert balance(LABELS, TARGET, counts=[10, 5, 0]).tolist()[1][2:4] == [1, 0]


def test_counts_have_a_number_for_every_class_of_the_target():
    for wrong in ([10, 5], [1, 2, 3, 4, 5], []):
        with pytest.raises(
            ValueError,
            match=f"counts must have a number for each class, 3 to 4 of them, not {len(wrong)}",
        ):
            balance(LABELS, TARGET, counts=wrong)


def test_counts_are_one_number_per_class():
    for wrong in ([[1, 2]], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="counts must be one number of pixels per class"):
            class_weights(wrong)
