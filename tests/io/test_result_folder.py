"""`open_results` lets runs of one way into a folder, and those of another only afterwards."""

import gc
import subprocess
import sys
from importlib.resources import files

import pytest
from imageio.v3 import imread, imwrite

from seamwise.io.jsonfile import read_json
from seamwise.io.provenance import RECORD, Provenance
from seamwise.io.result_folder import open_results
from support.files import one_line

SAMPLE = files("seamwise") / "samples" / "nuclei.png"
SEGMENT = """
import sys
from pathlib import Path
from seamwise.segmentation import SegmentOptions, load, segment_files

images, output, diameter = sys.argv[1:]
model = load("nuclei-2d")
print("ready", flush=True)
sys.stdin.readline()
options = SegmentOptions(diameter=float(diameter))
try:
    list(segment_files([images], Path(output), options, model=model))
except (OSError, ValueError) as error:
    sys.exit(str(error))
"""


def begin(folder, way, *, overwrite=False):
    return open_results(
        folder,
        Provenance({"way": way}),
        list_results=lambda: set(folder.glob("*.txt")),
        targets={folder / "a.txt"},
        overwrite=overwrite,
        remove_targets=lambda: (folder / "a.txt").unlink(missing_ok=True),
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_way_waits_for_the_end_of_a_run(tmp_path, overwrite):
    with begin(tmp_path, 1):
        with pytest.raises(BlockingIOError) as caught:
            begin(tmp_path, 2, overwrite=overwrite)
        assert one_line(caught, f"into {tmp_path}", "made with way = 1, not 2", "wait for it")
        assert read_json(tmp_path / RECORD)["way"] == 1
    with begin(tmp_path, 2):
        assert read_json(tmp_path / RECORD)["way"] == 2
    assert names(tmp_path) == [RECORD]


def test_runs_of_one_way_share_a_folder(tmp_path):
    first, second = begin(tmp_path, 1), begin(tmp_path, 1)
    first.close()
    with pytest.raises(BlockingIOError):
        begin(tmp_path, 2)
    second.close()
    begin(tmp_path, 2).close()


def test_a_finished_run_keeps_its_results(tmp_path):
    with begin(tmp_path, 1):
        (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"holds a\.txt, made with way = 1"):
        begin(tmp_path, 2)
    begin(tmp_path, 2, overwrite=True).close()
    assert names(tmp_path) == [RECORD]


def test_runs_lock_few_names_so_that_leftovers_of_each_are_found(tmp_path):
    def locked():
        return {name for name in names(tmp_path) if name.endswith(".run")}

    with begin(tmp_path, 1):
        first = locked()
        with begin(tmp_path, 1):
            assert len(locked()) == 2
    with begin(tmp_path, 1):
        assert locked() == first
    assert names(tmp_path) == [RECORD]


def test_a_run_that_is_dropped_or_killed_lets_others_in(tmp_path):
    begin(tmp_path, 1)
    gc.collect()
    (tmp_path / ".seamwise-0123.run").touch()  # of a killed process
    begin(tmp_path, 2).close()
    assert names(tmp_path) == [RECORD]


def test_two_processes_that_start_at_once_do_not_mix_their_results(tmp_path):
    """Whichever is later hears that the other is at work, or what it has made."""
    image = imread(SAMPLE)[:64, :64]
    (tmp_path / "images").mkdir()
    for name in "abc":
        imwrite(tmp_path / "images" / f"{name}.tif", image)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SEGMENT, tmp_path / "images", tmp_path / "out", diameter],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for diameter in ("15", "60")
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1], errors
    refusal = max(errors, key=len)
    assert "another process" in refusal or "choose another folder" in refusal
    labels = [imread(tmp_path / "out" / f"{name}.tif") for name in "abc"]
    assert all((other == labels[0]).all() for other in labels)
    assert names(tmp_path / "out") == ["a.tif", "b.tif", "c.tif", RECORD]
