import json
from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from skimage.data import astronaut, camera

from seamwise.fusion.classical import cnn
from seamwise.fusion.classical.guided_filter import guided_filter
from seamwise.nets import Siamese
from seamwise.synth.focus import focus_pair

# the package's attribute of this name is the function
module = import_module("seamwise.fusion.classical.cnn")
CPU = torch.device("cpu")


def halves(image, **options):
    """The pair whose first picture is sharp in its left half."""
    left = np.zeros(image.shape[:2])
    left[:, : image.shape[1] // 2] = 1
    pair = focus_pair(image, left, sigma=2.5, **options)
    return pair.b, pair.a, pair.truth


@pytest.fixture
def pair():
    return halves(camera()[100:260, 150:350])


def focus_map_slow(focus, shape):
    total, number = np.zeros(shape), np.zeros(shape)
    for i, j in np.ndindex(focus.shape):
        total[2 * i : 2 * i + 16, 2 * j : 2 * j + 16] += focus[i, j]
        number[2 * i : 2 * i + 16, 2 * j : 2 * j + 16] += 1
    return total / number


@pytest.mark.parametrize(
    "image", [camera()[100:260, 150:350], astronaut()[0:161, 150:353]], ids=["grey", "colour"]
)
@pytest.mark.parametrize("edges", ["hard", "matte"])
def test_two_sharp_halves_are_joined(image, edges):
    a, b, truth = halves(image, edges=edges)
    fused = cnn([a, b], device="cpu")
    assert fused.image.shape == truth.shape
    assert (fused.image.dtype, fused.depth.dtype) == (np.float32, np.uint8)
    seam = image.shape[1] // 2
    assert not fused.depth[:, : seam - 8].any()
    assert fused.depth[:, seam + 8 :].all()
    # weights are exactly 1 and 0 beyond the reach of patches and guided filter
    np.testing.assert_array_equal(fused.image[:, : seam - 30], truth[:, : seam - 30])
    np.testing.assert_array_equal(fused.image[:, seam + 30 :], truth[:, seam + 30 :])


def test_two_frames_may_be_swapped(pair):
    a, b, _ = pair
    one, other = cnn([a, b], device="cpu"), cnn([b, a], device="cpu")
    np.testing.assert_array_equal(one.image, other.image)
    assert (one.depth != other.depth).all()


def test_equal_frames_stay_as_they_are(pair):
    fused = cnn([pair[2], pair[2]], device="cpu")
    np.testing.assert_array_equal(fused.image, pair[2])
    assert not fused.depth.any()


def test_a_burst_is_fused_one_after_the_other(pair):
    truth = pair[2]
    thirds = np.arange(truth.shape[1]) * 3 // truth.shape[1]
    burst = [
        focus_pair(truth, np.tile(thirds != n, (len(truth), 1)), sigma=2.5).a for n in range(3)
    ]
    fused = cnn(burst, device="cpu")
    for n, x in enumerate([10, 100, 190]):
        assert (fused.depth[:, x] == n).all()
        np.testing.assert_array_equal(fused.image[:, x], truth[:, x])


@pytest.mark.parametrize("shape", [(17, 33), (16, 16), (5, 1), (1, 40, 3)])
def test_any_size_and_a_picture_without_detail(shape):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, *shape), np.float32)
    fused = cnn([a, b], device="cpu")
    assert fused.image.shape == shape
    assert fused.depth.shape == shape[:2]
    assert (
        (fused.image >= np.minimum(a, b) - 1e-6) & (fused.image <= np.maximum(a, b) + 1e-6)
    ).all()
    flat = np.full(shape, 0.3, np.float32)
    np.testing.assert_allclose(cnn([flat, flat], device="cpu").image, 0.3)


@pytest.mark.parametrize("tile", [4, 9])
def test_tiles_change_nothing(pair, tile):
    net = module.load_siamese(module.WEIGHTS, CPU)
    exact = Siamese().requires_grad_(False)
    exact.load_state_dict(net.state_dict())
    a, b = (frame[40:80, 80:126] for frame in pair[:2])
    whole = module.patch_logits(a, b, exact)
    assert whole.shape == (13, 16)
    np.testing.assert_allclose(module.patch_logits(a, b, exact, tile=tile), whole, atol=1e-4)


def test_patch_logits_are_the_networks(pair):
    a, b = (frame[:40, 80:126] for frame in pair[:2])
    torch.manual_seed(1)
    net = Siamese().requires_grad_(False)
    expected = net(*(torch.from_numpy(frame)[None, None] for frame in (a, b)))[0, 0]
    np.testing.assert_allclose(module.patch_logits(a, b, net), expected, atol=1e-6)


@pytest.mark.parametrize("patches", [(1, 1), (1, 3), (9, 4), (12, 20)])
def test_the_focus_map_is_the_mean_over_the_patches(patches):
    focus = np.random.default_rng(0).uniform(-1, 1, patches)
    shape = tuple(2 * count + 14 for count in patches)
    expected = focus_map_slow(focus, shape)
    np.testing.assert_allclose(module.focus_map(focus, shape), expected, atol=1e-6)
    odd = (shape[0] - 1, shape[1] - 1)
    np.testing.assert_array_equal(
        module.focus_map(focus, odd), module.focus_map(focus, shape)[:-1, :-1]
    )


