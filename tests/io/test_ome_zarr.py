"""OME-Zarr: we read what other programs write, or refuse it in one line; they accept ours."""

import json
import pickle
import shutil
from importlib import import_module

import numpy as np
import pytest
import zarr

from seamwise.io.errors import DamagedError
from seamwise.io.images import read_image, read_labels, read_spaced_labels
from seamwise.io.listing import find_images, stem
from seamwise.io.ome_zarr import (
    Level,
    ZarrStorage,
    create_image,
    create_labels,
    is_ome_zarr,
    label_names,
    labels_of,
    open_ome_zarr,
    plan_label_levels,
    plan_levels,
    write_image,
)
from seamwise.io.ome_zarr.metadata import read_attributes
from seamwise.io.volume import open_volume
from seamwise.labels.colours import colours_of
from support.files import counting, one_line

VERSIONS = ["0.4", "0.5"]
UM = "micrometer"


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def foreign(path, arrays, *, version="0.5", letters="yx", units=None, chunks=None, **changes):
    """An image as other programs write it; `changes` are fields of its multiscales, or None."""
    form = 2 if version == "0.4" else 3
    datasets = []
    for i, (pixels, scale) in enumerate(arrays):
        array = zarr.create_array(
            store=str(path / f"s{i}"),
            shape=pixels.shape,
            dtype=pixels.dtype,
            chunks=chunks[i] if chunks else (2,) * pixels.ndim,
            zarr_format=form,
            chunk_key_encoding={"name": "v2" if form == 2 else "default", "separator": "/"},
        )
        array[...] = pixels
        step = [{"type": "scale", "scale": scale}] if scale else []
        datasets.append({"path": f"s{i}", "coordinateTransformations": step})
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": a, "type": kinds.get(a, "space")} for a in letters]
    for axis, unit in zip(named, units or [None] * len(letters), strict=True):
        axis.update({"unit": unit} if unit else {})
    scales = {"version": version, "axes": named, "datasets": datasets, **changes}
    rewrite(path, {"multiscales": [{k: v for k, v in scales.items() if v is not None}]}, version)
    return path


def rewrite(path, attributes, version):
    path.mkdir(exist_ok=True)
    if version == "0.4":
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps(attributes))
    else:
        ome = {"ome": {"version": version, **attributes}}
        (path / "zarr.json").write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": ome})
        )


def refused(path, *words):
    with pytest.raises(ValueError, match=r"\w") as caught:
        open_ome_zarr(path)
    return one_line(caught, str(path), *words)


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("yx", (5, 7)),
        ("zyx", (3, 5, 7)),
        ("cyx", (2, 5, 7)),
        ("tyx", (1, 5, 7)),
        ("tczyx", (1, 2, 3, 5, 7)),
        ("xyz", (7, 5, 3)),
    ],
)
def test_axes_and_levels_of_other_programs(tmp_path, version, axes, shape):
    pixels = counting(shape)
    half = pixels[tuple(slice(None, None, 2) if a in "yx" else slice(None) for a in axes)]
    scale = [0.5 if a in "yx" else 2.0 for a in axes]
    arrays = [
        (pixels, scale),
        (half, [2 * s if a in "yx" else s for s, a in zip(scale, axes, strict=True)]),
    ]
    units = [UM if a in "zyx" else None for a in axes]
    path = foreign(tmp_path / "x.zarr", arrays, version=version, letters=axes, units=units)
    image = open_ome_zarr(path)
    assert (image.version, image.axes, image.dtype, image.note) == (
        version,
        axes.upper(),
        np.uint16,
        "",
    )
    assert [level.path for level in image.levels] == ["s0", "s1"]
    assert [level.shape for level in image.levels] == [shape, half.shape]
    assert image.levels[1].scale == tuple(arrays[1][1])
    assert image.spacing == tuple(scale[axes.index(a)] for a in axes if a in "zyx")
    read = read_image(path)
    order = [a for a in "czyx" if a in axes]
    np.testing.assert_array_equal(read.data, np.einsum(f"{axes}->{''.join(order)}", pixels))
    assert read.axes == "".join(order).upper()


@pytest.mark.parametrize(
    ("units", "spacing"),
    [
        ([UM, "nanometer"], (2.0, 0.003)),
        (["millimeter", "angstrom"], (2000.0, 0.0003)),
        ([UM, None], None),
        ([None, None], None),
        ([UM, "parsec"], None),
    ],
)
def test_units(tmp_path, units, spacing):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)), [2.0, 3.0])], units=units)
    assert open_ome_zarr(path).spacing == (spacing and pytest.approx(spacing))
    assert read_image(path).spacing == (spacing and pytest.approx(spacing))


