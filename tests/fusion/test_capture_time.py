from datetime import datetime, timedelta

import numpy as np
import PIL.Image
import pytest

from seamwise.fusion import FuseOptions, FuseOutputs, fuse_files, plan
from seamwise.fusion.capture_time import split_by_time

START = datetime(2026, 5, 4, 23, 59, 50)


def photograph(folder, number, seconds):
    """A JPEG, taken so many seconds after the start; None: it does not tell."""
    exif = PIL.Image.Exif()
    if seconds is not None:
        when = START + timedelta(seconds=seconds)
        inner = exif.get_ifd(0x8769)
        inner[0x9003], inner[0x9291] = when.strftime("%Y:%m:%d %H:%M:%S"), f"{when:%f}"[:2]
    pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
    path = folder / f"IMG_{number:04}.jpg"
    PIL.Image.fromarray(pixels).save(path, exif=exif)
    return path


# two bursts of three and two, one alone; midnight and the counter roll over within the second
TIMES = {9996: 0, 9997: 0.5, 9998: 1.0, 9999: 9.5, 1: 11.0, 2: 300.0}


def card(folder):
    folder.mkdir()
    return [photograph(folder, number, seconds) for number, seconds in TIMES.items()]


def test_pauses_part_bursts(tmp_path):
    paths = card(tmp_path / "card")
    assert split_by_time(sorted(paths)) == [paths[:3], paths[3:5], paths[5:]]


def test_a_long_exposure_is_not_a_pause(tmp_path):
    paths = [photograph(tmp_path, number, 4 * number) for number in range(6)]
    assert split_by_time(paths) == [paths]


def shots(folder, gaps):
    """Photographs that lie so many seconds after each other."""
    return [photograph(folder, number, t) for number, t in enumerate(np.cumsum([0, *gaps]))]


def irregular(least, most, count):
    """Gaps in no order, of which no five in a row are alike."""
    return list(np.random.default_rng(0).permutation(np.geomspace(least, most, count)))


@pytest.mark.parametrize(("pace", "least"), [(0.5, 4), (4, 20)])
def test_single_photographs_may_outnumber_those_of_bursts(tmp_path, pace, least):
    gaps = irregular(least, 58, 50)
    for place in (35, 20, 5):
        gaps[place:place] = 7 * [pace]
    paths = shots(tmp_path, gaps)
    bursts = [burst for burst in split_by_time(paths) if len(burst) > 1]
    assert bursts == [paths[5:13], paths[27:35], paths[49:57]]


def test_a_slow_burst_among_fast_ones_has_six_frames_or_more(tmp_path):
    fast = 7 * [0.5]
    paths = shots(tmp_path, [*fast, 20, *(5 * [6.0]), 30, *fast])
    assert split_by_time(paths) == [paths[:8], paths[8:14], paths[14:]]
    few = shots(tmp_path, [*fast, 20, *(4 * [6.0]), 30, *fast])
    assert [len(burst) for burst in split_by_time(few)] == [8, 1, 1, 1, 1, 1, 8]


@pytest.mark.parametrize(
    ("gaps", "counts"),
    [
        # even single photographs are taken for a burst
        ([*(7 * [0.5]), 30, *(8 * [10]), 33, *(7 * [0.5])], [8, 9, 8]),
        # the gap behind a fast burst stays a pause
        ([*(7 * [0.5]), *(6 * [6])], [8, 6]),
        # a few quick shots among slow bursts
        ([3.0, 3, 3, 3, 20, 0, 0, 1, 20, 3, 3, 4, 3], [5, 4, 5]),
        ([0.2, 0.2, 0.2, 30, 3, 5, 3.5, 6, 4, 5, 3, 6], [4, 9]),
        # a short pause between fast bursts, next to a long one
        ([0.2, 0.2, 0.2, 3, 0.2, 0.2, 0.2, 20, 0.2, 0.2], [4, 4, 3]),
        # single photographs more than a minute apart
        ([0.5, 0.5, 0.5, 10, 100, 120, 100, 150, 90], [4, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_bursts_of_several_paces(tmp_path, gaps, counts):
    paths = shots(tmp_path, gaps)
    assert [len(burst) for burst in split_by_time(paths)] == counts


def test_a_card_becomes_a_picture_for_each_burst_named_like_its_first_frame(tmp_path):
    card(tmp_path / "card")
    options, files = FuseOptions(model="gff"), FuseOutputs(split_by_time=True)
    outcomes = list(fuse_files([tmp_path / "card"], tmp_path / "out", options, files=files))
    assert not any(outcome.failed for outcome in outcomes)
    assert outcomes[0].messages[0] == "IMG_0002.jpg: taken alone, so skipped"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"IMG_9996.jpg", "IMG_9999.jpg", "seamwise.json"}


def test_what_cannot_be_split_is_refused(tmp_path):
    files = FuseOutputs(split_by_time=True)
    paths = card(tmp_path / "card")
    with pytest.raises(ValueError, match="--split-by-time needs a folder for its pictures"):
        plan([tmp_path / "card"], tmp_path / "x.png", files)
    with pytest.raises(ValueError, match="no two of 2 photographs were taken within a burst"):
        plan([paths[0], paths[5]], tmp_path / "out", files)
    photograph(tmp_path / "card", 5000, None)
    with pytest.raises(ValueError, match=r"IMG_5000.jpg does not tell in EXIF when it was taken"):
        plan([tmp_path / "card"], tmp_path / "out", files)


def test_a_photograph_that_cannot_be_read_is_skipped_if_asked_for(tmp_path):
    paths = card(tmp_path / "card")
    paths[1].write_bytes(b"not a photograph")
    files = FuseOutputs(split_by_time=True)
    with pytest.raises(ValueError, match=r"IMG_9997.jpg .*; --skip-bad skips it"):
        plan([tmp_path / "card"], tmp_path / "out", files)
    options = FuseOptions(model="gff", skip_bad=True)
    outcomes = list(fuse_files([tmp_path / "card"], tmp_path / "out", options, files=files))
    assert not any(outcome.failed for outcome in outcomes)
    skipped, alone = outcomes[0].messages[0].split("; IMG_0002")
    assert skipped.startswith("skipped: ")
    assert "IMG_9997.jpg" in skipped
    assert alone == ".jpg: taken alone, so skipped"
