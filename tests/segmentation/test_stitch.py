import numpy as np
import pytest
import torch

from seamwise.io.models import Architecture, DecodeRule, SegmentationInfo
from seamwise.labels import relabel
from seamwise.nets import UNet
from seamwise.segmentation import segment
from seamwise.segmentation.options import SegmentOptions
from seamwise.segmentation.predict import Model
from seamwise.segmentation.stitch import segment_slices, stitch
from support.labels import voronoi
from support.probabilities import same_up_to_numbers


def balls(shape, *centres_and_radii):
    """Label image of balls, each (z, y, x, radius)."""
    labels = np.zeros(shape, np.uint8)
    for number, (*centre, radius) in enumerate(centres_and_radii, start=1):
        where = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) - np.reshape(
            centre, (3, 1, 1, 1)
        )
        labels[(where**2).sum(0) <= radius**2] = number
    return labels


def shuffled(stack, rng):
    """The slices of a stack, each with numbers of its own."""
    for plane in stack:
        numbers = rng.permutation(np.arange(1, 60000))[: stack.max() + 1]
        yield np.where(plane > 0, numbers[plane], 0)


def stitch_slow(slices, iou):
    """Pair by pair: count pixels, find each one's best, number what has no partner."""
    slices = [np.asarray(plane) for plane in slices]
    result, count = np.zeros((len(slices), *slices[0].shape), int), 0
    for z, plane in enumerate(slices):
        ids = [i for i in np.unique(plane) if i > 0]
        before = [i for i in np.unique(slices[z - 1]) if i > 0] if z else []

        def overlap(a, b, z=z, plane=plane):
            one, other = slices[z - 1] == a, plane == b
            return (one & other).sum() / (one | other).sum()

        for b in ids:
            scores = [overlap(a, b) for a in before]
            a = before[int(np.argmax(scores))] if before else None
            partner = (
                a is not None
                and max(scores) >= iou
                and b == ids[int(np.argmax([overlap(a, c) for c in ids]))]
            )
            if partner:
                result[z][plane == b] = result[z - 1][slices[z - 1] == a][0]
            else:
                count += 1
                result[z][plane == b] = count
    return result


def test_a_pair_of_slices_written_out():
    below = np.array([[7, 7, 7, 7, 0, 3, 3, 0, 0, 5]])
    above = np.array([[1, 1, 1, 0, 0, 4, 4, 4, 4, 4]])
    # IoU of 7 and 1 is 3/4, of 3 and 4 is 2/5, of 5 and 4 is 1/5, so that 4 has a better partner
    # than 5
    assert stitch([below, above], iou=0.4).tolist() == [
        [[3, 3, 3, 3, 0, 1, 1, 0, 0, 2]],
        [[3, 3, 3, 0, 0, 1, 1, 1, 1, 1]],
    ]
    assert stitch([below, above], iou=0.41)[1].tolist() == [[3, 3, 3, 0, 0, 4, 4, 4, 4, 4]]


def test_the_lower_number_wins_a_tie():
    one, two = np.array([[9, 9, 9, 9]]), np.array([[8, 8, 2, 2]])
    assert stitch([one, two]).tolist() == [[[1, 1, 1, 1]], [[2, 2, 1, 1]]]
    assert stitch([two, one]).tolist() == [[[2, 2, 1, 1]], [[1, 1, 1, 1]]]


