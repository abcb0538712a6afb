"""The parts of the plugin that need no window, each by itself."""

import gc
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from seamwise.io import read_image, read_labels, shipped_models
from seamwise.measure import MeasureOptions, Table
from seamwise.segmentation import segment
from seamwise.segmentation import segment_slices as join_slices
from seamwise.synth import crowded_cells
from seamwise_napari import samples
from seamwise_napari.finding import EACH, JOINED, THIS, Request, Tuning, find_cells
from seamwise_napari.fusing import arrays_of, frames_of, fuse_frames, methods
from seamwise_napari.layers import copied_place, pixels_of, place_of, spacing_of, spacing_of_text
from seamwise_napari.reading import reader_of
from seamwise_napari.results import is_corrected, remember, remember_part, result_of
from seamwise_napari.shelf import SHELF, Shelf
from seamwise_napari.tables import column_names, features_of, measure_labels
from seamwise_napari.training import add_pair, count_pairs, run_folder, train_on
from seamwise_napari.work import Work
from seamwise_napari.writing import write_label_file, write_outline_file


@pytest.fixture(scope="module")
def nuclei():
    return samples.nuclei()[0][0]


@pytest.fixture(scope="module")
def stack():
    """Three planes of drawn cells, the middle one empty."""
    planes = [crowded_cells((96, 128), cells=12, rng=seed).image for seed in (1, 2, 3)]
    planes[1] = np.zeros_like(planes[0])
    return np.stack(planes)


def find(pixels, request, tell=lambda stage, share: None):
    return find_cells(pixels, request, SHELF.load(request.model), tell)


def test_a_work_tells_its_stage_and_returns_a_result():
    gate, told = Event(), Event()

    def count(work):
        work.tell("counting", 0.25)
        told.set()
        gate.wait(9)
        return 7

    work = Work(count)
    told.wait(9)
    assert (work.stage, work.share, work.is_running) == ("counting", 0.25, True)
    gate.set()
    work.wait(9)
    assert (work.result, work.error, work.is_running) == (7, "", False)


def test_a_work_that_is_cancelled_stops_at_its_next_step():
    gate, steps = Event(), []

    def count(work):
        for number in range(3):
            work.tell("counting")
            steps.append(number)
            gate.wait(9)

    work = Work(count)
    work.cancel()
    gate.set()
    work.wait(9)
    assert len(steps) <= 1
    assert (work.result, work.error) == (None, "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("unknown, taken for cubes:\n give --spacing Z,Y,X"), "fill in the pixel size"),
        (MemoryError(), "not enough memory"),
        (ZeroDivisionError("x"), "a fault of seamwise, ZeroDivisionError"),
    ],
)
def test_a_work_that_fails_says_why_in_one_line(error, words, capsys):
    def fail(work):
        raise error

    work = Work(fail)
    work.wait(9)
    assert words in work.error
    assert "\n" not in work.error
    assert ("Traceback" in capsys.readouterr().err) == isinstance(error, ZeroDivisionError)


def test_the_cells_of_a_plane_are_those_of_the_library_and_can_be_decoded_again(nuclei):
    shares = []
    found = find(nuclei, Request("nuclei-2d"), lambda stage, share: shares.append(share))
    assert np.array_equal(found.labels, segment(nuclei).labels)
    assert found.note == ""
    assert shares[0] == 0
    output = found.output
    assert np.array_equal(output.decode(output.rule), found.labels)
    fewer = output.decode(output.rule_of({"foreground": 0.8}, 20))
    assert 0 < (fewer > 0).sum() < (found.labels > 0).sum()


def test_a_rule_of_the_sliders_finds_the_same_cells_in_a_new_search(nuclei):
    output = find(nuclei, Request("nuclei-2d")).output
    rule = output.rule_of({"core": 0.2}, 90)
    again = find(nuclei, Request("nuclei-2d", tuning=Tuning(rule, output.pixels)))
    assert np.array_equal(again.labels, output.decode(rule))
    assert again.output.rule == output.rule
    assert again.rule == rule


