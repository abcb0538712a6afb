"""`seamwise fuse`."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.data import astronaut

from seamwise.io.photo import read_photo, write_photo


def test_fuse_writes_a_sharp_picture_with_the_model_that_ships(run, burst, tmp_path):
    code, out, err = run(
        "fuse", burst / "a.png", burst / "b.png", "-o", tmp_path / "sharp.png", "--no-align"
    )
    assert code == 0
    assert f"the result is in {tmp_path / 'sharp.png'}\n" in out
    assert "2 frames, 240 × 200 pixels" in err
    sharp = read_photo(tmp_path / "sharp.png").pixels.astype(float)
    truth = astronaut()[:200, 100:340].astype(float)
    sources = [read_photo(path).pixels for path in sorted(burst.iterdir())]
    assert (
        np.abs(sharp - truth).mean() < min(np.abs(source - truth).mean() for source in sources) / 4
    )


def test_fuse_with_everything_asked_for(run, burst, tmp_path):
    code, out, _ = run(
        "fuse", burst, "-o", tmp_path / "sharp.tif", "--method", "gff", "--motion", "homography",
        "--no-exposure", "--full-size", "--alignment", tmp_path / "a.json", "--depth-map",
        "--focus-maps",
    )  # fmt: skip
    assert code == 0
    assert f"the result is in {tmp_path / 'sharp.tif'}\n" in out
    written = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert written == [
        "a.json",
        "sharp.tif",
        "sharp_depth.png",
        "sharp_focus_0.png",
        "sharp_focus_1.png",
    ]
    assert read_photo(tmp_path / "sharp.tif").pixels.shape == (200, 240, 3)


def test_fuse_names_every_file_that_it_wrote(run, burst, tmp_path):
    code, _, err = run(
        "fuse", burst, "-o", tmp_path / "sharp.png", "--method", "gff", "--surface", "--depth-map",
        "--focus-maps", "--alignment", tmp_path / "a.json",
    )  # fmt: skip
    assert code == 0
    written = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert len(written) == 10
    (line,) = [line for line in err.splitlines() if line.startswith("sharp.png comes with ")]
    paths = line.removeprefix("sharp.png comes with ").split(", ")
    names = [Path(path).name for path in paths]
    assert sorted([*names, "sharp.png"]) == sorted(written)


def test_a_thing_that_moves_is_taken_from_one_frame(run, tmp_path):
    (tmp_path / "walk").mkdir()
    ground = astronaut()[:200, 100:340] // 2 + 64
    for i in range(6):
        frame = ground.copy()
        frame[90:110, 20 + 35 * i : 40 + 35 * i] = 0
        write_photo(tmp_path / "walk" / f"{i}.png", frame)
    call = "fuse", tmp_path / "walk", "--method", "gff", "--no-align", "-o"
    code, _, err = run(*call, tmp_path / "whole.png", "--moving")
    assert code == 0
    (line,) = [line for line in err.splitlines() if line.startswith("something moves: ")]
    assert line.endswith(".png shows it, the other frames give nothing there")
    image = read_photo(tmp_path / "whole.png").pixels
    assert sum(image[100, 30 + 35 * i].max() < 20 for i in range(6)) == 1


def test_moving_refuses_stacks_of_several_channels_in_one_line(run, tmp_path):
    stack = np.random.default_rng(0).integers(0, 999, (3, 2, 40, 60)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.ome.tif", stack, metadata={"axes": "ZCYX"})
    code, _, err = run("fuse", tmp_path / "x.ome.tif", "-o", tmp_path / "y.ome.tif", "--moving")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "--moving takes one channel" in err
    assert not (tmp_path / "y.ome.tif").exists()


def test_a_bad_frame_gives_one_line(run, burst, tmp_path):
    for name in ("c.jpg", "d.jpg"):
        write_photo(burst / name, read_photo(burst / "a.png").pixels)
    content = (burst / "c.jpg").read_bytes()
    (burst / "c.jpg").write_bytes(content[: len(content) // 2])
    code, out, err = run("fuse", burst, "-o", tmp_path / "sharp.png", "--method", "gff")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "c.jpg" in line
    assert "(frame 3 of 4); --skip-bad fuses the others" in line
    assert not (tmp_path / "sharp.png").exists()


@pytest.mark.parametrize("align", [[], ["--no-align", "--no-exposure"]])
def test_the_memory_is_told_when_the_first_frame_was_read(run, burst, tmp_path, align):
    for name in ("c.jpg", "d.jpg"):
        write_photo(burst / name, read_photo(burst / "a.png").pixels)
    bad = burst / ("d.jpg" if align else "a.jpg")  # the last one that is read
    if not align:
        (burst / "a.png").unlink()
        write_photo(bad, read_photo(burst / "d.jpg").pixels)
    content = bad.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    code, _, err = run("fuse", burst, "-o", tmp_path / "sharp.png", "--method", "gff", *align)
    assert code == 2
    memory, error = err.splitlines()
    assert "GB of memory" in memory
    assert bad.name in error


def test_a_burst_that_fails_is_reported_and_skipped(run, burst, tmp_path):
    bad = tmp_path / "more" / "bad"
    bad.mkdir(parents=True)
    write_photo(bad / "one.png", np.zeros((8, 9), np.uint8))
    burst.rename(tmp_path / "more" / "good")
    code, out, err = run(
        "fuse", tmp_path / "more", "-o", tmp_path / "out", "--method", "laplacian", "--no-align"
    )
    assert code == 1
    assert "two frames or more, not 1" in err
    assert "1 of 2 bursts failed" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.png", "seamwise.json"}


@pytest.mark.parametrize(("arguments", "word"), [
    (("burst/a.png", "-o", "x.png"), "two frames or more, not 1"),
    (("burst/a.png", "burst/b.png", "-o", "burst/a.png"), "is a frame and would be replaced"),
    (("burst", "-o", "other.png"), "already exists: --overwrite replaces it"),
    (("burst", "-o", "no/x.png", "--method", "best"),
     "no model named 'best': give one of focus-burst, focus-pair, focus-reg, focus-seg"),
    (("burst", "-o", "x.png", "--method", "nuclei-2d"), "is for segmentation"),
    (("burst", "-o", "x.png", "--mode", "both"), "--mode must be sequence or together, not 'both'"),
    (("burst", "-o", "x.png", "--motion", "wild"),
     "--motion must be auto, none, shift, similarity, affine or homography"),
    (("burst", "-o", "x.png", "--mode", "together", "--method", "gff", "--no-align"),
     "mode is an option of networks"),
    (("burst", "-o", "x.png", "--mode", "together", "--model", "focus-reg"),
     "needs a network that only selects"),
    (("nothing", "-o", "x.png"), "nothing"),
    (("burst", "other.png", "-o", "x.png"), "is grey"),
    (("burst", "deep.png", "-o", "x.png"), "is uint16"),
    (("burst", "text.png", "-o", "x.png"), "text.png"),
])  # fmt: skip
def test_bad_calls_are_one_line_with_exit_code_2_and_write_nothing(
    run, burst, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "other.png", np.zeros((200, 240), np.uint8))
    write_photo(tmp_path / "deep.png", np.zeros((200, 240, 3), np.uint16))
    (tmp_path / "text.png").write_text("no picture")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    code, _, err = run("fuse", *arguments)
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_an_output_that_cannot_be_written_is_reported(run, burst, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("fuse", burst, "-o", tmp_path / "file" / "x.png", "--method", "gff")
    assert code == 2
    assert "cannot" in err
