"""Which files are images: sets of files, plates, and files that cannot be read."""

import os

import pytest
import tifffile
import zarr

from seamwise.io import listing
from seamwise.io.images import read_image
from seamwise.io.listing import find_images, stem, unread_files
from support.files import counting

AXES = [{"name": name, "type": "space"} for name in "yx"]
LEVELS = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]


def write_set(folder, names):
    """An OME image of one plane per file; every file has the description of all."""
    ids = [f"urn:uuid:{number:032x}" for number in range(len(names))]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{names[z]}">{ids[z]}</UUID></TiffData>'
        for z in range(len(names))
    )
    for z, name in enumerate(names):
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{ids[z]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="7" SizeY="5" SizeZ="{len(names)}" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        plane = counting((5, 7), "uint16") + 100 * z
        tifffile.imwrite(folder / name, plane, description=text.encode(), metadata=None)


def write_plate(path, *, wells=("A/1", "B/3"), fields=("0", "1")):
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["plate"] = {"version": "0.4", "wells": [{"path": well} for well in wells]}
    for well in wells:
        group = root.require_group(well)
        group.attrs["well"] = {"version": "0.4", "images": [{"path": name} for name in fields]}
        for name in fields:
            field = group.create_group(name)
            field.attrs["multiscales"] = [{"version": "0.4", "axes": AXES, "datasets": LEVELS}]
            field.create_array(
                "0",
                data=counting((5, 7), "uint16"),
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )


def names_of(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_an_image_in_several_files_is_listed_once(tmp_path):
    write_set(tmp_path, ["s_Z0.ome.tif", "s_Z1.ome.tif"])
    tifffile.imwrite(tmp_path / "alone.ome.tif", counting((5, 7), "uint16"))
    found = names_of(find_images(tmp_path), tmp_path)
    assert found == ["alone.ome.tif", "s_Z0.ome.tif"]
    image = read_image(tmp_path / "s_Z0.ome.tif")
    assert image.data.shape == (2, 5, 7)
    assert image.note == "s_Z0.ome.tif is one image with s_Z1.ome.tif: it is read once"


def test_the_order_of_a_set_is_that_of_its_description(tmp_path):
    write_set(tmp_path, ["z.ome.tif", "a.ome.tif", "m.ome.tif"])
    assert names_of(find_images(tmp_path), tmp_path) == ["z.ome.tif"]
    # the first one was not given, so the next one stands for the image
    given = find_images([tmp_path / "m.ome.tif", tmp_path / "a.ome.tif"])
    assert names_of(given, tmp_path) == ["a.ome.tif"]
    note = read_image(tmp_path / "z.ome.tif").note
    assert note == "z.ome.tif is one image with a.ome.tif and 1 more: it is read once"


def test_a_file_that_was_renamed_is_no_set(tmp_path):
    write_set(tmp_path, ["x.ome.tif"])
    (tmp_path / "x.ome.tif").rename(tmp_path / "y.ome.tif")
    assert read_image(tmp_path / "y.ome.tif").note == ""


@pytest.mark.parametrize("name", ["../other/s.ome.tif", "/etc/s.ome.tif", "..\\s.ome.tif"])
def test_an_image_with_parts_in_another_folder_is_refused(tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "in").mkdir()
    write_set(tmp_path / "other", ["s.ome.tif", "t.ome.tif"])
    with tifffile.TiffFile(tmp_path / "other" / "t.ome.tif") as file:
        description = file.ome_metadata
    changed = description.replace('FileName="s.ome.tif"', f'FileName="{name}"')
    pixels = tifffile.imread(tmp_path / "other" / "t.ome.tif", key=0)
    path = tmp_path / "in" / "t.ome.tif"
    tifffile.imwrite(path, pixels, description=changed.encode(), metadata=None)
    with pytest.raises(ValueError, match="as a part of its image, outside of its folder"):
        read_image(path)


@pytest.mark.parametrize(
    "part",
    [
        '<UUID FileName="C:\\\\data\\\\s.ome.tif">urn:uuid:7</UUID>',
        '</TiffData><BinaryFile FileName="C:\\\\notes/a.txt" /><TiffData>',
    ],
)
def test_other_names_in_a_description_do_not_matter(tmp_path, part):
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:7">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="7" '
        'SizeY="5" SizeZ="1" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>'
        f'<TiffData IFD="0" PlaneCount="1">{part}</TiffData></Pixels></Image></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, counting((5, 7), "uint16"), description=text, metadata=None)
    assert read_image(path).data.shape == (5, 7)


def test_a_large_set_is_looked_up_once(tmp_path, monkeypatch):
    names = [f"s{number}.ome.tif" for number in range(20)]
    write_set(tmp_path, names)
    asked, real = [], listing.set_of_files
    monkeypatch.setattr(listing, "set_of_files", lambda path: asked.append(path) or real(path))
    assert names_of(find_images(tmp_path), tmp_path) == ["s0.ome.tif"]
    assert len(asked) == 1


def test_a_damaged_member_is_listed_and_reported_when_it_is_read(tmp_path):
    (tmp_path / "a.ome.tif").write_bytes(b"II*\0garbage")
    (tmp_path / "b.ome.tif").write_bytes(b"")
    assert names_of(find_images(tmp_path), tmp_path) == ["a.ome.tif", "b.ome.tif"]


def test_a_plate_stands_for_its_fields(tmp_path):
    write_plate(tmp_path / "screen.zarr")
    fields = find_images(tmp_path / "screen.zarr")
    names = ["A/1/0", "A/1/1", "B/3/0", "B/3/1"]
    assert names_of(fields, tmp_path / "screen.zarr") == names
    assert [stem(path) for path in fields] == [f"screen_{name.replace('/', '_')}" for name in names]
    assert names_of(find_images(tmp_path / "screen.zarr" / "B" / "3"), tmp_path) == [
        "screen.zarr/B/3/0",
        "screen.zarr/B/3/1",
    ]


def test_plates_in_a_folder_and_by_a_pattern_stand_for_their_fields(tmp_path):
    write_plate(tmp_path / "one.zarr", wells=("A/1",), fields=("0",))
    write_plate(tmp_path / "two.zarr", wells=("B/2",), fields=("0",))
    names = ["one.zarr/A/1/0", "two.zarr/B/2/0"]
    assert names_of(find_images(tmp_path), tmp_path) == names
    assert names_of(find_images(tmp_path / "*.zarr"), tmp_path) == names


def test_a_damaged_well_is_reported_and_stops_nothing(tmp_path):
    write_plate(tmp_path / "screen.zarr", fields=("0",))
    (tmp_path / "screen.zarr" / "A" / "1" / ".zattrs").write_text("{")
    fields = find_images(tmp_path / "screen.zarr")
    assert names_of(fields, tmp_path) == ["screen.zarr/A/1", "screen.zarr/B/3/0"]
    with pytest.raises(ValueError, match=r"A/1/\.zattrs"):
        read_image(fields[0])


def test_a_link_that_leads_nowhere_is_listed(tmp_path):
    """So that whoever opens it hears of it: a disk may not be mounted."""
    (tmp_path / "gone.tif").symlink_to(tmp_path / "elsewhere" / "gone.tif")
    assert find_images(tmp_path) == [tmp_path / "gone.tif"]
    with pytest.raises(FileNotFoundError, match=r"gone\.tif"):
        read_image(tmp_path / "gone.tif")


@pytest.mark.parametrize("well", ["../outside", "/etc", "Z/9", 7, None])
def test_a_plate_does_not_lead_out_of_itself(tmp_path, well):
    write_plate(tmp_path / "screen.zarr", wells=("A/1",), fields=("0",))
    write_plate(tmp_path / "outside", wells=("A/1",), fields=("0",))
    root = zarr.open_group(tmp_path / "screen.zarr", mode="r+")
    root.attrs["plate"] = {"version": "0.4", "wells": [{"path": "A/1"}, {"path": well}]}
    fields = find_images(tmp_path / "screen.zarr")
    assert names_of(fields, tmp_path) == ["screen.zarr/A/1/0"]


def test_the_stem_of_labels_inside_an_image_is_their_name():
    assert stem("x.ome.zarr/labels/cells") == "cells"


def test_an_image_of_another_group_is_named(tmp_path):
    write_plate(tmp_path / "screen.zarr")
    root = zarr.open_group(tmp_path / "screen.zarr", mode="r+")
    del root.attrs["plate"]
    with pytest.raises(ValueError, match=r"give the image inside, e\.g\. .*screen\.zarr/A/1/0"):
        read_image(tmp_path / "screen.zarr")


def test_files_of_microscopes_are_named(tmp_path):
    for name in ("a.tif", "scan.czi", ".hidden.lif", "notes.txt"):
        (tmp_path / name).touch()
    assert unread_files(tmp_path) == (
        f"{tmp_path} holds a file that is not read (scan.czi): export it as OME-TIFF, "
        "e.g. with Fiji"
    )
    for number in range(5):
        (tmp_path / f"s{number}.LIF").touch()
    assert "6 files that are not read (s0.LIF, s1.LIF, s2.LIF, s3.LIF and 2 more)" in (
        unread_files([tmp_path, tmp_path / "a.tif"])
    )
    assert unread_files(tmp_path / "a.tif") == ""


def test_a_file_of_a_microscope_is_refused_with_advice(tmp_path):
    (tmp_path / "scan.nd2").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"scan\.nd2 cannot be read: export it as OME-TIFF"):
        find_images(tmp_path / "scan.nd2")


def test_pictures_that_are_not_read_are_named(tmp_path):
    for name in ("a.tif", "b.bmp", "c.GIF"):
        (tmp_path / name).touch()
    assert unread_files(tmp_path).endswith("not read (b.bmp, c.GIF): save them as PNG")
    (tmp_path / "d.czi").touch()
    assert unread_files(tmp_path).endswith("export them as OME-TIFF, e.g. with Fiji")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "p.tif")
    with pytest.raises(ValueError, match=r"p\.tif is a pipe or a device: give an image file"):
        find_images(tmp_path / "p.tif")