def test_a_rule_of_the_sliders_keeps_its_sizes_for_the_network(nuclei):
    """Found at twice the magnification: a cell has a quarter of the pixels elsewhere."""
    large = np.kron(nuclei[:64, :64], np.ones((2, 2), nuclei.dtype))
    output = find(large, Request("nuclei-2d", diameter=40)).output
    tuning = Tuning(output.rule_of({}, 80), output.pixels)
    again = find(nuclei[:64, :64], Request("nuclei-2d", diameter=20, tuning=tuning))
    assert again.rule.min_size == 20


def test_of_a_stack_a_plane_all_planes_or_joined_planes(stack):
    this = find(stack, Request("nuclei-2d", part=THIS, place=(2,)))
    each = find(stack, Request("nuclei-2d", part=EACH, place=(2,)))
    joined = find(stack, Request("nuclei-2d", part=JOINED, place=(2,)))
    assert this.output.place == (2,)
    assert not this.labels[:2].any()
    assert (this.place, each.place, joined.place) == ((2,), (), ())
    alone = segment(stack[2]).labels
    assert alone.max() > 5
    for found in (this, each):
        assert np.array_equal(found.labels[2], alone)
    assert each.output is joined.output is None
    assert not each.labels[1].any()
    assert "there is nothing to find" in each.note
    assert np.array_equal(joined.labels, join_slices(stack).labels)
    assert this.count == alone.max()
    assert each.count == sum(plane.max() for plane in each.labels)
    assert joined.count == joined.labels.max()


def test_joined_planes_of_one_time_point_have_its_place(stack):
    series = stack[np.newaxis, :2].repeat(2, 0)
    result = find(series, Request("nuclei-2d", part=JOINED, place=(1, 0)))
    assert result.place == (1,)
    assert result.labels.any((1, 2, 3)).tolist() == [False, True]


def test_a_search_in_many_planes_tells_one_share_and_stops(stack):
    shares = []

    def tell(stage, share):
        shares.append(share)
        if len(shares) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        find(stack[[0, 2, 0]], Request("nuclei-2d", part=EACH), tell)
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_a_stack_by_a_model_for_stacks_with_the_pixel_size_of_the_layer():
    image, facts, _ = samples.drawn_stack()[0]
    layer = SimpleNamespace(scale=facts["scale"], units=["micrometer"] * 3)
    request = Request("nuclei-3d", stored=spacing_of(layer, 3))
    found = find(image, request)
    assert 15 < found.labels.max() < 40
    assert found.labels.shape == found.output.maps.shape[1:] == image.shape
    assert (
        "Voxel size unknown, taken for cubes: fill in the pixel size."
        in find(image[:, :48, :48], Request("nuclei-3d")).note
    )


def test_a_plane_is_refused_by_a_model_for_stacks(nuclei):
    with pytest.raises(ValueError, match="nuclei-3d is for stacks, and this image is a plane"):
        find(nuclei, Request("nuclei-3d"))


def test_an_image_of_another_kind_gets_a_warning_in_the_words_of_the_widget(nuclei):
    large = np.kron(nuclei[:128, :128], np.ones((8, 8), nuclei.dtype))
    assert "set the cell diameter to" in find(large, Request("nuclei-2d")).note


def test_offers_say_what_models_know_and_follow_a_file_that_was_written_again(tmp_path):
    shelf, told = Shelf(), []

    class Listener:
        def note(self):
            told.append(1)

    listener = Listener()
    shelf.on_change(listener.note)
    assert shelf.names[0] == "nuclei-2d"
    assert "It knows cells of 7 to 50 pixels across." in shelf["nuclei-2d"].words
    path = tmp_path / "nuclei-2d.safetensors"
    path.write_bytes(shipped_models()["phase-2d"].read_bytes())
    name = shelf.add(path)
    assert name == str(path.resolve())
    assert shelf.add(path) == name
    assert shelf.add(path, "mine") == "mine"
    assert len(told) == 3
    first = shelf.load("mine")
    assert shelf.load("mine") is first
    shelf.add(path, "mine")
    assert shelf.load("mine") is not first
    count = len(told)
    del listener
    gc.collect()
    shelf.tell()
    assert len(told) == count
    with pytest.raises(ValueError, match="is not for cells in images of one channel"):
        shelf.add(shipped_models()["focus-seg"])


def test_the_pixel_size_of_a_layer_needs_units_of_length():
    layer = SimpleNamespace(scale=[3, 2, 500], units=["pixel", "micrometer", "nanometer"])
    assert spacing_of(layer, 2) == (2, 0.5)
    assert spacing_of(layer, 3) is None
    with pytest.raises(ValueError, match="must be 3 numbers, z, y, x, not '1, 0'"):
        spacing_of_text("1, 0", 3)


