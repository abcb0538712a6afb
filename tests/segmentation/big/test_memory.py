import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from seamwise.decode import instances
from seamwise.io.models import Architecture
from seamwise.io.ome_zarr import ZarrStorage, write_image
from seamwise.segmentation.big.memory import CHUNK, NetworkLoad, plan_blocks, whole_image_bytes
from support.files import one_line
from support.volumes import blobs

PLANE_NET = Architecture(in_channels=1, out_channels=4, width=64)
PLANE = NetworkLoad(PLANE_NET)
STACK = NetworkLoad(Architecture(in_channels=1, out_channels=4, ndim=3, width=32))
GB = 10**9


@pytest.mark.parametrize("limit", [1.5 * GB, 2 * GB, 4 * GB, 16 * GB])
@pytest.mark.parametrize("flood_halo", [None, 64])
@pytest.mark.parametrize(
    ("shape", "load"),
    [
        ((100, 90), PLANE),
        ((20000, 30000), PLANE),
        ((700, 20000), PLANE),
        ((500, 2000, 2000), STACK),
    ],
)
def test_blocks_keep_to_the_limit_and_are_whole_chunks_or_axes(shape, load, limit, flood_halo):
    plan = plan_blocks(shape, load, memory=int(limit), flood_halo=flood_halo)
    assert plan.bytes <= limit
    chunk = CHUNK[len(shape)]
    assert all(b % chunk == 0 or b == n for b, n in zip(plan.blocks.size, shape, strict=True))
    assert plan.blocks.shape == shape
    # and the estimate is that of these blocks
    again = plan_blocks(
        shape, load, memory=int(limit), flood_halo=flood_halo, block=plan.blocks.size
    )
    assert again == plan


def test_more_memory_means_larger_blocks_and_less_to_compute():
    plans = [plan_blocks((20000, 20000), PLANE, memory=n * GB) for n in (2, 3, 4, 8, 64)]
    counts = [len(plan.blocks) for plan in plans]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert max(plans[-1].blocks.size) <= 2048


def estimate(**options):
    arguments = {
        "shape": (9000, 9000),
        "load": PLANE,
        "memory": 10**15,
        "block": 1024,
    } | options
    return plan_blocks(arguments.pop("shape"), arguments.pop("load"), **arguments).bytes


def with_net(**changes):
    return NetworkLoad(PLANE_NET.model_copy(update=changes))


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"block": 512}, {"block": 1024}),
        ({"workers": 1}, {"workers": 2}),
        ({}, {"load": replace(PLANE, number_bytes=4)}),
        ({"load": replace(PLANE, pixel_bytes=1)}, {"load": replace(PLANE, pixel_bytes=8)}),
        ({}, {"load": replace(PLANE, runtime="openvino float32")}),
        ({}, {"load": replace(PLANE, runtime="onnx float32")}),
        ({"load": with_net(width=32)}, {}),
        ({"load": with_net(out_channels=2)}, {}),
        ({}, {"load": with_net(in_channels=9)}),
        ({}, {"load": replace(PLANE, factors=(2.0, 1.0))}),
        ({"load": replace(PLANE, factors=(0.5, 0.5))}, {}),
        ({"flood_halo": 64}, {"flood_halo": 4000}),
        ({"shape": (300, 9000)}, {}),
    ],
)
def test_the_estimate_grows_with_everything_that_takes_memory(less, more):
    assert estimate(**less) < estimate(**more)


def test_several_workers_are_as_many_processes_and_the_one_that_joins():
    one, two, three = (estimate(workers=n) for n in (1, 2, 3))
    assert three - two == one
    assert two > 2 * one


def test_the_size_asked_for_is_rounded_up_to_chunks():
    assert plan_blocks((3000, 400), PLANE, block=513, memory=10**15).blocks.size == (1024, 400)
    assert plan_blocks((3000, 40, 400), STACK, block=64, memory=10**15).blocks.size == (64, 40, 64)


