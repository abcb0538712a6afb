"""Networks of other code through `from_network`: a module, a function, an ONNX file."""

import numpy as np
import pytest
import torch
from torch import nn

from seamwise.io.models import (
    Architecture,
    DecodeRule,
    NormalizationRule,
    SegmentationInfo,
    load_model,
    save_model,
)
from seamwise.io.ome_zarr import write_image
from seamwise.nets import UNet
from seamwise.segmentation import (
    AnnotatedImage,
    Model,
    load,
    segment,
    segment_volume,
    tune,
)
from seamwise.segmentation.predict import segment_image
from seamwise.synth import crowded_cells
from support.files import one_line

SCENE = crowded_cells((90, 110), cells=14, radius=9, rng=0)
RANGE = NormalizationRule(kind="range")


def unet(classes=3, ndim=2):
    torch.manual_seed(0)
    return UNet(1, classes, ndim=ndim, width=2, depth=2).eval()


def described(net, classes=3, **more):
    """The same network, as one of ours."""
    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=classes, width=2, depth=2),
        classes=("background", "cell", "touching", "gap")[:classes],
        channels=("grey",),
        **more,
    )
    return Model(lambda: net, info, "cpu", "float32")


class Outer(nn.Module):
    """A network that returns something around its logits."""

    def __init__(self, net, form):
        super().__init__()
        self.net, self.form = net, form

    def forward(self, image):
        return self.form(self.net(image))


@pytest.mark.parametrize(
    "form",
    [
        lambda maps: maps,
        lambda maps: (maps, maps[..., ::2]),
        lambda maps: [maps, 0],
        lambda maps: {"out": maps, "aux": 0},
    ],
)
def test_a_module_gives_what_our_own_network_gives(form):
    net = unet()
    model = Model.from_network(Outer(net, form), classes=3, multiple=4)
    found, expected = segment(SCENE.image, model=model), segment(SCENE.image, model=described(net))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.labels, expected.labels)
    tiled = segment(SCENE.image, model=model, tile=192, flips=True, keep_probabilities=False)
    assert tiled.labels.shape == SCENE.image.shape


def test_a_function_of_arrays_and_one_channel():
    def bright(image):
        assert isinstance(image, np.ndarray)
        assert image.dtype == np.float32
        return 40 * (image - 0.5)

    model = Model.from_network(bright, classes=2, normalization=RANGE)
    assert model.info.classes == ("background", "cell")
    image = np.zeros((40, 50), np.float32)
    image[5:15, 5:15] = image[20:30, 5:15] = 1
    prediction = segment(image, model=model)
    assert prediction.labels.max() == 2
    np.testing.assert_array_equal(prediction.labels > 0, image > 0)
    shares = Model.from_network(
        lambda image: 0.98 * (image > 0.5) + 0.01,
        classes=2,
        outputs="probabilities",
        normalization=RANGE,
    )
    found = segment(image, model=shares)
    np.testing.assert_array_equal(found.labels, prediction.labels)
    np.testing.assert_allclose(found.probabilities[1], 0.98 * image + 0.01, atol=1e-6)


def test_whole_numbers_of_any_type_describe_a_network():
    model = Model.from_network(unet(), classes=3.0, channels=np.int64(1), ndim=2.0, multiple=4.0)
    expected = Model.from_network(unet(), classes=3, multiple=4)
    assert model.info == expected.info


@pytest.mark.filterwarnings("error")
def test_a_function_may_return_a_view_or_what_cannot_be_written():
    def plain(image):
        return 40 * (image[..., ::-1] - 0.5).copy()

    def flipped(image):
        return (40 * (image - 0.5))[..., ::-1]

    def locked(image):
        maps = plain(image)
        maps.flags.writeable = False
        return maps

    expected = segment(SCENE.image, model=Model.from_network(plain, classes=2))
    for net in (flipped, locked):
        found = segment(SCENE.image, model=Model.from_network(net, classes=2))
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_any_multiple_is_padded_to():
    seen = []

    def picky(image):
        seen.append(image.shape[2:])
        assert all(size % 14 == 0 for size in image.shape[2:])
        return np.concatenate([0 * image, 40 * image], 1)

    model = Model.from_network(picky, classes=2, multiple=14)
    assert segment(SCENE.image, model=model).labels.shape == SCENE.image.shape
    assert seen[-1] == (98, 112)


