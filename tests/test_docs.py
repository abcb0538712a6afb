"""Every command and Python block of README and docs/ runs: in order, in one folder, on small data.

What needs a GPU, a cluster or several machines is parsed only: the command and its options exist,
and their values are valid.
"""

import os
import re
import runpy
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import zarr
from PIL import Image
from typer.main import get_command

from seamwise.cli import app
from seamwise.exchange import trace, write_geojson
from seamwise.io.images import write_labels, write_png
from seamwise.io.ome_zarr import write_image
from seamwise.segmentation import TrainSettings
from seamwise.synth import crowded_cells, time_lapse
from support.long_tests import is_nightly
from support.pages import blocks, inline_commands

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "seamwise"
PAGES = [
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "app",
            "big-images",
            "check",
            "exchange",
            "fiji",
            "fusion",
            "how-to/cluster",
            "how-to/few-annotations",
            "how-to/gpu",
            "how-to/size",
            "how-to/stacks",
            "how-to/wrong-cells",
            "install",
            "measure",
            "models",
            "napari",
            "nnunet",
            "qupath",
            "training",
            "tutorials/burst",
            "tutorials/cells",
            "tutorials/losses",
            "which-loss",
        )
    ),
    "docs/house-plan.md",
]
MORE_PAGES = [
    *PAGES,
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "docs/coming-from.md",
    "docs/determinism.md",
    "docs/glossary.md",
    "docs/how-to/petavoxel.md",
    "docs/index.md",
    "docs/method/decoders.md",
    "docs/method/fusion.md",
    "docs/method/seams.md",
    "docs/monai.md",  # their code: test_framework_pages.py
    "docs/smp.md",
    "docs/thesis.md",
    "docs/thesis-parts.md",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("src/seamwise/**/*.md"))),
]
LANGUAGES = {"bash", "python", "toml", "text"}
# what takes long gets a small value, or an additional option
SMALLER = {"--steps": "2"}
MORE = {"compare": ["--steps", "2", "--width", "2", "--crop", "32", "--batch-size", "2"]}
# GPUs and other machines are never there; several processes only in `make nightly`
# trained like the others, by tests/cli/test_training.py
# the page would wait for a browser
PARSED_ONLY = ["--devices", "--scheduler", "--start", "app"]
if not is_nightly:
    PARSED_ONLY.append("--workers")
NNUNET = ("nnUNetv2_plan_and_preprocess", "nnUNetv2_train", "nnUNetv2_predict")
INSTALLERS = ("pip", "pipx", "uv")
NOT_OURS = (
    *("source", "export", "dask", "torchrun", "srun", "make", "python3"),
    *INSTALLERS,
    *NNUNET,
)

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir() or not (ROOT / "recipes").is_dir(), reason="needs a checkout"
)


def cells(seed, shape=(96, 96), count=9):
    drawn = crowded_cells(shape, cells=count, radius=8, rng=seed)
    return (drawn.image / drawn.image.max() * 255).astype(np.uint8), drawn.labels