def test_the_place_in_a_layer_is_where_the_viewer_is():
    layer = SimpleNamespace(
        data=np.zeros((5, 4, 3)), world_to_data=lambda point: np.array(point) / (2, 1, 1)
    )
    assert place_of(layer, (6.2, 0, 0), 1) == (3,)
    assert place_of(layer, (99, 0, 0), 1) == (4,)
    assert place_of(layer, (6, 0, 0), 0) == ()


def test_a_colour_image_gives_one_of_its_colours():
    colours = np.arange(12).reshape(2, 2, 3)
    layer = SimpleNamespace(data=colours, rgb=True, multiscale=False)
    assert pixels_of(layer, "blue").tolist() == colours[..., 2].tolist()


def test_labels_that_somebody_changed_are_corrected():
    layer = SimpleNamespace(data=np.array([[0, 1]]), metadata={})
    assert (result_of(layer), is_corrected(layer)) == (None, True)
    remember(layer, None, None)
    assert not is_corrected(layer)
    layer.data[0, 0] = 2
    assert is_corrected(layer)


def test_a_place_that_is_drawn_again_leaves_corrections_elsewhere():
    layer = SimpleNamespace(data=np.zeros((3, 2, 2), int), metadata={})
    remember(layer, None, None)
    layer.data[0] = 7
    layer.data[2] = 5
    assert not is_corrected(layer, (1,))
    remember_part(layer, SimpleNamespace(place=(2,)), None)
    assert is_corrected(layer)
    assert is_corrected(layer, (0,))
    assert not is_corrected(layer, (2,))


def test_a_layer_of_the_last_axes_lies_where_the_whole_one_lies():
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    layer = SimpleNamespace(
        scale=np.array([3, 2, 1]),
        translate=np.array([9, 8, 7]),
        rotate=turn,
        shear=np.array([0.1, 0.2, 0.3]),  # z on y, z on x, y on x
        units=("um", "nm", "mm"),
        axis_labels=("z", "y", "x"),
    )
    place = copied_place(layer, axes=2)
    assert [len(part) for part in copied_place(layer).values()] == [3] * 6
    assert place["translate"].tolist() == [8, 7]
    assert place["rotate"].tolist() == [[0, -1], [1, 0]]
    assert place["shear"].tolist() == [0.3]
    assert place["axis_labels"] == ("y", "x")


def test_layers_become_training_data_that_the_command_line_reads(tmp_path, stack):
    labels = np.zeros(stack.shape, np.int32)
    labels[0, :9, :9] = 3
    labels[2, 5:20, :30] = 4
    addition = add_pair(tmp_path, "my image: 1", stack, labels, (2.0, 0.5, 0.25), 2)
    assert addition.names == ["my_image_1_z0000", "my_image_1_z0002"]
    image = read_image(tmp_path / "images" / "my_image_1_z0002.tif")
    assert np.array_equal(image.data, stack[2])
    assert image.spacing == pytest.approx((0.5, 0.25))
    assert np.array_equal(read_labels(tmp_path / "masks" / "my_image_1_z0002.tif"), labels[2])
    assert count_pairs(tmp_path).words == "2 annotated images, 2 cells."
    add_pair(tmp_path, "whole", stack, labels, None, 3)
    assert read_image(tmp_path / "images" / "whole.tif").axes == "ZYX"
    with pytest.raises(ValueError, match="no cell is drawn"):
        add_pair(tmp_path, "x", stack, 0 * labels, None, 2)
    with pytest.raises(ValueError, match="choose labels of this image"):
        add_pair(tmp_path, "x", stack[0], labels, None, 2)


def test_another_image_of_the_same_name_gets_a_number(tmp_path, stack):
    labels = np.ones(stack.shape, np.int32)
    first = add_pair(tmp_path, "DAPI", stack[0], labels[0], None, 2)
    other = add_pair(tmp_path, "DAPI", stack[2], labels[2], None, 2)
    again = add_pair(tmp_path, "DAPI", stack[2], 2 * labels[2], None, 2)
    assert (first.words, other.words) == ("Added DAPI.", "Added DAPI_2.")
    assert again.words == "Replaced DAPI_2."
    assert np.array_equal(read_image(tmp_path / "images" / "DAPI.tif").data, stack[0])
    assert read_labels(tmp_path / "masks" / "DAPI_2.tif").max() == 2
    assert count_pairs(tmp_path).images == 2