@pytest.mark.parametrize("iou", [0.05, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_loops(iou, seed):
    rng = np.random.default_rng(seed)
    base = np.maximum(voronoi((26, 30), 14, rng), 0)
    slices = [np.roll(base, rng.integers(-3, 4, 2), (0, 1)) for _ in range(5)]
    slices = [np.where(rng.random(base.shape) < 0.9, plane, 0) for plane in slices]
    slices = list(shuffled(np.stack(slices), rng))
    labels = stitch(slices, iou=iou)
    assert np.array_equal(labels, stitch_slow(slices, iou))
    # no slice loses or gains anything
    assert all(
        same_up_to_numbers(relabel(one), relabel(other))
        for one, other in zip(labels, slices, strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
def test_slices_of_separate_round_cells_give_them_back(seed):
    rng = np.random.default_rng(seed)
    places = np.stack(
        np.meshgrid(np.arange(6, 36, 12), np.arange(7, 40, 14), np.arange(7, 50, 14)), -1
    ).reshape(-1, 3)
    some = places[rng.random(len(places)) < 0.7]
    solid = balls(
        (36, 42, 50), *((*(place + rng.uniform(-1, 1, 3)), rng.uniform(2, 4.5)) for place in some)
    )
    labels = stitch(shuffled(solid, rng), iou=1e-6)
    assert labels.max() == len(some)
    assert same_up_to_numbers(labels, solid)


def test_a_ball_comes_back_whole_at_the_usual_threshold():
    solid = balls((18, 20, 24), (8.5, 10, 12, 8))
    assert len({int((plane > 0).sum()) for plane in solid}) > 4
    assert np.array_equal(stitch(solid), solid)


@pytest.mark.parametrize("shift", [2, 5])
def test_cells_over_each_other_stay_two_where_their_ends_differ(shift):
    solid = balls((20, 24, 30), (5, 10, 10, 4.5), (14, 10 + shift, 10, 4.5))
    assert np.array_equal(np.unique(solid[9]), [0, 1])
    assert np.array_equal(np.unique(solid[10]), [0, 2])
    assert np.array_equal(stitch(solid), solid)


def test_cells_straight_over_each_other_stay_two_if_a_slice_lies_between():
    apart, meeting = np.zeros((2, 5, 4, 4), int)
    apart[:2], apart[3:] = 1, 2
    meeting[:2], meeting[2:] = 1, 2
    assert np.array_equal(stitch(apart), apart)
    assert stitch(meeting).max() == 1  # the limit that is documented


def test_a_cell_that_is_missing_in_a_slice_is_cut():
    assert stitch(np.array([[[4, 4]], [[0, 0]], [[4, 4]]])).tolist() == [
        [[1, 1]],
        [[0, 0]],
        [[2, 2]],
    ]


def test_a_dividing_cell_goes_on_in_its_better_half():
    slices = np.array([[[1, 1, 1, 1, 1]], [[2, 2, 0, 1, 1]], [[3, 3, 0, 7, 7]]])
    assert stitch(slices).tolist() == [[[1, 1, 1, 1, 1]], [[2, 2, 0, 1, 1]], [[2, 2, 0, 1, 1]]]


def test_slices_are_read_one_at_a_time_and_left_alone():
    alive = []

    def slices():
        for z in range(4):
            alive.append(z)
            yield np.full((2, 3), 2**31 + z, np.uint32)

    assert (stitch(slices()) == 1).all()
    assert alive == [0, 1, 2, 3]
    given = np.array([[[5, 0]], [[5, 0]]], np.int16)
    stitch(given)
    assert given.tolist() == [[[5, 0]], [[5, 0]]]


def test_the_result_has_the_smallest_type():
    many = np.arange(300).reshape(15, 20)
    assert stitch([many, many]).dtype == np.uint16
    assert stitch([many]).max() == 299
    assert stitch(np.zeros((2, 3, 4), int)).dtype == np.uint8


@pytest.mark.parametrize(
    ("slices", "iou", "error", "word"),
    [
        ([], 0.5, ValueError, "slices is empty"),
        (
            [np.ones((2, 3), int), np.ones((3, 2), int)],
            0.5,
            ValueError,
            r"slice 1 must have the size \(2, 3\) .* not \(3, 2\)",
        ),
        (
            [np.ones((2, 3), int), np.full((2, 3), -1)],
            0.5,
            ValueError,
            "slice 1 must hold .* not -1",
        ),
        ([np.ones((2, 3))], 0.5, TypeError, "slice 0 must be integers"),
        ([np.ones((2, 3), int)], 0, ValueError, r"iou must be an IoU in \(0, 1\], not 0"),
        ([np.ones((2, 3), int)], 1.5, ValueError, "iou must be"),
        ([np.ones((2, 3), int)], np.nan, ValueError, "iou must be"),
    ],
)
def test_bad_slices_are_named(slices, iou, error, word):
    with pytest.raises(error, match=word) as caught:
        stitch(slices, iou=iou)
    assert "\n" not in str(caught.value)


class Bright(torch.nn.Module):
    """A network that calls a pixel cell where the first channel, normalised, is above a half."""

    ndim, multiple = 2, 1

    def forward(self, image):
        sign = 40 * (image[:, :1] - 0.5)
        return torch.cat([-sign, sign, torch.full_like(sign, -99), torch.full_like(sign, -99)], 1)


def model(net=None, *, channels=1, ndim=2, min_size=0):
    info = SegmentationInfo(
        architecture=Architecture(in_channels=channels, out_channels=4, ndim=ndim),
        classes=("background", "cell", "touching", "gap"),
        channels=tuple(f"channel {c}" for c in range(channels)),
        decode=DecodeRule(min_size=min_size),
    )
    network = net or Bright()
    return Model(lambda: network, info, "cpu", "float32")


@pytest.fixture
def scene():
    solid = balls((18, 48, 60), (8.5, 14, 14, 8), (6, 33, 40, 5.5))
    rng = np.random.default_rng(0)
    return solid, (1000 * (solid > 0) + rng.integers(0, 200, solid.shape)).astype(np.uint16)


def test_a_model_for_planes_finds_the_cells_of_a_stack(scene):
    solid, grey = scene
    labels = segment_slices(grey, model=model()).labels
    assert same_up_to_numbers(labels, solid)
    assert np.array_equal(segment_slices(grey[None], model=model()).labels, labels)


def test_all_slices_share_one_normalisation(scene):
    """Slices of noise alone have no cells, though by themselves they would."""
    solid, grey = scene
    assert not solid[17].any()
    assert segment(grey[17], model=model()).labels.any()
    assert not segment_slices(grey, model=model()).labels[17].any()


def test_a_slice_by_itself_is_segmented_as_by_segment(scene):
    torch.manual_seed(0)
    net = model(UNet(1, 4, width=4, depth=2).eval())
    plane = scene[1][8]
    assert segment(plane, model=net).labels.any()
    (labels,) = segment_slices(plane[None], model=net).labels
    assert np.array_equal(labels, segment(plane, model=net).labels)


def test_options_act_on_each_slice(scene):
    solid, grey = scene
    least = int((solid[8] == 1).sum())
    labels = segment_slices(grey, SegmentOptions(min_size=least), model=model()).labels
    assert np.array_equal(np.flatnonzero(labels.any((1, 2))), [7, 8, 9, 10])
    strict = SegmentOptions(mode="2d-stitch", stitch_iou=1.0)
    assert segment_slices(grey, strict, model=model()).labels.max() > 2


def test_constant_slices_have_no_cells_and_channels_come_first(scene):
    solid, grey = scene
    grey = np.where(solid.any((1, 2), keepdims=True), grey, 1100)  # as bright as cells
    two = np.stack([grey, grey[::-1]])
    assert same_up_to_numbers(segment_slices(two, model=model(channels=2)).labels, solid)


def test_a_constant_stack_has_no_cells():
    assert not segment_slices(np.full((3, 4, 5), 7), model=model()).labels.any()


@pytest.mark.parametrize(
    ("stack", "net", "word"),
    [
        (np.zeros((4, 5)), model(), r"stack must have axes ZYX.*\(4, 5\)"),
        (np.zeros((2, 3, 4, 5)), model(), r"expects 1 channel"),
        (np.full((3, 4, 5), np.nan), model(), "NaN"),
        (np.zeros((3, 0, 5)), model(), "empty"),
        (np.zeros((3, 4, 5)), model(ndim=3), "model must have 2 spatial axes, not 3: use segment"),
    ],
)
def test_bad_stacks_are_named(stack, net, word):
    with pytest.raises(ValueError, match=word):
        segment_slices(stack, model=net)