def test_what_does_not_fit_is_said_with_what_it_takes():
    with pytest.raises(ValueError, match=r"memory of 0\.50 GB is too little") as caught:
        plan_blocks((3000, 3000), PLANE, memory=GB // 2)
    assert one_line(caught, "512 × 512 pixels take")
    with pytest.raises(ValueError, match="with 4 workers") as caught:
        plan_blocks((3000, 3000), PLANE, memory=2 * GB, workers=4)
    assert one_line(caught)
    with pytest.raises(ValueError, match="2048 × 2048 pixels take") as caught:
        plan_blocks((3000, 3000), PLANE, memory=2 * GB, block=2048)
    assert one_line(caught)


def test_a_reduced_image_has_a_wider_halo_so_that_the_network_sees_as_far():
    assert plan_blocks((9000, 9000), replace(PLANE, factors=(0.5, 0.5))).halo == 128
    assert plan_blocks((9000, 9000), replace(PLANE, factors=(1.0, 1.0))).halo == 64
    assert plan_blocks((99, 300, 300), replace(STACK, factors=(2.2, 1.0, 1.0))).halo == 16


def test_a_plan_says_what_it_is():
    assert str(plan_blocks((600, 400), PLANE, memory=10**15)).startswith(
        "1 block of 600 × 400 pixels, about "
    )
    assert str(plan_blocks((600, 400), PLANE, memory=10**15, block=512)).startswith(
        "2 blocks of 512 × 400 pixels"
    )


def test_a_whole_image_takes_more_in_a_runtime_that_holds_more_of_a_tile():
    def bytes_of(pixels, runtime):
        return whole_image_bytes(pixels, pixel_bytes=1, runtime=runtime)

    for pixels in (2**18, 2**20, 2**24):
        torch, openvino = (bytes_of(pixels, name) for name in ("torch", "openvino float32"))
        assert openvino - torch == 250 * min(pixels, 1088**2)


def test_a_large_image_holds_a_tile_while_the_next_is_computed_and_the_strip_they_share():
    def slab_bytes(pixels, ndim, **options):
        with_slab, without = (
            whole_image_bytes(pixels, pixel_bytes=1, slab_maps=n, ndim=ndim, **options)
            for n in (5, 0)
        )
        return with_slab - without

    assert slab_bytes(2**20, 2) == 0  # one tile
    assert slab_bytes(4096**2, 2) == 4 * 5 * (1088**2 + 64 * 4096)
    assert slab_bytes(512**3, 3, tile=128**3) == pytest.approx(4 * 5 * (128**3 + 32 * 512**2))
    flat = slab_bytes(256 * 2048**2, 3, tile=128**3, longest=2048)
    assert flat == 4 * 5 * (128**3 + 32 * 256 * 2048)
    assert slab_bytes(1089**2, 2) <= 4 * 5 * 1089**2  # never more than the image


@pytest.mark.skipif(
    tuple(map(int, np.__version__.split(".")[:2])) < (2, 4), reason="older NumPy takes 7 % more"
)
@pytest.mark.parametrize("shape", [(512, 512), (64, 64, 64)])
def test_a_whole_image_has_the_memory_that_decoding_noise_takes(shape):
    classes = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    pixels, ndim = classes.size, classes.ndim
    tracemalloc.start()
    instances(classes)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    small, large = (whole_image_bytes(n, pixel_bytes=0, ndim=ndim) for n in (0, pixels))
    assert 0.9 * (large - small) < taken < large - small


MEASURED = """
import sys
from seamwise.engine import Listener, Resources
from seamwise.segmentation import SegmentOptions, segment_volume
segment_volume(
    sys.argv[1],
    sys.argv[2],
    SegmentOptions(model=sys.argv[3]),
    Resources(memory=int(sys.argv[4])),
    listener=Listener(print),
)
# ru_maxrss would begin with the peak of the process that started this one
lines = open("/proc/self/status").readlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_run_keeps_to_its_limit_of_memory(tmp_path, models):
    path, limit = tmp_path / "a.zarr", 10**9
    write_image(
        path,
        np.tile(blobs((512, 512), smooth=5), (4, 5)),
        axes="YX",
        storage=ZarrStorage(chunks=(512, 512), levels=1),
    )
    arguments = [str(path), str(tmp_path / "out.zarr"), str(models[2]), str(limit)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], check=True, capture_output=True, text=True
    )
    announced, peak = done.stdout.splitlines()
    assert "; 1 block of" not in announced
    assert int(peak) < limit