def sharp_picture(seed=0):
    """A colour picture with detail of three sizes."""
    rng = np.random.default_rng(seed)
    detail = sum(
        np.kron(rng.random((192 // n, 192 // n, 3)), np.ones((n, n, 1))) for n in (1, 4, 16)
    )
    return np.round(85 * detail).astype(np.uint8)


def out_of_focus(picture):
    blurred = picture.astype(float)
    for axis in (0, 1) * 6:
        blurred = (np.roll(blurred, 1, axis) + blurred + np.roll(blurred, -1, axis)) / 3
    return np.round(blurred).astype(np.uint8)


def write_burst(folder, names, seed=0):
    """Frames in focus from left to right, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    sharp = sharp_picture(seed)
    blurred = out_of_focus(sharp)
    part = np.arange(sharp.shape[1]) * len(names) // sharp.shape[1]
    for number, name in enumerate(names):
        write_picture(folder / name, np.where((part == number)[:, None], sharp, blurred))


def write_picture(path, picture):
    Image.fromarray(picture).save(path, quality=97)


def write_stack(path):
    group = zarr.open_group(path, mode="w", zarr_format=3)
    pixels = np.stack([cells(seed, (64, 64), 4)[0] for seed in range(8)])
    group.create_array("0", data=pixels, chunks=(8, 64, 64))
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}


def write_series(folder):
    """A time series as one image, and as a file for each time point, with labels."""
    series = time_lapse((64, 64), frames=3, cells=6, radius=8, rng=0)
    for name, data, is_labels in (
        ("movie.ome.zarr", series.image[:, 0], False),
        ("movie-labels/movie.ome.zarr", series.labels.astype(np.uint16), True),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        write_image(folder / name, data, axes="TYX", spacing=(1.0, 1.0), labels=is_labels)
    for name in ("frames", "frame-labels"):
        (folder / name).mkdir()
    for time, (image, labels) in enumerate(zip(series.image[:, 0], series.labels, strict=True)):
        tifffile.imwrite(folder / "frames" / f"t{time}.tif", image)
        write_labels(folder / "frame-labels" / f"t{time}.tif", labels)


def write_small_recipe(source, target):
    """A recipe with two steps of a tiny network on tiny crops."""
    small = {"steps": 2, "batch_size": 2, "crop": 32, "width": 2, "depth": 2, "warmup": 0}
    text = source.read_text()
    for field, value in small.items():
        text = re.sub(rf"^{field} = .*$", f"{field} = {value}", text, flags=re.MULTILINE)
    target.write_text(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which a reader types: the recipes, and small data with the pages' names."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "recipes").mkdir()
    for recipe in (ROOT / "recipes").iterdir():
        if recipe.suffix == ".toml":
            write_small_recipe(recipe, folder / "recipes" / recipe.name)
        elif recipe.suffix == ".py":
            shutil.copy(recipe, folder / "recipes")
    for name in (
        "my-images",
        "more-images",
        "true-labels",
        "masks",
        "annotations",
        "my-data/images",
        "my-data/masks",
    ):
        (folder / name).mkdir(parents=True)
    for seed, name in enumerate("abcdefgh"):
        image, labels = cells(seed)
        write_png(folder / "my-data" / "images" / f"{name}.png", image)
        write_labels(folder / "my-data" / "masks" / f"{name}.tif", labels)
        if seed < 2:
            write_png(folder / "my-images" / f"{name}.png", image)
            write_png(folder / "more-images" / f"{name}.png", image)
            write_labels(folder / "true-labels" / f"{name}.tif", labels)
            write_labels(folder / "masks" / f"{name}.tif", labels)
            write_geojson(folder / "annotations" / f"{name}.geojson", trace(labels))
    (folder / "predictions").mkdir()
    classes = np.eye(3, dtype=np.float32)[np.clip(labels, 0, 1)]
    for name in "ab":
        np.savez(
            folder / "predictions" / f"{name}.npz",
            probabilities=np.moveaxis(classes, -1, 0)[:, None],
        )
    write_stack(folder / "stack.ome.zarr")
    write_series(folder)
    shutil.copy(ROOT / "src" / "seamwise" / "samples" / "nuclei.png", folder)
    shutil.copy(SOURCE / "models" / "nuclei-2d.safetensors", folder / "mine.safetensors")
    write_burst(folder, ["near.jpg", "middle.jpg", "far.jpg"])
    write_burst(folder, ["a.jpg", "b.jpg"], seed=1)
    write_burst(folder / "my-burst", ["x1.jpg", "x2.jpg", "x3.jpg"])
    for parent in ("bursts", "pairs"):
        for seed in range(2):
            write_burst(folder / parent / f"p{seed}", ["x1.png", "x2.png"], seed)
    (folder / "my-pictures").mkdir()
    for seed in range(12):
        write_picture(folder / "my-pictures" / f"{seed}.jpg", sharp_picture(seed))
    return folder


@pytest.fixture
def reader(folder, monkeypatch):
    """The reader's folder as the working directory."""
    monkeypatch.chdir(folder)
    return folder


def names_of_the_text(page):
    """What a Python block takes for granted: the reader's own arrays."""
    classes = 4 if page == "docs/which-loss.md" else 3
    image, labels = cells(0)
    target = np.random.default_rng(0).integers(0, classes, image.shape)
    frames = [sharp_picture(), out_of_focus(sharp_picture())]
    names = {"image": image, "labels": labels, "frames": frames}
    if page == "docs/which-loss.md":
        from seamwise import losses

        names |= {"losses": losses, "target": torch.from_numpy(target)[None]}
        names["weight"] = torch.ones(1, *image.shape)
    return names | {"logits": torch.zeros(1, classes, *image.shape, requires_grad=True)}


def smaller(words):
    """The command with a small value for what takes long."""
    words = list(words)
    for place, word in enumerate(words[:-1]):
        if word in SMALLER:
            words[place + 1] = SMALLER[word]
    if any(word.endswith("/settings.toml") for word in words):  # those of `check` take minutes
        words += ["--steps", "2"]
    return words + MORE.get(words[0], [])


def parse(words):
    """Check that a `seamwise` command exists, with its options and values."""
    group = get_command(app)
    context = group.make_context("seamwise", list(words), resilient_parsing=False)
    name, command, rest = group.resolve_command(context, words)
    command.make_context(name, rest, parent=context)


def check_not_ours(words):
    """Check the part of a line that is ours, if there is one."""
    if words[0] in INSTALLERS:
        check_installed(words)
        return
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        for target in words[1:]:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), words
    if "seamwise" in words:
        parse(words[words.index("seamwise") + 1 :])


def check_installed(words):
    """Check that a line installs seamwise, and that its folders and extras exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [word for word in words[1:] if not word.startswith("-")]
    if words[0] == "uv":
        assert named.pop(0) == "tool", words
    assert named.pop(0) in ("install", "wheel"), words
    for word in named:
        if word == "napari[pyqt6]":
            continue  # what the plugin is for
        assert re.fullmatch(r"wheels|(seamwise|\.)(\[[\w,]+\])?|\./\S+", word), words
        if word.startswith("./"):
            assert (ROOT / word / "pyproject.toml").exists(), words
        for extras in re.findall(r"\[(.*)\]", word):
            assert set(extras.split(",")) <= project["optional-dependencies"].keys(), words


@pytest.mark.parametrize(
    "line",
    ["pip install seamwize[fast]", "uv tol install .", "pip instal .", "pip install .[quick]"],
)
def test_a_line_that_installs_something_else_is_seen(line):
    with pytest.raises(AssertionError):
        check_installed(line.split())


def run_script(words, monkeypatch):
    """Run `python SCRIPT …` in this process."""
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(words[0], run_name="__main__")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs_in_its_order(page, reader, run, monkeypatch):
    names = names_of_the_text(page)
    for block in blocks(ROOT / page):
        assert block.language in LANGUAGES, block.text
        if block.language == "toml":
            TrainSettings(**tomllib.loads(block.text))
        if block.language == "python":
            exec(compile(block.text, page, "exec"), names)
        for words in block.commands if block.language == "bash" else []:
            program, *arguments = words
            if program in NOT_OURS:
                check_not_ours(words)
            elif program == "python":
                run_script(arguments, monkeypatch)
            elif any(option in arguments for option in PARSED_ONLY):
                assert program == "seamwise", words
                parse(arguments)
            else:
                assert program == "seamwise", words
                code, _, errors = run(*smaller(arguments))
                assert code == 0, f"{' '.join(words)}: {errors}"


@pytest.mark.parametrize("page", MORE_PAGES)
def test_every_command_in_the_text_of_a_page_has_these_options(page):
    for words in inline_commands(ROOT / page):
        listed = [word for word in words[1:] if word not in ("…", "|")]
        if words[1:2] and words[1] in get_command(app).commands:
            check_options(words[1], listed[1:])


def check_options(name, words):
    command = get_command(app).commands[name]
    options = {"-h", "--help"}
    for parameter in command.params:
        options |= {*parameter.opts, *parameter.secondary_opts}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+", word):
            assert word.split("=")[0] in options, f"seamwise {name} has no option {word}"


def test_every_link_of_a_page_leads_somewhere():
    for page in MORE_PAGES:
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in path:
                continue
            linked = (ROOT / page).parent / path if path else ROOT / page
            assert os.path.exists(linked), f"{page}: {target}"
            if anchor and linked.suffix == ".md":
                assert anchor in anchors(linked), f"{page}: {target}"


def test_every_file_of_the_house_plan_exists():
    plan = (ROOT / "docs" / "house-plan.md").read_text()
    parts = re.split(r"^## (?:Inside `(.*)/`|(.*))$", plan, flags=re.MULTILINE)
    for inside, title, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        folder = (
            ROOT / inside
            if inside and inside.startswith("reproduction")
            else SOURCE / (inside or "")
        )
        if inside or title == "Where to add":
            table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
            for name in re.findall(r"`([\w/]+\.py)`", table):
                assert (folder / name).exists() or (SOURCE / name).exists(), name


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
