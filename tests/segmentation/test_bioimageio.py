"""Packages of bioimage.io: valid, truthful, read again; those with code are refused."""

import io
import os
import subprocess
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from seamwise.engine import Resources
from seamwise.io.models import (
    Architecture,
    NormalizationRule,
    SegmentationInfo,
    model_path,
    save_model,
)
from seamwise.segmentation import export_bioimageio, load, normalization, segment
from seamwise.segmentation.bioimageio import _documentation
from seamwise.segmentation.predict import load_for

for library in ("onnx", "onnxruntime"):
    pytest.importorskip(library)

CLASSES = ("background", "cell", "touching", "gap")
HAS_SPEC = find_spec("bioimageio") is not None and find_spec("bioimageio.spec") is not None
needs_spec = pytest.mark.skipif(not HAS_SPEC, reason="needs bioimageio.spec")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAMWISE_CACHE", str(tmp_path / "cache"))


def saved(path, *, kind="contrast", **changes):
    """A model file with random weights."""
    from seamwise.engine.networks import build_network

    arch = Architecture(
        **{"in_channels": 1, "out_channels": 3, "width": 4, "depth": 2, "norm": "batch"} | changes
    )
    torch.manual_seed(0)
    info = SegmentationInfo(
        architecture=arch,
        classes=CLASSES[: arch.out_channels],
        channels=tuple(f"c {i}" for i in range(arch.in_channels)),
        normalization=NormalizationRule(kind=kind),
        spacing=(0.5,) * arch.ndim,
    )
    save_model(path, build_network(arch).state_dict(), info)
    return path


