"""Scripts of benchmarks/ whose figures stand in docs/: what they count, by hand."""

import importlib
import operator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr

from seamwise.io.images import read_labels
from seamwise.segmentation.check import survey

FOLDER = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs benchmarks/")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def test_masks_without_half_of_their_cells_are_noted(script, tmp_path):
    labels = np.zeros((80, 160), np.uint8)
    for number in range(8):
        y, x = divmod(number, 4)
        labels[40 * y + 10 : 40 * y + 26, 40 * x + 10 : 40 * x + 26] = number + 1
    noise = np.random.default_rng(0).normal(0, 2, labels.shape)
    image = (np.where(labels > 0, 100, 10) + noise).clip(0).astype(np.uint8)
    for kind, array in (("images", image), ("masks", labels)):
        (tmp_path / kind).mkdir()
        tifffile.imwrite(tmp_path / kind / "a.tif", array)
    with script("check_data").erased(tmp_path, 0.5, 0) as (copy, gone):
        rest = read_labels(copy / "masks" / "a.tif")
        findings = survey(copy).findings
    assert gone == 4
    assert ((rest == labels) | (rest == 0)).all()
    assert len(np.unique(rest)) == 1 + 4
    assert [(finding.kind, finding.count) for finding in findings] == [("unlabelled", 4)]
    assert not copy.exists()
    assert (tmp_path / "images" / "a.tif").exists()


def test_a_cell_of_the_large_stack_is_found_in_the_copies_that_show_it(
    script, monkeypatch, tmp_path
):
    volumes = script("volumes")
    monkeypatch.setattr(volumes, "TILE", (3, 6, 8))
    drawn = np.zeros((3, 6, 8), np.int32)
    drawn[1, 1:3, 1:4], drawn[1, 3:5, 5:7], drawn[0, 4:, 0] = 1, 2, 3  # 3 is cut by faces
    cells = np.tile(drawn, (1, 2, 1))[:, :11]  # two copies, the second cut off
    cells[1, 3:5, 6:] = 0  # an IoU of 0.5
    shape = (3, 12, 8)
    whole = np.zeros(shape, np.int32)
    whole[:, :11] = cells
    whole[1, 7, 1:4] = 0  # an IoU of 0.5 in the second copy
    whole[1, 8, 2:4] = 0  # below
    zarr.open_group(tmp_path, mode="w").create_array("0", data=whole)
    assert volumes.count_found(tmp_path, drawn, shape) == (3, 4)


def test_a_soak_tells_how_much_memory_an_image_leaves(script, monkeypatch, tmp_path):
    soak = script("soak")
    images = np.arange(20.0, 401, 20)
    held = 1e8 + np.where(images > 100, 700 * images, 9e4 * images)  # it fills at the beginning
    assert soak.slope(images, held) == pytest.approx(700)
    monkeypatch.setattr(soak, "EVERY", 1)
    numbers, bytes_held = soak.soak(2, tmp_path)
    assert numbers.tolist() == [1, 2]
    assert (bytes_held > 1e7).all()
    assert (tmp_path / "cells.csv").exists()


def test_the_calculation_of_a_petavoxel_multiplies_what_was_measured(script):
    petavoxel = script("petavoxel")
    records, _, peak = petavoxel.join_all(32)
    assert records > 100
    assert peak > 10
    costs = petavoxel.Costs(1000, 1e-6, 100, 1e-3, 1e4)
    lines = petavoxel.report(costs)
    assert "2.1e+11 cells, 6.0e+07 blocks, 3.0e+08 tasks" in lines[2]
    assert lines[4] == "records: 206 TB; joins: 21 TB of memory, 2 days"
    assert lines[5] == "scheduler: 3.4 days, 596 GB for the tasks of a stage"


def test_rims_are_counted_over_the_images_with_cells(script, capsys):
    looks = [SimpleNamespace(rim=rim, sizes=sizes) for rim, sizes in ((0.2, [9]), (0.6, [9, 8]))]
    empty = SimpleNamespace(rim=0.9, sizes=[])
    script("check_data").print_rims(SimpleNamespace(looks=[*looks, empty]))
    words = "rim brighter than inside: 0.20 to 0.60, median 0.40; below 0.5 in 1 of 2 images"
    assert capsys.readouterr().out.strip() == words
    script("check_data").print_rims(SimpleNamespace(looks=[empty]))
    assert capsys.readouterr().out == ""


def test_a_seam_is_wrong_if_both_cells_lie_in_one(script):
    seams = script("seam_doubt")
    predicted = np.array([[1, 1, 1, 2, 2, 2, 3, 3]])
    truth = np.array([[5, 5, 0, 5, 5, 0, 6, 0]])
    owner = seams.owner_of(predicted, truth)
    assert owner == {1: 5, 2: 5}  # half of cell 3 is not more than half
    assert seams.same(owner, np.array([[1, 2], [2, 3]])).tolist() == [True, False]
    assert seams.auc(np.array([3.0, 1.0, 3.0]), np.array([True, False, False])) == 0.75


def test_a_cell_is_wrong_without_a_partner_and_two_if_it_holds_two(script):
    flags = script("cell_flags")
    predicted = np.array([[7, 7, 7, 7, 9, 9, 9, 4]])
    truth = np.array([[1, 1, 2, 2, 3, 3, 0, -1]])
    is_wrong, is_two = flags.faults(truth, predicted, np.array([4, 7, 9]))
    assert is_wrong.tolist() == [True, True, False]
    assert is_two.tolist() == [False, True, False]
    seams = SimpleNamespace(cell=np.array([4, 7]), neighbour=np.array([7, 9]))
    doubts = SimpleNamespace(cell=np.array([4, 7, 8, 9]))
    worst = flags.worst_seam(doubts, seams, np.array([0.5, 0.25]))
    assert worst.tolist() == [0.5, 0.5, 0, 0.25]