def test_transformations_of_the_whole_image_come_after_those_of_a_level(tmp_path):
    path = foreign(
        tmp_path / "x.zarr",
        [(counting((5, 7)), [2.0, 3.0])],
        coordinateTransformations=[
            {"type": "scale", "scale": [10, 1]},
            {"type": "translation", "translation": [5, 6]},
        ],
    )
    (level,) = open_ome_zarr(path).levels
    assert (level.scale, level.translation) == ((20.0, 3.0), (5.0, 6.0))


def test_levels_may_have_chunks_of_their_own_that_do_not_divide_them(tmp_path, version):
    pixels, chunks = counting((7, 11)), [(3, 4), (5, 1)]
    arrays = [(pixels, [1.0, 1.0]), (pixels[::2, ::2], [2.0, 2.0])]
    image = open_ome_zarr(foreign(tmp_path / "x.zarr", arrays, version=version, chunks=chunks))
    assert [level.chunks for level in image.levels] == [(3, 4), (5, 1)]
    for level, (values, _) in enumerate(arrays):
        np.testing.assert_array_equal(
            image.pixels(level)[(slice(None), slice(1, None))], values[:, 1:]
        )
    volume = open_volume(tmp_path / "x.zarr")
    assert volume.chunks == (3, 4)
    np.testing.assert_array_equal(volume.read((slice(2, 7), slice(3, 9)))[0], pixels[2:7, 3:9])


def test_missing_scales_are_noted(tmp_path, version):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)), None)], version=version, units=[UM, UM])
    image = open_ome_zarr(path)
    assert (image.spacing, image.levels[0].scale) == (None, None)
    assert (
        image.note == "x.zarr has no scale in multiscales[0].datasets[0].coordinateTransformations"
    )
    assert image.note in read_image(path).note


def test_scales_that_no_pixel_can_have_are_noted(tmp_path, version):
    arrays = [(counting((5, 7)), [1e30, 0.5])]
    path = foreign(tmp_path / "x.zarr", arrays, version=version, units=[UM, UM])
    image = open_ome_zarr(path)
    assert (image.sizes, image.spacing) == ({"X": 0.5}, None)
    assert image.note == "x.zarr gives a pixel size of 1e+30 µm along Y: it counts as missing"
    assert image.note in read_image(path).note


def test_axes_that_are_only_named_and_no_axes_at_all(tmp_path):
    image = open_ome_zarr(
        foreign(tmp_path / "x.zarr", [(counting((5, 7)), None)], version="0.3", letters="yx")
    )
    assert (image.version, image.axes) == ("0.3", "YX")
    pixels = counting((1, 2, 3, 5, 7))
    path = foreign(tmp_path / "y.zarr", [(pixels, None)], version="0.1", letters="tczyx")
    scales = {"version": "0.1", "datasets": [{"path": "s0"}]}
    rewrite(path, {"multiscales": [scales]}, "0.1")
    np.testing.assert_array_equal(read_image(path).data, pixels[0])
    rewrite(path, {"multiscales": [{**scales, "axes": list("tczyx")}]}, "0.1")
    assert open_ome_zarr(path).axes == "TCZYX"


@pytest.mark.parametrize("axes", ["ctyx", "ycx", "yyx", "zyq", "zcx"])
def test_axes_that_are_not_of_the_format(tmp_path, version, axes):
    path = foreign(
        tmp_path / "x.zarr", [(counting((2, 5, 7)), None)], version=version, letters=axes
    )
    assert refused(path, "multiscales[0].axes", ", ".join(axes), "expected t, c, z, y, x")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": None}, ("multiscales[0].axes", "None")),
        ({"axes": [{"name": "x"}]}, ("axes are x",)),
        ({"axes": list("zyx")}, ("names 3 axes", "its arrays have 2")),
        ({"datasets": None}, ("multiscales[0].datasets", "a list of levels")),
        ({"datasets": []}, ("multiscales[0].datasets",)),
        ({"datasets": ["s0"]}, ("multiscales[0].datasets",)),
        ({"datasets": [{}]}, ("multiscales[0].datasets[0].path",)),
        (
            {"datasets": [{"path": "../x.zarr/s0"}]},
            ("an array in this folder, not '../x.zarr/s0'",),
        ),
        ({"datasets": [{"path": "s9"}]}, ("datasets[0].path is 's9', which is not an array",)),
        (
            {"datasets": [{"path": "s1"}, {"path": "s0"}]},
            ("datasets[1] has shape (5, 7)", "(3, 4)"),
        ),
        ({"datasets": [{"path": "s0"}, {"path": "s2"}]}, ("datasets[1] holds float32",)),
        ({"datasets": [{"path": "s0"}, {"path": "s3"}]}, ("datasets[1] has shape (5,)",)),
        ({"coordinateTransformations": 7}, ("multiscales[0].coordinateTransformations",)),
        (
            {"coordinateTransformations": [{"type": "scale", "scale": [1, 0]}]},
            ("2 positive numbers",),
        ),
        (
            {"coordinateTransformations": [{"type": "scale", "scale": [1, 2, 3]}]},
            ("2 positive numbers",),
        ),
        (
            {"coordinateTransformations": [{"type": "scale", "scale": [1, 10**400]}]},
            ("2 positive numbers",),
        ),
        (
            {"coordinateTransformations": [{"type": "scale", "scale": "wide"}]},
            ("2 positive numbers",),
        ),
        (
            {"coordinateTransformations": [{"type": "translation", "translation": [1]}]},
            ("translation must be 2",),
        ),
    ],
)
def test_metadata_that_do_not_fit_are_named(tmp_path, version, changes, words):
    arrays = [
        (counting((5, 7)), None),
        (counting((3, 4)), None),
        (counting((3, 4), "float32"), None),
    ]
    path = foreign(tmp_path / "x.zarr", arrays, version=version, **changes)
    form = 2 if version == "0.4" else 3
    zarr.create_array(store=str(path / "s3"), shape=(5,), dtype="uint16", zarr_format=form)
    assert refused(path, *words)