def test_a_module_in_training_computes_as_in_evaluation_and_stays_in_training():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    net[1].eval()  # frozen by its owner
    model = Model.from_network(net, classes=2)
    first, again = (segment(SCENE.image, model=model).probabilities for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (net.training, net[0].training, net[1].training, net[2].training) == (
        True,
        True,
        False,
        True,
    )
    assert all(weight.requires_grad for weight in net.parameters())


def test_stacks_and_channels():
    model = Model.from_network(unet(ndim=3), classes=3, ndim=3, multiple=4)
    stack = crowded_cells((16, 40, 40), cells=6, radius=6, rng=0).image
    assert segment(stack, model=model).labels.shape == stack.shape
    two = Model.from_network(nn.Conv2d(2, 2, 1), classes=2, channels=2)
    assert segment(np.stack([SCENE.image] * 2), model=two).labels.shape == SCENE.image.shape
    with pytest.raises(ValueError, match="expects 2 channel"):
        segment(SCENE.image, model=two)


def test_thresholds_are_tuned():
    labels = SCENE.labels.astype(np.int32)

    def leaky(image):
        """Seams that arg max does not see."""
        cell = (image > 0.5).astype(np.float32)
        seam = 0.3 * (np.abs(image - 0.75) < 0.01)
        return np.concatenate([1 - cell, cell - seam, seam], 1)

    image = np.where(labels > 0, 1, 0).astype(np.float32)
    image[:, 55:57] = np.where(labels[:, 55:57] > 0, 0.75, 0)
    model = Model.from_network(
        leaky,
        classes=3,
        outputs="probabilities",
        normalization=NormalizationRule(kind="identity"),
        decode=DecodeRule(min_size=3),
    )
    tuning = tune([AnnotatedImage("a", image[np.newaxis], labels)], model)
    assert tuning.best.panoptic_quality >= tuning.argmax_panoptic_quality


# --- ONNX ----------------------------------------------------------------------------------------


def onnx_file(path, net, *, softmax):
    """Two layers of a network as an ONNX file with free sizes."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    weights = [
        numpy_helper.from_array(net.weight.detach().numpy(), "w"),
        numpy_helper.from_array(net.bias.detach().numpy(), "b"),
    ]
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["logits"], pads=[1, 1, 1, 1])]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["y"], axis=1))
    shapes = [(1, "x"), (3, "y" if softmax else "logits")]
    entry, exit_ = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for channels, name in shapes
    )
    graph = helper.make_graph(nodes, "net", [entry], [exit_], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("outputs", ["logits", "probabilities"])
@pytest.mark.parametrize("multiple", [1, 14])
def test_an_onnx_file_is_used_saved_and_loaded(tmp_path, outputs, multiple):
    torch.manual_seed(0)
    net = nn.Conv2d(1, 3, 3, padding=1)
    path = onnx_file(tmp_path / "net.onnx", net, softmax=outputs == "probabilities")
    options = {"classes": 3, "multiple": multiple, "normalization": RANGE}
    expected = segment(SCENE.image, model=Model.from_network(net, **options))
    for source in (path, str(path), path.read_bytes()):
        model = Model.from_network(source, outputs=outputs, **options)
        found = segment(SCENE.image, model=model)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    model.save(tmp_path / "net.safetensors")
    loaded = load(tmp_path / "net.safetensors")
    assert loaded.info == model.info
    again = segment(SCENE.image, model=loaded)
    np.testing.assert_array_equal(again.probabilities, found.probabilities)


@pytest.mark.parametrize("form", [[], [1], [0, 0], [1, -3], [2, 4], [[1, 4]], [1.0, 4.5]])
def test_a_damaged_form_of_an_onnx_file_is_named(tmp_path, form):
    path = onnx_file(tmp_path / "net.onnx", nn.Conv2d(1, 3, 3, padding=1), softmax=False)
    good = tmp_path / "net.safetensors"
    Model.from_network(path, classes=3, multiple=14).save(good)
    weights, info = load_model(good, SegmentationInfo)
    save_model(tmp_path / "bad.safetensors", {**weights, "form": torch.tensor(form)}, info)
    with pytest.raises(ValueError, match=r"bad\.safetensors is damaged") as caught:
        load(tmp_path / "bad.safetensors")
    assert one_line(caught)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "options", "words"),
    [
        (nn.Conv2d(1, 3, 1), {"classes": 4}, ["net must return (1, 4, 64, 64)", "(1, 3, 64, 64)"]),
        (nn.Conv2d(2, 3, 1), {"classes": 3}, ["net fails for an image (1, 1, 64, 64)", "channels"]),
        (nn.Conv2d(1, 3, 1, stride=2), {"classes": 3}, ["(1, 3, 32, 32)"]),
        (lambda x: x * np.nan, {"classes": 2}, ["NaN"]),
        (
            lambda x: np.concatenate([x, 1 - x], 1),
            {"classes": 2},
            ["outputs='probabilities'"],
        ),
        (lambda x: 0.4 * x, {"classes": 2}, ["outputs='probabilities'"]),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()), {"classes": 2}, ["probabilities, not"]),
        (
            lambda x: np.concatenate([5 * x, 1 - x], 1),
            {"classes": 2, "outputs": "probabilities"},
            ["sum to 1", "outputs='logits'"],
        ),
        (lambda x: x, {"classes": 5}, ["classes must be 2, 3 or 4, not 5"]),
        (lambda x: x, {"classes": 2.5}, ["classes must be a whole number, not 2.5"]),
        (lambda x: x, {"classes": 2, "multiple": 0}, ["multiple must be 1 or more, not 0"]),
        (lambda x: x, {"classes": 2, "multiple": True}, ["multiple must be a whole number"]),
        (lambda x: x, {"classes": 2, "channels": 0}, ["channels must be 1 or more, not 0"]),
        (lambda x: x, {"classes": 2, "channels": "a"}, ["channels must be a whole number, not"]),
        (lambda x: x, {"classes": 2, "ndim": 4}, ["ndim must be 2 or 3, not 4"]),
        (lambda x: x, {"classes": 2, "outputs": "scores"}, ["outputs must be logits or prob"]),
        (b"no network", {"classes": 2}, ["net is not a usable ONNX file"]),
    ],
)
def test_networks_that_do_not_fit_are_named(net, options, words):
    with pytest.raises(ValueError, match=r"\w") as caught:
        Model.from_network(net, **options)
    assert one_line(caught, *words)


def test_what_is_no_network_is_named(tmp_path):
    with pytest.raises(TypeError, match="net must be a torch module, a function"):
        Model.from_network(7, classes=2)
    with pytest.raises(FileNotFoundError, match=r"net\.onnx"):
        Model.from_network(tmp_path / "net.onnx", classes=2)


def test_code_is_not_saved_nor_sent_away(tmp_path):
    model = Model.from_network(nn.Conv2d(1, 2, 1), classes=2)
    with pytest.raises(ValueError, match="cannot hold this network, which is code: export it"):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="would be a copy of a model file"):
        load("nuclei-2d").save(tmp_path / "m.safetensors")
    image = tmp_path / "a.ome.zarr"
    write_image(image, SCENE.image, axes="YX")
    with pytest.raises(ValueError, match="must come from a file, not from memory: save it"):
        segment_volume(image, tmp_path / "out.ome.zarr", model=model)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_options_of_segment_image_hold_for_it_too():
    model = Model.from_network(unet(), classes=3, multiple=4)
    assert segment_image(SCENE.image, model=model).labels.shape == SCENE.image.shape