def test_mirror_images_lie_as_the_image(script, monkeypatch):
    """A network that gives back its image: each mirror gives the same again."""
    seams = script("seam_doubt")
    monkeypatch.setattr(
        seams,
        "segment",
        lambda image, model: SimpleNamespace(labels=image[0], probabilities=image),
    )
    image = np.arange(12.0).reshape(1, 3, 4)
    mirrors = list(seams.mirrored(image, None))
    assert len(mirrors) == 3
    for labels, probabilities in mirrors:
        assert (labels == image[0]).all()
        assert (probabilities == image).all()


def test_the_table_of_losses_inside_nnunet_has_mean_and_spread(script):
    compare = script("nnunet.compare")

    def line(seed, pq):
        scores = {"pq": [pq, 0.0, 0.0], "ap": [pq, pq / 2, 0.1]}
        return {"loss": "j4", "seed": seed, "argmax": scores, "tuned": scores}

    rows = list(compare.table({"runs": [line(0, 0.5), line(1, 0.7)]}))
    spreads = "0.600 ± 0.141 | 0.600 ± 0.141 | 0.300 ± 0.071 | 0.100 ± 0.000"
    assert rows[2:] == [f"| J4 | {rule} | 2 | {spreads} |" for rule in ("argmax", "tuned")]
    assert rows[0].count("|") == rows[1].count("|") == rows[2].count("|")


def test_streams_are_compared_call_by_call(script, monkeypatch, capsys):
    streams = script("streams")
    calls = []

    def runtime(number):
        return SimpleNamespace(
            name="drawn",
            streams=number,
            in_streams=lambda: runtime(2),
            logits=lambda image: calls.append(number) or image,
        )

    monkeypatch.setattr(streams, "load", lambda *_, **__: SimpleNamespace(runtime=runtime(1)))
    monkeypatch.setattr(streams, "PIXELS", 3 * 8**2)
    monkeypatch.setattr("sys.argv", ["streams.py", "--sides", "8", "--turns", "2"])
    streams.main()
    assert (calls.count(1), calls.count(2)) == (1 + 2 * 3, 1 + 2 * 3)
    assert capsys.readouterr().out.splitlines()[-1].endswith("| yes |")
    monkeypatch.setattr(
        streams,
        "load",
        lambda *_, **__: SimpleNamespace(runtime=SimpleNamespace(name="torch", in_streams=None)),
    )
    with pytest.raises(SystemExit, match="torch with this number of threads has one stream"):
        streams.main()


def test_what_is_found_in_noise_has_a_row_for_each_stack(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER.parent / "recipes")
    stacks = script("stacks")
    voxels = []

    def found(image, options, *, model):
        voxels.append(options.spacing)
        return SimpleNamespace(labels=np.array([[0, len(voxels)]]), caution=f"{model} is not sure")

    monkeypatch.setattr(stacks, "load", str.upper)
    monkeypatch.setattr(stacks, "segment_image", found)
    stacks.print_noise(["walls"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 24
    assert lines[-1] == "| walls | normal, (54, 154, 154), smooth 4 | 24 | WALLS is not sure |"
    assert voxels[-4] == (4.0, 1.0, 1.0)


def test_a_process_that_dies_ends_the_table_of_many_frames_and_cells(script):
    with pytest.raises(SystemExit, match="ended with code 1 before it answered"):
        script("many").row(lambda folder: None, operator.neg)  # a folder has none


def test_each_method_fuses_real_pairs_itself(script, monkeypatch, tmp_path):
    fusion = script("fusion")
    rng = np.random.default_rng(0)
    for name in ("x-A.jpg", "x-B.jpg"):
        fusion.write_photo(tmp_path / name, rng.integers(0, 255, (48, 64, 3), np.uint8))
    monkeypatch.setattr(fusion, "METRICS", {"level": lambda a, b, fused: fused.mean()})
    levels = {"dark": 10, "bright": 200}
    monkeypatch.setattr(fusion, "methods", lambda names: {name: levels[name] for name in names})

    def flat(frames, *, model):
        return SimpleNamespace(image=np.full((48, 64, 3), model, np.uint8))

    monkeypatch.setattr(fusion, "fuse", flat)
    content = fusion.real(tmp_path, list(levels), quick=False)
    assert content["means"].keys() == {"source A", "source B", *levels}
    assert {name: content["means"][name] for name in levels} == {"dark": [10], "bright": [200]}
    assert content["pairs"] == 1


def test_networks_for_pairs_are_ranked_in_turn(script):
    means = {"source A": [9.0, 9.0], "focus-pair": [3.0, 1.0], "focus-seg": [4.0, 4.0]}
    content = {"metrics": ["q_mi", "q_g"], "means": {**means, "gff": [2.0, 3.0], "dct": [1.0, 2.0]}}
    assert list(script("fusion_tables").rank_table(content)) == [
        "| | mean rank | Q_MI | Q_G |",
        "|---|---|---|---|",
        "| focus-seg | 1.00 | 1 | 1 |",
        "| gff | 1.50 | 2 | 1 |",
        "| focus-pair | 2.00 | 1 | 3 |",
        "| dct | 2.50 | 3 | 2 |",
    ]