def test_group_without_an_image(tmp_path, version):
    rewrite(tmp_path / "x.zarr", {}, version)
    assert refused(tmp_path / "x.zarr", "has no multiscales")
    foreign(tmp_path / "x.zarr" / "0", [(counting((5, 7)), None)], version=version)
    assert refused(tmp_path / "x.zarr", "give the image inside", str(tmp_path / "x.zarr" / "0"))
    rewrite(tmp_path / "x.zarr", {"multiscales": {"axes": 7}}, version)
    assert refused(tmp_path / "x.zarr", "multiscales must be a list")


def test_unknown_version(tmp_path):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)), None)], version="0.9")
    assert refused(path, "version 0.9, not 0.4 or 0.5")


def test_damaged_metadata(tmp_path):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)), None)])
    (path / "s0" / "zarr.json").write_text("{}")
    assert refused(path, "s0")
    (path / "zarr.json").write_text("{")
    assert refused(path, "zarr.json is not JSON")
    (path / "zarr.json").write_text('{"attributes": {"ome": 7}}')
    assert refused(path, "attributes.ome")


def test_no_such_folder_and_no_metadata(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_ome_zarr(tmp_path / "no.zarr")
    assert not is_ome_zarr(tmp_path)
    assert refused(tmp_path, "holds no zarr.json, .zattrs or .zgroup")


@pytest.mark.parametrize("left", [0, 5, -1])
def test_damaged_chunk_is_named_and_a_missing_one_is_zeros(tmp_path, version, left):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)) + 1, None)], version=version)
    file = "1/2" if version == "0.4" else "c/1/2"
    chunk = path / "s0" / file
    chunk.write_bytes(chunk.read_bytes()[:left])
    pixels = open_ome_zarr(path).pixels()
    with pytest.raises(
        DamagedError, match=rf"chunk \(1, 2\) \(file {file}\) of .*x\.zarr/s0"
    ) as caught:
        pixels[0:5, 0:7]
    assert one_line(caught, "copy or export it again")
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    with pytest.raises(DamagedError):
        read_image(path)
    np.testing.assert_array_equal(pixels[0:2, 0:7], counting((5, 7))[:2] + 1)
    chunk.unlink()
    expected = counting((5, 7)) + 1
    expected[2:4, 4:6] = 0
    np.testing.assert_array_equal(read_image(path).data, expected)


# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int16", "float32"])
def test_every_dtype_comes_back(tmp_path, version, dtype):
    pixels = counting((2, 3, 5, 7), dtype)
    write_image(
        tmp_path / "x.zarr",
        pixels,
        axes="CZYX",
        spacing=(2, 0.5, 0.25),
        storage=ZarrStorage(version=version, chunks=(2, 3, 4)),
    )
    image = read_image(tmp_path / "x.zarr")
    np.testing.assert_array_equal(image.data, pixels)
    assert (image.data.dtype, image.axes, image.spacing, image.note) == (
        pixels.dtype,
        "CZYX",
        (2.0, 0.5, 0.25),
        "",
    )


def test_without_spacing_there_is_none(tmp_path, version):
    write_image(
        tmp_path / "x.zarr", counting((5, 7)), axes="YX", storage=ZarrStorage(version=version)
    )
    assert read_image(tmp_path / "x.zarr").spacing is None