def loaded(path):
    """The description, read by the library without the network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.spec import ValidationContext, load_description

        folder = path.with_suffix("")  # of a zip the library leaves a file open
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        with ValidationContext(perform_io_checks=False):
            return load_description(folder / "rdf.yaml")


@pytest.mark.usefixtures("in_float32")
@needs_spec
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ndim": 3, "depth": 1, "guides": True, "out_channels": 4},
        {"in_channels": 2},
        {"kind": "percentiles"},
        {"kind": "deviation"},
        {"kind": "range"},
        {"kind": "standard"},
        {"kind": "identity"},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())) or "flat",
)
def test_a_package_is_valid_and_its_test_holds(tmp_path, changes):
    import onnxruntime

    model, path = saved(tmp_path / "my µ-model.safetensors", **changes), tmp_path / "p.zip"
    info = export_bioimageio(model, path, authors=["Ada L."], licence="CC-BY-4.0")
    description = loaded(path)
    assert description.validation_summary.status == "valid-format"
    assert [author.name for author in description.authors] == ["Ada L."]
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    image, maps = (np.load(io.BytesIO(files[f"test_{n}.npy"])) for n in ("input", "output"))
    session = onnxruntime.InferenceSession(
        files["weights.onnx"], providers=["CPUExecutionProvider"]
    )
    np.testing.assert_array_equal(session.run(None, {"image": image})[0], maps)
    # the network in the file normalises itself
    network = load(model, device="cpu", runtime="torch")
    seen = normalization(image[0], info.normalization)(image[0])
    logits = network.runtime.run(torch.from_numpy(seen[np.newaxis]))
    classes = len(info.classes)
    ours = torch.cat([logits[:, :classes].softmax(1), logits[:, classes:]], 1).numpy()
    np.testing.assert_allclose(maps, ours, atol=1e-4)
    assert b"0.5" in files["README.md"]


@needs_spec
@pytest.mark.skipif("SEAMWISE_CORE" not in os.environ, reason="needs a Python with bioimageio.core")
def test_the_core_library_gives_the_test_output(tmp_path):
    path = tmp_path / "p.zip"
    export_bioimageio(saved(tmp_path / "m.safetensors"), path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "p")
    script = Path(__file__).parents[1] / "support" / "core_package.py"
    command = [os.environ["SEAMWISE_CORE"], script, tmp_path / "p" / "rdf.yaml"]
    subprocess.run(command, check=True)


@needs_spec
def test_a_package_gives_the_cells_of_its_model_zipped_or_not(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.random((64, 48), np.float32)
    model, path = saved(tmp_path / "m.safetensors"), tmp_path / "p.zip"
    export_bioimageio(model, path)
    export_bioimageio(model, tmp_path / "again.zip")
    assert path.read_bytes() == (tmp_path / "again.zip").read_bytes()
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    assert model_path(path).read_bytes() == model.read_bytes()
    expected = segment(image, model=model, device="cpu").probabilities
    for package, name in ((path, "p"), (folder, "unpacked"), (folder / "rdf.yaml", "unpacked")):
        result = segment(image, model=package, device="cpu").probabilities
        np.testing.assert_array_equal(result, expected)
        export_bioimageio(package, tmp_path / "again.zip")
        with zipfile.ZipFile(tmp_path / "again.zip") as archive:
            assert archive.read("README.md").decode().startswith(f"# {name}\n")


def test_a_package_tells_how_an_image_must_be_prepared(tmp_path):
    arch = Architecture(in_channels=1, out_channels=2, ndim=3, depth=3)
    info = SegmentationInfo(
        architecture=arch, classes=CLASSES[:2], channels=("grey",), isotropic=True, zoom=0.5
    )
    page = " ".join(_documentation(info, "m", 32).split())
    for words in (
        "Magnify an image by 0.5 before the network sees it. The network sees cubic voxels",
        "multiples of 8 pixels, 32 at least",
        "by reflection",
    ):
        assert words in page
    plain = info.model_copy(update={"isotropic": False, "zoom": 1.0})
    assert "Nothing is needed." in _documentation(plain, "m", 32)


@needs_spec
def test_export_refuses_other_endings_and_unknown_licences(tmp_path):
    model = saved(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"expected a name ending in \.zip"):
        export_bioimageio(model, tmp_path / "p.onnx")
    with pytest.raises(ValueError, match="refuses the description: license"):
        export_bioimageio(model, tmp_path / "p.zip", licence="my own")
    assert not (tmp_path / "p.zip").exists()


def foreign_onnx(channels=1, pools=0):
    """ONNX of p = clip(x, 0, 1), of the first channel; with more, background comes first.

    With `pools` it takes the minimum of x and of its largest value in each block, which is x: other
    sizes than multiples of the block do not fit each other.
    """
    from onnx import TensorProto, helper

    side = 2**pools
    nodes = [
        helper.make_node(
            "MaxPool", ["raw"], ["block"], kernel_shape=[side] * 2, strides=[side] * 2
        ),
        helper.make_node("Resize", ["block", "", "scales"], ["above"], mode="nearest"),
        helper.make_node("Min", ["raw", "above"], ["seen"]),
        helper.make_node("Clip", ["seen", "low", "high"], ["p" if channels == 1 else "one"]),
    ]
    if channels == 2:
        nodes += [
            helper.make_node("Sub", ["high", "one"], ["rest"]),
            helper.make_node("Concat", ["rest", "one"], ["p"], axis=1),
        ]
    numbers = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value])
        for name, value in (("low", 0.0), ("high", 1.0))
    ]
    numbers.append(helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, side, side]))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["n", 1, "y", "x"])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", channels, "y", "x"])],
        initializer=numbers,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def foreign(
    folder, *, channels=1, names=None, preprocessing=(), pools=3, image=(), output=(), **changes
):
    """The unpacked package of another program."""
    folder.mkdir(exist_ok=True)
    (folder / "w.onnx").write_bytes(foreign_onnx(channels, pools))
    np.save(folder / "out.npy", np.full((1, channels, 16, 16), 1 / channels, np.float32))
    sizes = {"min": 16, "step": changes.pop("step", 2**pools)}
    scale = changes.pop("scale", 1.0)
    description = {
        "type": "model",
        "format_version": "0.5.3",
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["grey"]},
                    {"type": "space", "id": "y", "size": sizes},
                    {"type": "space", "id": "x", "size": sizes},
                ],
                "preprocessing": list(preprocessing),
            }
            | dict(image)
        ],
        "outputs": [
            {
                "id": "p",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": names or ["foreground"]},
                    {"type": "space", "id": "y", "size": {"tensor_id": "raw", "axis_id": "y"}},
                    {
                        "type": "space",
                        "id": "x",
                        "size": {"tensor_id": "raw", "axis_id": "x"},
                        "scale": scale,
                    },
                ],
                "test_tensor": {"source": "out.npy"},
            }
            | dict(output)
        ],
        "weights": {"onnx": {"source": "w.onnx"}},
    } | changes
    (folder / "rdf.yaml").write_text(yaml.safe_dump(description))
    return folder


def step(name, **keywords):
    return {"id": name, "kwargs": keywords}


SQUARES = np.zeros((40, 50), np.float32)
SQUARES[3:13, 4:14] = 200
SQUARES[20:32, 25:40] = 250


EXPECTED = {
    "scale_linear": [0, 1, 1],
    "scale_range": [0, 0.8, 1],
    "zero_mean_unit_variance": [0, 1, 1],
    "fixed_zero_mean_unit_variance": [0, 1, 1],
}


@pytest.mark.parametrize(
    "preprocessing",
    [
        [step("ensure_dtype", dtype="float32"), step("scale_linear", gain=0.005)],
        [step("scale_range", min_percentile=0, max_percentile=100, axes=["y", "x"])],
        [step("zero_mean_unit_variance", eps=1e-6)],
        [step("fixed_zero_mean_unit_variance", mean=0.0, std=200.0)],
    ],
    ids=lambda steps: steps[-1]["id"],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_onnx_of_another_program_finds_cells(tmp_path, preprocessing, channels):
    names = ["foreground"] if channels == 1 else ["background", "cell"]
    package = foreign(tmp_path / "p", channels=channels, names=names, preprocessing=preprocessing)
    result = segment(SQUARES, model=package, device="cpu")
    np.testing.assert_array_equal(result.labels > 0, SQUARES > 0)
    assert result.labels.max() == 2
    # at the background, in the first square and in the second
    foreground = result.probabilities[1][[0, 5, 25], [0, 5, 30]]
    np.testing.assert_allclose(foreground, EXPECTED[preprocessing[-1]["id"]], atol=2e-6)


def test_each_channel_has_a_gain_and_an_offset_of_its_own(tmp_path):
    steps = [step("scale_linear", axis="channel", gain=[0.01, 0.001], offset=[0.25, 0.5])]
    package = foreign(tmp_path / "p", preprocessing=steps)
    text = (package / "rdf.yaml").read_text()
    (package / "rdf.yaml").write_text(text.replace("- grey", "- green\n    - red"))
    net = load(package, device="cpu").net
    assert (net.gain.tolist(), net.offset.tolist()) == (
        pytest.approx([0.01, 0.001]),
        pytest.approx([0.25, 0.5]),
    )


def test_values_beyond_probabilities_are_refused(tmp_path):
    package = foreign(tmp_path / "p")
    np.save(package / "out.npy", np.full((1, 1, 16, 16), 1.5, np.float32))
    with pytest.raises(ValueError, match=r"gives 1\.5 to 1\.5 in its test"):
        load(package, device="cpu")
    np.save(package / "out.npy", np.full((1, 2, 16, 16), 0.5, np.float32))
    with pytest.raises(ValueError, match=r"test output of shape \(1, 2, 16, 16\): expected"):
        load(package, device="cpu")


def test_a_test_output_whose_header_does_not_end_is_refused(tmp_path):
    package = foreign(tmp_path / "p")
    content = (package / "out.npy").read_bytes()
    (package / "out.npy").write_bytes(content.replace(b")", b"(", 1))
    with pytest.raises(ValueError, match="has a damaged test output"):
        load(package, device="cpu")


def test_the_cache_of_models_is_private_and_keeps_to_its_limit(tmp_path, monkeypatch):
    from seamwise.io import package_models

    reads = []
    read_package = package_models.read_package
    monkeypatch.setattr(
        package_models, "read_package", lambda path: reads.append(path) or read_package(path)
    )
    monkeypatch.setattr(package_models, "LIMIT", 1)
    paths = []
    for number in range(2):
        package = foreign(
            tmp_path / f"p{number}", preprocessing=[step("scale_linear", gain=number)]
        )
        paths.append(tmp_path / f"{number}.zip")
        with zipfile.ZipFile(paths[-1], "w") as archive:
            for file in package.iterdir():
                archive.write(file, file.name)
    first = model_path(paths[0])
    (first.parent / "mine.safetensors").write_bytes(b"")
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert model_path(paths[0]) == first
    assert len(reads) == 1  # the zip is as it was
    os.utime(first, (1, 1))
    second = model_path(paths[1])
    assert {path.name for path in first.parent.iterdir()} == {second.name, "mine.safetensors"}
    assert model_path(paths[0]) == first
    assert first.is_file()


@pytest.mark.parametrize("shape", [(40, 50), (48, 64), (3, 5)])
def test_a_network_that_pools_sees_images_of_any_size(tmp_path, shape):
    package = foreign(tmp_path / "p", pools=4)
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    maps = load(package).runtime.maps(image[np.newaxis], 2)
    np.testing.assert_allclose(maps[0], np.concatenate([1 - image, image]), atol=1e-6)


def test_a_file_that_onnx_runtime_cannot_read_or_run_is_refused_in_one_line(tmp_path):
    package = foreign(tmp_path / "p")
    (package / "w.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="ONNX Runtime cannot read the network") as error:
        load(package, device="cpu")
    assert "\n" not in str(error.value)
    package = foreign(tmp_path / "q", pools=3)
    (package / "w.onnx").write_bytes(foreign_onnx(pools=5))  # the description says 2³
    with pytest.raises(ValueError, match=r"cannot compute .*: choose another model$") as error:
        segment(SQUARES, model=package, device="cpu")
    assert "\n" not in str(error.value)


def test_a_network_of_another_program_is_computed_on_the_cpu_by_default(tmp_path, monkeypatch):
    from seamwise.engine import devices

    choose = devices.choose_device
    monkeypatch.setattr(
        devices, "choose_device", lambda device: choose("meta" if device == "auto" else device)
    )
    monkeypatch.setattr("seamwise.engine.networks.is_surely_cpu", lambda device: False)
    assert load(foreign(tmp_path / "p")).device == "cpu"


def test_tune_leaves_packages_as_they_are(tmp_path, run):
    package = foreign(tmp_path / "p")
    code, _, err = run("tune", package, tmp_path)
    assert (code, "is a package and stays as it is: name another file with -o" in err) == (2, True)
    code, _, err = run("tune", package, tmp_path, "-o", tmp_path / "m.safetensors")
    assert (code, "is a network of another program" in err) == (2, True)


def test_workers_elsewhere_do_not_read_packages(tmp_path):
    with pytest.raises(ValueError, match="workers elsewhere cannot read"):
        load_for(str(foreign(tmp_path / "p")), "auto", Resources(scheduler="a:1"))


TWO = {"onnx": {"source": "w.onnx"}, "pytorch_state_dict": {"source": "w.pt"}}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"weights": TWO}, "carries code, for its weights as pytorch_state_dict"),
        ({"weights": {"torchscript": {"source": "w.pt"}}}, "weights as torchscript: expected onnx"),
        ({"preprocessing": [step("custom")]}, "carries code, for its processing"),
        ({"preprocessing": [step("clip", min=0)]}, "prepares its images by clip"),
        ({"format_version": "0.4.10"}, r"has format 0\.4\.10: expected 0\.5"),
        ({"type": "dataset"}, "describes a dataset: expected a model"),
        ({"channels": 2, "names": ["foreground", "boundary"]}, "channels foreground, boundary"),
        ({"weights": {"onnx": {"source": "../w.onnx"}}}, "outside itself"),
        ({"weights": {"onnx": {"source": "none.onnx"}}}, "lacks its file 'none.onnx'"),
        ({"weights": {"onnx": {"source": "http://a/w.onnx"}}}, "on the network"),
        ({"weights": {"onnx": {"source": "w.onnx", "sha256": "0" * 64}}}, "is damaged"),
        ({"weights": None}, "has weights None: expected fields with names"),
        ({"inputs": []}, "has 0 inputs"),
        ({"inputs": 3}, "has inputs 3: expected a list"),
        ({"outputs": None}, "has outputs None: expected a list"),
        ({"type": [["a"] * 3] * 3}, "has type a list of 3: expected text"),
        ({"pools": 0, "step": 0}, "has min 16 and step 0 along y"),
        ({"output": {"test_tensor": None}}, "has test_tensor None"),
        ({"output": {"postprocessing": [step("sigmoid")]}}, "changes its output"),
        ({"scale": 2.0}, "an output of another size than its input, along x"),
        ({"image": {"data": {"type": "uint8"}}}, "takes images of uint8"),
        ({"channels": 2, "names": ["background", "boundary"]}, "in this order"),
        ({"names": ["background", "boundary", "cell"]}, "channels background, boundary, cell"),
        *[
            ({"preprocessing": [step(name, **keywords)]}, match)
            for name, keywords, match in (
                ("ensure_dtype", {"dtype": "uint8"}, "turns its images into uint8"),
                ("scale_range", {"eps": 0.1}, r"scale_range with eps 0\.1: expected 1e-06"),
                ("zero_mean_unit_variance", {"axes": ["y"]}, "along y: expected y, x"),
                ("scale_linear", {"axis": "y", "gain": [1.0]}, "along y: expected channel"),
                ("scale_linear", {"gain": [1, 2]}, "has gain a list of 2: expected a number"),
                ("scale_range", {"min_percentile": "abc"}, "min_percentile abc: expected a number"),
                ("scale_range", {"min_percentile": 90, "max_percentile": 10}, "min_percentile 90"),
                ("fixed_zero_mean_unit_variance", {"std": 0}, "has std 0"),
            )
        ],
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, changes, match):
    package = foreign(tmp_path / "p", **changes)
    with pytest.raises(ValueError, match=match) as error:
        load(package, device="cpu")
    assert str(package) in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_and_unsafe_zips_are_refused(tmp_path):
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"cannot read model package .*is it complete"):
        model_path(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.txt", "x")
    with pytest.raises(ValueError, match=r"outside itself, '\.\./evil\.txt'"):
        model_path(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", "a: [")
    with pytest.raises(ValueError, match="damaged description"):
        model_path(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("./", "")
        archive.writestr("rdf.yaml", " " * 1_000_001)
    with pytest.raises(ValueError, match=r"'rdf\.yaml' of 1 MB: expected 1 at most"):
        model_path(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "")
    with pytest.raises(ValueError, match=r"lacks its file 'bioimageio\.yaml'"):
        model_path(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        model_path(tmp_path / "none.zip")


def test_other_networks_are_not_trained_on_or_combined(tmp_path):
    from seamwise.segmentation import combine
    from seamwise.segmentation.start import read_start

    package = foreign(tmp_path / "p")
    with pytest.raises(ValueError, match="network of another program"):
        read_start(str(package))
    with pytest.raises(ValueError, match="network of another program"):
        combine([package, package], tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="choose runtime onnx and device cpu"):
        load(package, device="cpu", runtime="torch")