def test_planes_without_labels_leave_the_folder_when_their_stack_is_added_again(tmp_path, stack):
    labels = np.ones(stack.shape, np.int32)
    add_pair(tmp_path, "stack", stack, labels, None, 2)
    labels[1] = 0
    assert add_pair(tmp_path, "stack", stack, labels, None, 2).words == (
        "Replaced stack_z0000, stack_z0002."
    )
    assert count_pairs(tmp_path).images == 2
    other = add_pair(tmp_path, "stack", stack[:1] + 1, labels[:1], None, 2)
    assert other.names == ["stack_2_z0000"]


@pytest.mark.parametrize(
    ("shape", "dtype", "ndim", "words"),
    [
        ((4, 5), np.uint8, 3, "this image is a plane, and the model to begin with is for stacks"),
        ((2, 3, 4, 5), np.uint8, 2, "this image has 4 axes: add a time point as a layer"),
        ((2, 3, 4, 5), np.uint8, 4, "this image has 4 axes"),
        ((4, 5), np.complex64, 2, "pixels of type complex64 cannot be trained on"),
    ],
)
def test_what_cannot_be_training_data_is_refused_in_words(shape, dtype, ndim, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        add_pair(tmp_path, "x", np.ones(shape, dtype), np.ones(shape, int), None, ndim)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [bool, np.float16, np.int64, np.float64])
def test_training_images_are_stored_in_types_that_are_read_again(dtype, tmp_path):
    pixels = np.arange(20).reshape(4, 5).astype(dtype)
    for _ in range(2):
        add_pair(tmp_path, "x", pixels, np.ones((4, 5), int), None, 2)
    assert np.array_equal(read_image(tmp_path / "images" / "x.tif").data, pixels)
    assert count_pairs(tmp_path).images == 1


def test_a_run_stops_and_goes_on_in_its_folder(tmp_path, nuclei):
    truth = samples.nuclei()[1][0]
    add_pair(tmp_path, "nuclei", nuclei[:128, :128], truth[:128, :128], None, 2)
    output = run_folder(tmp_path, resume=False)
    options = {"steps": 4, "crop": 64, "batch_size": 1, "width": 4, "depth": 2, "validate_every": 2}
    seen, settings = [], []

    def train(resume, stop):
        def report(progress):
            seen.append(progress.step)
            return progress.step < stop

        return train_on(
            tmp_path, output, options, resume=resume, begin=settings.append, report=report
        )

    train(False, 1)
    assert seen == [1]
    assert run_folder(tmp_path, resume=True) == output
    model = train(True, 9)
    assert seen == [1, 2, 3, 4]
    assert settings[0].steps == 4
    assert model.parent == output
    assert run_folder(tmp_path, resume=False).name == "run-2"
    assert Shelf().add(model, "mine") == "mine"


def test_the_rows_of_the_features_are_the_labels(nuclei):
    labels = samples.nuclei()[1][0]
    channels = [("dapi", nuclei), ("double", nuclei.astype(np.uint16) * 2)]
    table = measure_labels(channels, labels, MeasureOptions(), spacing=(0.5, 0.5))
    features = features_of(table)
    assert features.index.tolist() == list(range(59))
    assert features.loc[0].isna().all()
    cells = features.loc[1:]
    assert np.allclose(cells["double_mean"], 2 * cells["dapi_mean"])
    assert np.allclose(cells["area_um2"], cells["area_px"] / 4)
    assert set(cells["touches_edge"]) == {0, 1}


def test_labels_far_beyond_the_number_of_cells_are_a_column():
    table = Table({"id": np.array([5, 10**9]), "area_px": np.array([30, 4])})
    assert features_of(table)["index"].tolist() == [5, 10**9]
    none = Table({"id": np.array([], int), "area_px": np.array([], int)})
    assert len(features_of(none)) == 1