def test_levels_halve_the_long_spatial_axes():
    levels = plan_levels("TCZYX", (2, 600, 5, 600, 1100), spacing=(3, 1, 0.5))
    assert [level.shape[1:] for level in levels] == [
        (600, 5, 600, 1100),
        (600, 5, 300, 550),
        (600, 5, 150, 275),
        (600, 5, 150, 138),
    ]
    assert [level.scale for level in levels][2:] == [(1, 1, 3, 4, 2), (1, 1, 3, 4, 4)]
    assert [level.path for level in levels] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("shape", "count", "shapes"),
    [
        ((9, 5), 3, [(9, 5), (5, 3), (3, 2)]),
        ((2, 1), 9, [(2, 1), (1, 1)]),
        ((300, 5), 1, [(300, 5)]),
        # as long as an axis is longer than 256, only such axes are halved
        ((300, 5), 3, [(300, 5), (150, 5), (75, 3)]),
        ((256, 257), None, [(256, 257), (256, 129)]),
    ],
)
def test_number_of_levels(shape, count, shapes):
    assert [level.shape for level in plan_levels("YX", shape, levels=count)] == shapes


@pytest.mark.parametrize(
    ("axes", "shape", "chunks"),
    [
        ("YX", (5000, 5000), (1024, 1024)),
        ("ZYX", (500, 500, 500), (64, 64, 64)),
        ("ZYX", (16, 500, 500), (16, 128, 128)),
        ("TCYX", (2, 2, 5000, 70), (1, 1, 1024, 70)),
    ],
)
def test_chunks_hold_about_as_many_pixels(axes, shape, chunks):
    assert plan_levels(axes, shape)[0].chunks == chunks


def test_chunks_are_those_of_the_draft_and_clipped_to_each_level(tmp_path):
    first, second = plan_levels("CYX", (2, 300, 40), chunks=(200, 64))
    assert (first.chunks, second.chunks) == ((1, 200, 40), (1, 150, 40))
    assert plan_levels("CYX", (2, 300, 40), chunks=(2, 200, 64))[0].chunks == (2, 200, 40)
    storage = ZarrStorage(chunks=(200, 64))
    draft = create_image(
        tmp_path / "x.zarr", (2, 300, 40), axes="CYX", dtype="uint8", storage=storage
    )
    assert draft.levels[0].chunks == draft.array.chunks == (1, 200, 40)


def test_levels_of_labels_are_those_of_the_image_without_channels():
    image = (
        Level("s0", (2, 9, 8), (1, 4, 4), (1, 0.5, 0.25), (0, 4, 0)),
        Level("s1", (2, 3, 4), (1, 4, 4), None),
    )
    first, second = plan_label_levels("CYX", image, chunks=(4, 4))
    assert first == Level("0", (9, 8), (4, 4), (0.5, 0.25), (4, 0))
    assert second == Level("1", (3, 4), (3, 4), (1.5, 0.5))  # scale by the ratio of the shapes


def test_lower_levels_of_an_image_are_means(tmp_path, version):
    pixels = np.array([[1, 2, 10], [4, 6, 20], [7, 8, 9]], np.uint8)
    write_image(
        tmp_path / "x.zarr",
        pixels,
        axes="YX",
        storage=ZarrStorage(version=version, levels=2, chunks=(1, 1)),
    )
    level = open_ome_zarr(tmp_path / "x.zarr").pixels(1)[0:2, 0:2]
    np.testing.assert_array_equal(level, [[3, 15], [8, 9]])  # 13/4, 30/2; 15/2 to the even one, 9


def test_lower_levels_of_labels_are_numbers_of_the_first(tmp_path, version):
    labels = np.array([[1, 2, 10], [4, 6, 20], [7, 8, 9]], np.uint32)
    write_image(
        tmp_path / "x.zarr",
        labels,
        axes="YX",
        labels=True,
        storage=ZarrStorage(version=version, levels=2, chunks=(1, 1)),
    )
    level = open_ome_zarr(tmp_path / "x.zarr").pixels(1)[0:2, 0:2]
    np.testing.assert_array_equal(level, [[1, 10], [7, 9]])


@pytest.mark.parametrize("labels", [True, False])
def test_a_pyramid_in_chunks_is_that_of_the_whole(tmp_path, labels):
    pixels = np.random.default_rng(0).integers(0, 1000, (2, 9, 21, 30)).astype(np.uint16)
    write_image(
        tmp_path / "x.zarr",
        pixels,
        axes="CZYX",
        labels=labels,
        storage=ZarrStorage(levels=3, chunks=(2, 4, 8, 11)),
    )
    whole = [pixels[:, ::step, ::step, ::step] for step in (1, 2, 4)]
    for level, expected in enumerate(whole):
        found = open_ome_zarr(tmp_path / "x.zarr").pixels(level)
        part = found[tuple(slice(0, n) for n in found.shape)]
        assert part.shape == expected.shape
        if labels:
            np.testing.assert_array_equal(part, expected)
    if not labels:  # where no edge is cut
        box = pixels[:, :8, :20, :28].reshape(2, 4, 2, 10, 2, 14, 2).mean((2, 4, 6))
        found = open_ome_zarr(tmp_path / "x.zarr").pixels(1)[0:2, 0:4, 0:10, 0:14]
        np.testing.assert_array_equal(found, np.rint(box))