def test_regions_below_1_percent_are_turned_over():
    focus = np.full((20, 30), 0.7)  # 1 % are 6 pixels
    focus[2, 2:7] = -0.1
    focus[10:12, 2:5] = -0.1
    expected = np.ones((20, 30))
    expected[10:12, 2:5] = -1
    np.testing.assert_array_equal(module.verify(focus), expected)
    np.testing.assert_array_equal(module.verify(-focus), -expected)


def test_pixels_that_touch_at_a_corner_are_one_region():
    focus = np.ones((20, 30))
    focus[range(6), range(6)] = -1
    assert (module.verify(focus) == np.where(focus > 0, 1, -1)).all()


def test_a_small_region_within_another_is_averaged_over_both_orders():
    focus = np.ones((30, 30))  # 1 % are 9 pixels
    focus[5:8, 5:8] = -1  # a ring of 8 pixels ...
    focus[6, 6] = 1  # ... around one
    expected = np.ones((30, 30))
    expected[5:8, 5:8] = 0  # the ring first: all 1; its inside first: 9 pixels of −1
    np.testing.assert_array_equal(module.verify(focus), expected)
    np.testing.assert_array_equal(module.verify(-focus), -expected)


def test_undecided_pixels_stay_undecided_if_many_touch():
    focus = np.ones((20, 30))
    focus[:, 10:20], focus[:, 20:] = 0, -1
    np.testing.assert_array_equal(module.verify(focus), focus)
    assert not module.verify(np.zeros((20, 30))).any()


@pytest.mark.parametrize("seed", range(5))
def test_verification_treats_both_signs_alike(seed):
    focus = np.random.default_rng(seed).integers(-1, 2, (24, 31)).repeat(2, 0).repeat(3, 1)
    np.testing.assert_array_equal(module.verify(-focus), -module.verify(focus))


def test_the_file_of_weights_is_small_and_says_where_it_comes_from():
    assert module.WEIGHTS.stat().st_size < 1e6
    with safe_open(module.WEIGHTS, "pt") as file:
        description = json.loads(file.metadata()["description"])
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    assert not set(description["images"]) & set(description["validation_images"])
    assert (len(description["images"]), len(description["validation_images"])) == (206, 19)
    assert min(description["validation_accuracy"].values()) > 0.99
    assert description["settings"]["seed"] == 0


def test_the_balance_is_the_decision_filtered_along_the_guide(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 48, 64), np.float32)
    logits = np.full((17, 25), 9, np.float32)
    logits[:, 13:] = -0.5
    monkeypatch.setattr(module, "patch_logits", lambda *_: logits)
    decision = module.verify(module.focus_map(np.tanh(logits), a.shape))
    assert set(np.unique(decision)) == {-1, 1}
    balance = guided_filter(decision, np.where(decision > 0, a, b), radius=8, eps=0.1)
    weight = (1 + balance.clip(-1, 1)) / 2
    np.testing.assert_allclose(
        cnn([a, b], device="cpu").image, weight * a + (1 - weight) * b, atol=1e-5
    )


@pytest.mark.parametrize("order", [1, -1])
def test_no_pixel_takes_more_than_all_of_one_frame(monkeypatch, order):
    # the decision is 1 where the guide is 0.5 and −1 where it is 0: a line through both gives more
    # than 1 where it is 1
    dot = np.zeros((48, 64), np.float32)
    dot[:, :32], dot[24, 24] = 0.5, 1
    frames = [dot, np.zeros_like(dot)]
    logits = np.full((17, 25), 9, np.float32)
    logits[:, 13:] = -9
    line = guided_filter(np.where(dot > 0, np.float32(1), np.float32(-1)), dot, radius=8, eps=0.1)
    assert line[24, 24] > 1.1
    monkeypatch.setattr(module, "patch_logits", lambda *_: order * logits)
    fused = cnn(frames[::order], device="cpu")
    assert fused.image[24, 24] == 1
    assert fused.image.max() == 1


def test_weights_are_read_once():
    assert module.load_siamese(module.WEIGHTS, CPU) is module.load_siamese(module.WEIGHTS, CPU)


def test_a_damaged_missing_or_wrong_file_is_named(tmp_path):
    damaged, wrong = tmp_path / "damaged.safetensors", tmp_path / "wrong.safetensors"
    damaged.write_bytes(module.WEIGHTS.read_bytes()[:-1000])
    save_file({"weight": torch.zeros(3)}, wrong)
    for path in (damaged, wrong, tmp_path / "missing.safetensors"):
        with pytest.raises(
            ValueError, match=f"cannot read the weights of method cnn, .*{path.name}: .*install"
        ):
            module.load_siamese(path, CPU)


def test_frames_that_do_not_fit_and_devices_that_are_not_there_are_named(pair):
    with pytest.raises(ValueError, match="frames must be at least two pictures, not 1"):
        cnn([pair[0]], device="cpu")
    with pytest.raises(
        ValueError,
        match=r"frame 1 must have the size and channels of the first, \(160, 200\), not \(159",
    ):
        cnn([pair[0], pair[1][1:]], device="cpu")
    with pytest.raises(ValueError, match="device 'gpu' is not available"):
        cnn(pair[:2], device="gpu")