def test_planes_are_measured_by_themselves_or_as_a_stack(stack):
    labels = np.zeros(stack.shape, np.int32)
    labels[0, :4, :4] = labels[2, :4, :5] = 1
    options = MeasureOptions()
    whole = measure_labels([("a", stack)], labels, options, spacing=None)
    planes = measure_labels([("a", stack)], labels, options, spacing=None, by_plane=True)
    assert whole["volume_px"].tolist() == [36]
    assert planes["plane"].tolist() == [0, 2]
    assert planes["area_px"].tolist() == [16, 20]
    with pytest.raises(ValueError, match="choose at least one image"):
        measure_labels([], labels, options, spacing=None)
    with pytest.raises(ValueError, match="image a has another size than the labels"):
        measure_labels([("a", stack[0])], labels, options, spacing=None)


def test_columns_have_names_of_their_own():
    assert column_names(["a b", "c", "a b", "a b"]) == ("a_b", "c", "a_b_2", "a_b_3")


def test_frames_come_from_a_stack_or_from_several_pictures():
    burst, _, _ = samples.drawn_burst()[0]
    stack = SimpleNamespace(data=burst, rgb=True)
    pictures = [SimpleNamespace(data=frame, rgb=True) for frame in burst]
    for layers in ([stack], pictures):
        assert len(frames_of(arrays_of(layers))) == 6
    for wrong in ([], [pictures[0]], [stack, pictures[0]]):
        with pytest.raises(ValueError, match="choose one stack of focus planes, or two or more"):
            arrays_of(wrong)


def test_the_frames_of_a_stack_with_levels_are_the_finest():
    levels = [np.zeros((3, 8, 8)), np.zeros((3, 4, 4))]
    layer = SimpleNamespace(data=levels, rgb=False, multiscale=True)
    assert [frame.shape for frame in frames_of(arrays_of([layer]))] == [(8, 8)] * 3


def test_a_burst_is_fused_and_tells_how_far_it_is():
    from seamwise.fusion import FuseOptions

    burst, _, _ = samples.drawn_burst()[0]
    told = []
    work = SimpleNamespace(tell=lambda stage, share=None: told.append((stage, share)))
    fusion = fuse_frames([burst[::2, ::4, ::4]], FuseOptions(model="laplacian"), work)
    assert fusion.image.shape == (90, 120, 3)
    assert told[0] == ("reading", None)
    assert told[-1] == ("fusing", 1)
    assert {"auto", "focus-burst", "laplacian"} <= set(methods())


def test_files_are_read_as_images_or_labels(tmp_path, nuclei):
    labels = samples.nuclei()[1][0]
    tifffile.imwrite(tmp_path / "day 1.tif", nuclei)
    (layer,) = reader_of(str(tmp_path / "day 1.tif"))(str(tmp_path / "day 1.tif"))
    assert (layer[2], layer[1]["name"]) == ("image", "day 1")
    path = str(tmp_path / "x_masks.tif")
    meta = {"scale": (0.5, 0.25), "units": ("micrometer", "micrometer")}
    assert write_label_file(path, labels, meta) == [path]
    (layer,) = reader_of(path)(path)
    assert layer[2] == "labels"
    assert np.array_equal(layer[0], labels)
    assert layer[1]["scale"] == pytest.approx((0.5, 0.25))
    assert reader_of(str(tmp_path)) is None
    assert reader_of([path, str(tmp_path / "none.tif")]) is None


def test_results_of_the_command_line_are_read_as_labels(tmp_path, nuclei):
    from seamwise.segmentation import segment_files

    tifffile.imwrite(tmp_path / "a.tif", nuclei)
    list(segment_files([tmp_path / "a.tif"], tmp_path / "out"))
    (layer,) = reader_of(str(tmp_path / "out" / "a.tif"))(str(tmp_path / "out" / "a.tif"))
    assert layer[2] == "labels"


@pytest.mark.parametrize("name", ["cells.geojson", "cells_rois.zip"])
def test_outlines_are_written_and_read_again(name, tmp_path):
    labels = samples.drawn_stack()[1][0]
    path = str(tmp_path / name)
    assert write_outline_file(path, labels, {}) == [path]
    ((read, _, kind),) = reader_of(path)(path)
    assert kind == "labels"
    corner = tuple(slice(0, size) for size in read.shape)
    assert np.array_equal(read, labels[corner])
    assert np.count_nonzero(read) == np.count_nonzero(labels)