def test_labels_have_the_scales_of_their_image(tmp_path, version):
    # a pyramid by 3 and 2 that starts at 4 µm, as another program wrote it
    arrays = [(counting((2, 9, 8)), [1, 0.5, 0.25]), (counting((2, 3, 4)), [1, 1.5, 0.5])]
    path = foreign(
        tmp_path / "x.zarr",
        arrays,
        version=version,
        letters="cyx",
        units=[None, UM, UM],
        coordinateTransformations=[{"type": "translation", "translation": [0, 4, 0]}],
    )
    draft = create_labels(path, "cells", chunks=(4, 4))
    draft.array[...] = labels = counting((9, 8))
    assert draft.finish() == path / "labels" / "cells"
    image, found = open_ome_zarr(path), open_ome_zarr(path / "labels" / "cells")
    assert (found.version, found.axes, found.dtype, found.spacing) == (
        version,
        "YX",
        np.uint32,
        image.spacing,
    )
    assert [level.scale for level in found.levels] == [level.scale[1:] for level in image.levels]
    assert [level.translation for level in found.levels] == [(4, 0), (4, 0)]
    np.testing.assert_array_equal(found.pixels(1)[0:3, 0:4], labels[::3, ::2])


def test_labels_of_an_image_without_scales(tmp_path):
    path = foreign(tmp_path / "x.zarr", [(counting((9, 8)), None), (counting((5, 4)), None)])
    draft = create_labels(path, "cells")
    assert [level.scale for level in draft.levels] == [(1, 1), (9 / 5, 2)]


def test_draft_is_filled_by_boxes_of_the_spatial_axes(tmp_path):
    write_image(tmp_path / "x.zarr", counting((2, 3, 1, 5, 7)), axes="TCZYX")
    draft = pickle.loads(
        pickle.dumps(create_labels(tmp_path / "x.zarr", "cells", chunks=(1, 3, 4)))
    )
    assert (draft.axes, draft.shape, draft.chunks) == ("TZYX", (1, 5, 7), (1, 3, 4))
    block = counting((3, 4), "int64") + 1
    draft.write((slice(0, 3), slice(0, 4)), block, time=1)  # as of a flat image
    draft.write((slice(0, 1), slice(3, 5), slice(4, 7)), np.full((1, 2, 3), 99), time=1)
    copy = pickle.loads(pickle.dumps(draft))
    assert copy.array is not draft.array  # each process opens its own
    assert (copy.array[0] == 0).all()
    np.testing.assert_array_equal(draft.read((slice(0, 3), slice(0, 4)), time=1), block)
    np.testing.assert_array_equal(draft.array[1, 0, 3:, 4:], np.full((2, 3), 99))
    with pytest.raises(ValueError, match="pixels have shape"):
        draft.write((slice(0, 3), slice(0, 4)), block.T)
    with pytest.raises(ValueError, match="box must be"):
        draft.write((slice(0, 6), slice(0, 4)), block)
    with pytest.raises(ValueError, match="which has time points 0 to 1"):
        draft.write((slice(0, 3), slice(0, 4)), block, time=2)


def test_nothing_unfinished_looks_finished(tmp_path, version):
    write_image(
        tmp_path / "x.zarr", counting((5, 7)), axes="YX", storage=ZarrStorage(version=version)
    )
    draft = create_labels(tmp_path / "x.zarr", "cells")
    draft.array[...] = 1
    assert label_names(tmp_path / "x.zarr") == ()
    assert not (tmp_path / "x.zarr" / "labels").exists()
    assert not is_ome_zarr(draft.folder)
    image = create_image(
        tmp_path / "y.zarr", (5, 7), axes="YX", dtype="uint8", storage=ZarrStorage(version=version)
    )
    assert [path.name for path in find_images(tmp_path)] == ["x.zarr"]
    image.discard()
    draft.finish()
    assert label_names(tmp_path / "x.zarr") == ("cells",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.zarr"]
    assert [
        path.name
        for path in (tmp_path / "x.zarr").iterdir()
        if path.name.endswith((".part", ".old"))
    ] == []


def test_a_write_that_fails_leaves_nothing_and_the_old_image(tmp_path, monkeypatch):
    write_image(tmp_path / "x.zarr", counting((5, 7)), axes="YX")
    monkeypatch.setattr(
        "seamwise.io.ome_zarr.draft.build_level",
        lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        write_image(
            tmp_path / "x.zarr",
            counting((3, 4)),
            axes="YX",
            storage=ZarrStorage(levels=2),
            overwrite=True,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["x.zarr"]
    np.testing.assert_array_equal(read_image(tmp_path / "x.zarr").data, counting((5, 7)))


def test_what_is_there_is_replaced_only_if_asked(tmp_path, version):
    path = tmp_path / "x.zarr"
    write_image(path, counting((5, 7)), axes="YX", storage=ZarrStorage(version=version))
    with pytest.raises(FileExistsError, match="overwrite=True") as caught:
        write_image(path, counting((3, 4)), axes="YX")
    assert one_line(caught, "x.zarr")
    for value in (1, 2):
        draft = create_labels(path, "cells", overwrite=value == 2)
        draft.array[...] = value
        draft.finish()
    with pytest.raises(FileExistsError, match="labels/cells already exists"):
        create_labels(path, "cells")
    late = create_image(tmp_path / "y.zarr", (5, 7), axes="YX", dtype="uint8")
    (tmp_path / "y.zarr").mkdir()
    with pytest.raises(FileExistsError, match=r"y\.zarr already exists"):
        late.finish()
    assert label_names(path) == ("cells",)
    assert (read_labels(path) == 2).all()
    create_labels(path, "nuclei").finish()
    assert label_names(path) == ("cells", "nuclei")
    write_image(
        path, counting((3, 4)), axes="YX", overwrite=True, storage=ZarrStorage(version=version)
    )
    assert read_image(path).data.shape == (3, 4)
    assert label_names(path) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": "XY"}, "axes must be"),
        ({"axes": "ZX"}, "axes must be"),
        ({"axes": "YYX"}, "shape must be"),
        ({"axes": "ZYX"}, "shape must be 3 positive numbers"),
        ({"shape": (0, 7)}, "shape must be"),
        ({"dtype": "complex64"}, "dtype must be integers or real numbers"),
        ({"dtype": "float32", "labels": True}, "dtype must be integers of"),
        ({"dtype": bool}, "dtype must be"),
        ({"storage": ZarrStorage(version="0.3")}, "version must be '0.4' or '0.5'"),
        ({"storage": ZarrStorage(levels=0)}, "levels must be 1 or more"),
        ({"spacing": (1.0,)}, "spacing must be 2 positive numbers"),
        ({"spacing": (1.0, 0.0)}, "spacing must be"),
        ({"storage": ZarrStorage(chunks=(1, 2, 3))}, "chunks must be"),
        ({"storage": ZarrStorage(chunks=(0, 2))}, "chunks must be"),
    ],
)
def test_arguments_out_of_range(tmp_path, options, words):
    options = {"shape": (5, 7), "axes": "YX", "dtype": "uint8", **options}
    with pytest.raises(ValueError, match=words) as caught:
        create_image(tmp_path / "x.zarr", options.pop("shape"), **options)
    assert one_line(caught)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_is_finished_or_discarded_at_the_end_of_its_block(tmp_path, version):
    options = {"axes": "YX", "dtype": "uint16", "storage": ZarrStorage(version=version, levels=2)}
    with create_image(tmp_path / "x.zarr", (5, 7), **options) as draft:
        draft.write((slice(0, 5), slice(0, 7)), counting((5, 7)))
        assert [path.name for path in tmp_path.iterdir()] == [".x.zarr.part"]
    np.testing.assert_array_equal(read_image(tmp_path / "x.zarr").data, counting((5, 7)))
    assert open_ome_zarr(tmp_path / "x.zarr").pixels(1).shape == (3, 4)
    with pytest.raises(KeyboardInterrupt), create_image(tmp_path / "y.zarr", (5, 7), **options):
        raise KeyboardInterrupt
    with (
        pytest.raises(FileExistsError, match="already exists"),
        create_image(tmp_path / "z.zarr", (5, 7), **options) as draft,
    ):
        draft.path.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.zarr", "z.zarr"]


@pytest.mark.parametrize("name", ["", "a/b", ".a", "..", "__a"])
def test_names_of_labels(tmp_path, name):
    write_image(tmp_path / "x.zarr", counting((5, 7)), axes="YX")
    with pytest.raises(ValueError, match="name must be a plain name"):
        create_labels(tmp_path / "x.zarr", name)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        create_image(tmp_path / "no" / "x.zarr", (5, 7), axes="YX", dtype="uint8")


# --------------------------------------------- what others say of what we write


@pytest.fixture
def written(tmp_path, version):
    path = tmp_path / "x.ome.zarr"
    write_image(
        path,
        counting((1, 2, 3, 300, 40)),
        axes="TCZYX",
        spacing=(2, 0.5, 0.25),
        storage=ZarrStorage(version=version),
    )
    draft = create_labels(path, "cells", dtype=np.uint32)
    draft.array[...] = 7
    draft.finish()
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ome_zarr")
def test_ome_zarr_finds_image_and_labels(written):
    io, reader = import_module("ome_zarr.io"), import_module("ome_zarr.reader")
    nodes = {
        str(node.zarr).split("x.ome.zarr")[1]: node
        for node in reader.Reader(io.parse_url(written))()
    }
    image, cells = (
        nodes[" [zgroup]"],
        nodes["/labels/cells [zgroup] (hidden)".removesuffix(" (hidden)")],
    )
    assert [array.shape for array in image.data] == [(1, 2, 3, 300, 40), (1, 2, 3, 150, 40)]
    assert [array.shape for array in cells.data] == [(1, 3, 300, 40), (1, 3, 150, 40)]
    assert (np.asarray(cells.data[1]) == 7).all()
    assert [type(spec).__name__ for spec in cells.specs] == ["Label", "Multiscales"]
    assert image.metadata["coordinateTransformations"][1][0]["scale"] == [1, 1, 2, 1.0, 0.25]


def test_metadata_are_valid(written, version):
    models = import_module(f"ome_zarr_models.v{version.replace('.', '')}")
    specs = vars(import_module("pydantic_zarr.v2" if version == "0.4" else "pydantic_zarr.v3"))
    models.Image.model_rebuild(force=True, _types_namespace=specs)
    # without the labels inside, of which the validator of 0.5 trips over its own defaults
    label_group = zarr.open_group(str(written / "labels" / "cells"), mode="r")
    models.Image.from_zarr(label_group)
    attributes = [
        dict(zarr.open_group(str(written / name), mode="r").attrs)
        for name in ("", "labels", "labels/cells")
    ]
    if version == "0.5":
        attributes = [one["ome"] for one in attributes]
    types = [
        import_module(f"{models.__name__}.{module}").__dict__[name]
        for module, name in (
            ("image", "ImageAttrs"),
            ("labels", "LabelsAttrs"),
            ("image_label", "ImageLabelAttrs"),
        )
    ]
    image, labels, cells = (
        kind.model_validate(one) for kind, one in zip(types, attributes, strict=True)
    )
    assert labels.labels == ["cells"]
    assert cells.image_label.source.image == "../../"
    assert [len(one.multiscales[0].datasets) for one in (image, cells)] == [2, 2]


def test_arrays_are_as_the_format_asks(written, version):
    if version == "0.4":
        array = json.loads((written / "0" / ".zarray").read_text())
        assert (array["dimension_separator"], array["zarr_format"]) == ("/", 2)
    else:
        array = json.loads((written / "0" / "zarr.json").read_text())
        assert array["dimension_names"] == list("tczyx")
        assert array["chunk_key_encoding"]["configuration"]["separator"] == "/"


# ----------------------------------------------------- the doors of io.images


def test_labels_are_found_where_they_are(written, tmp_path):
    for place in (written / "labels" / "cells", written):
        labels, spacing = read_spaced_labels(place)
        assert (labels.shape, labels.dtype, spacing) == ((3, 300, 40), np.uint32, (2.0, 0.5, 0.25))
        assert (labels == 7).all()
    create_labels(written, "nuclei").finish()
    with pytest.raises(ValueError, match="holds 2 label images") as caught:
        read_labels(written)
    assert one_line(caught, "cells, nuclei", str(written / "labels" / "cells"))
    write_image(tmp_path / "y.zarr", counting((5, 7)), axes="YX")
    np.testing.assert_array_equal(read_labels(tmp_path / "y.zarr"), counting((5, 7)))
    write_image(tmp_path / "z.zarr", counting((5, 7), "float32"), axes="YX")
    with pytest.raises(ValueError, match=r"z\.zarr is float32; expected integer labels"):
        read_labels(tmp_path / "z.zarr")


def test_one_of_several_time_points(tmp_path, version):
    pixels = counting((4, 2, 5, 7))
    write_image(
        tmp_path / "x.zarr",
        pixels,
        axes="TCYX",
        storage=ZarrStorage(version=version, chunks=(5, 7)),
    )
    with pytest.raises(ValueError, match=r"4 time points .*\(time=0 to 3\)"):
        read_image(tmp_path / "x.zarr")
    # only that time point is read
    for file in (tmp_path / "x.zarr" / "0").rglob("0"):
        if file.is_file() and file.parts[-4] != "2":
            file.write_bytes(b"")
    np.testing.assert_array_equal(read_image(tmp_path / "x.zarr", time=2).data, pixels[2])
    for time in (4, -1, True, "2"):
        with pytest.raises(ValueError, match="which has time points 0 to 3"):
            read_image(tmp_path / "x.zarr", time=time)


def test_a_flat_image_with_all_five_axes(tmp_path):
    write_image(tmp_path / "x.zarr", counting((1, 1, 1, 5, 7)), axes="TCZYX")
    assert read_image(tmp_path / "x.zarr").axes == "YX"
    assert read_image(tmp_path / "x.zarr", axes="ZYX").axes == "ZYX"
    write_image(tmp_path / "y.zarr", counting((1, 5, 7)), axes="ZYX")
    assert read_image(tmp_path / "y.zarr").axes == "ZYX"


def test_nan_is_found_in_the_whole_image(tmp_path):
    write_image(tmp_path / "x.zarr", np.full((5, 7), np.nan, np.float32), axes="YX")
    with pytest.raises(ValueError, match="NaN or infinite"):
        read_image(tmp_path / "x.zarr")


def test_folders_are_listed_as_files(tmp_path):
    for name in ("b.ome.zarr", "a.zarr", "a_masks.zarr"):
        write_image(tmp_path / name, counting((5, 7)), axes="YX")
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "d.png").touch()
    names = [path.name for path in find_images(tmp_path)]
    assert names == ["a.zarr", "b.ome.zarr", "d.png"]
    assert [path.name for path in find_images(tmp_path / "*.zarr")] == [
        "a.zarr",
        "a_masks.zarr",
        "b.ome.zarr",
    ]
    assert find_images(tmp_path / "b.ome.zarr") == [tmp_path / "b.ome.zarr"]
    assert [stem(name) for name in ("b.ome.zarr", "a.zarr", "A.OME.ZARR")] == ["b", "a", "A"]
    with pytest.raises(ValueError, match=r"c\.zarr is not an OME-Zarr folder"):
        find_images(tmp_path / "c.zarr")
    with pytest.raises(ValueError, match=r"c\.zarr is not an OME-Zarr folder"):
        read_image(tmp_path / "c.zarr")


def test_labels_whose_folder_was_deleted_are_not_there_and_can_be_written_again(tmp_path, version):
    path = tmp_path / "x.zarr"
    write_image(path, counting((5, 7)), axes="YX", storage=ZarrStorage(version=version))
    for name in ("cells", "nuclei"):
        create_labels(path, name).finish()
    shutil.rmtree(path / "labels" / "cells")
    assert label_names(path) == ("nuclei",)
    assert labels_of(path).name == "nuclei"
    create_labels(path, "cells").finish()
    assert label_names(path) == ("cells", "nuclei")


@pytest.mark.parametrize("name", ["../../y.zarr", "/", "C:\\a"])
def test_labels_outside_their_image_are_refused(tmp_path, version, name):
    path = foreign(tmp_path / "x.zarr", [(counting((5, 7)), None)], version=version)
    rewrite(path / "labels", {"labels": [name]}, version)
    with pytest.raises(ValueError, match="labels must be names of folders in it") as caught:
        label_names(path)
    assert one_line(caught, str(path))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_carry_their_colours_and_sizes_for_viewers(tmp_path, version):
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    labels = np.zeros((2, 30, 40), np.uint32)
    labels[:, 3:9, 4:10] = 7
    labels[1, 20:22, 20:30] = 70_000
    storage = ZarrStorage(version=version)
    write_image(tmp_path / "x.ome.zarr", labels, axes="TYX", storage=storage)
    with create_labels(tmp_path / "x.ome.zarr", "cells") as draft:
        draft.array[...] = labels
    nodes = list(Reader(parse_url(tmp_path / "x.ome.zarr"))())
    (metadata,) = [node.metadata for node in nodes if "color" in node.metadata]
    red, green, blue = (colours_of(np.array([70_000]))[0] / 255).tolist()
    np.testing.assert_allclose(metadata["color"][70_000], [red, green, blue, 1], atol=0.01)
    assert metadata["properties"] == {7: {"pixels": 72}, 70_000: {"pixels": 20}}


def test_with_very_many_labels_viewers_choose_the_colours(tmp_path):
    labels = np.arange(1, 12_101).reshape(110, 110)
    write_image(tmp_path / "x.ome.zarr", labels, axes="YX", labels=True)
    attributes = read_attributes(tmp_path / "x.ome.zarr")[0]
    assert "colors" not in attributes["image-label"]
    write_image(tmp_path / "y.ome.zarr", labels * 0, axes="YX", labels=True)
    assert read_attributes(tmp_path / "y.ome.zarr")[0]["image-label"]["colors"] == []
