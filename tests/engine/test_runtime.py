"""Every runtime computes the same network; one that cannot be used is replaced or refused."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seamwise.engine import openvino as of_openvino
from seamwise.engine import runtime as runtimes
from seamwise.engine.comparison import check_equal
from seamwise.engine.networks import load_network
from seamwise.engine.processor import has_bfloat16
from seamwise.engine.runtime import choose_runtime, describe_runtime
from seamwise.engine.runtime_record import kept_runtime
from seamwise.io.models import (
    Architecture,
    FusionInfo,
    SegmentationInfo,
    load_arrays_of_model,
    model_path,
    save_model,
)
from seamwise.io.provenance import file_sha256
from seamwise.nets import Average, BurstNet, UNet
from seamwise.nets.burst_graph import MULTIPLE, FeatureGraph, fold_burst
from seamwise.nets.graph import ArrayOperations
from seamwise.synth import crowded_cells

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")
needs_onnx = pytest.mark.skipif(
    find_spec("onnxruntime") is None or find_spec("onnx") is None, reason="needs onnxruntime, onnx"
)
OTHERS = [
    pytest.param("openvino", marks=needs_openvino),
    pytest.param("onnx", marks=needs_onnx),
]


def seeded(*channels, **options):
    torch.manual_seed(3)
    net = UNet(*channels, **options).eval()
    for module in net.modules():  # statistics as if it had been trained
        if hasattr(module, "running_mean") and module.running_mean is not None:
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.fold_norms().requires_grad_(False)


def outputs(net, runtime, *, shape=None, images=1):
    shape = shape or (19, 30, 21)[: net.ndim]
    batch = torch.rand(images, getattr(net, "in_channels", 1), *shape)
    return net(batch).numpy(), choose_runtime(net, CPU, runtime).run(batch).numpy()


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_logits_are_those_of_torch_for_any_size(runtime, ndim, norm):
    net = seeded(2, 3, ndim=ndim, width=4, depth=2, norm=norm)
    expected, actual = outputs(net, runtime, images=2)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@needs_openvino
@pytest.mark.usefixtures("in_float32")
def test_instance_norms_are_computed():
    expected, actual = outputs(seeded(1, 2, width=4, depth=1, norm="instance"), "openvino")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("runtime", OTHERS)
def test_an_average_and_a_network_without_pooling_are_computed(runtime):
    members = [seeded(1, 5, width=width, depth=2) for width in (2, 4)]
    for net in (Average(members, classes=3), seeded(1, 2, width=2, depth=0)):
        expected, actual = outputs(net, runtime)
        np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize(
    ("name", "kind", "side"),
    [
        ("nuclei-2d", SegmentationInfo, 128),
        ("phase-2d", SegmentationInfo, 128),
        ("nuclei-3d", SegmentationInfo, 32),
        ("walls-3d", SegmentationInfo, 32),
        ("focus-seg", FusionInfo, 128),
        ("focus-reg", FusionInfo, 128),
    ],
)
def test_shipped_networks_choose_the_same_classes(runtime, name, kind, side):
    reference = load_network(name, kind, device="cpu", runtime="torch")
    model = load_network(name, kind, device="cpu", runtime=runtime)
    assert model.runtime.name.split()[0] == runtime
    is_int8 = model.runtime.name == "openvino int8"
    assert is_int8 == (runtime == "openvino" and model.info.activations is not None)
    torch.manual_seed(0)
    architecture = model.info.architecture
    batch = torch.rand(1, architecture.in_channels, *(side,) * architecture.ndim)
    batch = torch.nn.functional.avg_pool2d(batch.flatten(0, 1), 5, 1, 2).reshape(batch.shape)
    if is_int8:  # rounded coarsely: a map that is unsure nearly everywhere tells nothing
        image = crowded_cells((side, side), cells=12, rng=0).image
        batch = torch.from_numpy(image / image.max()).float().reshape(batch.shape)
    expected, actual = (each.runtime.run(batch) for each in (reference, model))
    expected, actual = (each[:, : architecture.out_channels] for each in (expected, actual))
    if name == "focus-reg":  # colours, shown with 8 bits
        expected, actual = ((255 * each.clamp(0, 1)).round() for each in (expected, actual))
    else:
        expected, actual = (each.argmax(1) for each in (expected, actual))
    # 8 bits round more where a network is unsure; on the selection images 0.9997 are equal
    assert (expected == actual).float().mean() >= (0.997 if is_int8 else 0.999)


@needs_openvino
@pytest.mark.skipif(not has_bfloat16(), reason="the processor does not compute in bfloat16")
@pytest.mark.usefixtures("in_float32")
def test_what_is_not_in_integers_may_be_in_bfloat16(monkeypatch):
    exact = load_network("nuclei-2d", SegmentationInfo, device="cpu")
    monkeypatch.setattr(of_openvino, "has_bfloat16", lambda: True)
    model = load_network("nuclei-2d", SegmentationInfo, device="cpu")
    assert model.runtime.name == exact.runtime.name == "openvino int8"
    batch = np.random.default_rng(0).random((1, 1, 64, 64), np.float32)
    expected, actual = (each.runtime.logits(batch) for each in (exact, model))
    assert not np.array_equal(actual, expected)
    assert np.abs(actual - expected).max() <= 0.05 * np.abs(expected).max()


@needs_openvino
def test_auto_is_openvino_on_a_cpu_in_the_precision_that_the_processor_has(monkeypatch):
    net = seeded(1, 2, width=2, depth=1)
    for native, precision in ((False, "float32"), (True, "bfloat16")):
        monkeypatch.setattr(of_openvino, "has_bfloat16", lambda n=native: n)
        has = "BF16" in of_openvino._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        expected = precision if has else "float32"
        assert choose_runtime(net, CPU).name == f"openvino {expected}"
        assert describe_runtime(CPU).startswith(f"openvino {expected}")
        assert ("no bfloat16 here" in describe_runtime(CPU)) == (expected == "float32")


def test_a_gpu_computes_with_torch_and_with_nothing_else():
    net = seeded(1, 2, width=2, depth=1)
    gpu = torch.device("cuda")
    assert choose_runtime(net, gpu).name == choose_runtime(net, gpu, "torch").name == "torch"
    assert describe_runtime(gpu) == "torch"
    with pytest.raises(ValueError, match="runtime openvino computes on the CPU, not on cuda"):
        choose_runtime(net, gpu, "openvino")


def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)


def too_old(monkeypatch):
    monkeypatch.setattr(of_openvino, "version", lambda package: "2023.1.0")


def failing(monkeypatch):
    def compile_openvino(net, precision, activations, streams):
        raise RuntimeError("Exception from src/core.cpp:117:\nno such instruction\nat line 3")

    monkeypatch.setattr(runtimes, "compile_openvino", compile_openvino)


class Wrong:
    def __call__(self, batch):
        return np.full((len(batch), 2, *batch.shape[2:]), np.nan, np.float32)

    def outputs(self, grey):
        return [np.full((1, n, 1, 1), np.nan, np.float32) for n in (12, 1, 1)]


def wrong(monkeypatch):
    def compile_openvino(net, precision, activations, streams):
        return Wrong()

    monkeypatch.setattr(runtimes, "compile_openvino", compile_openvino)


def not_complete(monkeypatch):
    def compile_openvino(net, precision, activations, streams):
        raise AttributeError("module 'openvino' has no attribute 'Core'")

    monkeypatch.setattr(runtimes, "compile_openvino", compile_openvino)


@pytest.mark.parametrize(
    ("damage", "hint", "words"),
    [
        (missing, "OpenVINO takes about 60 % of the time", "is not available"),
        pytest.param(too_old, "2023.1.0 is too old", "is not available", marks=needs_openvino),
        pytest.param(
            failing, "no such instruction", "cannot compute this network here", marks=needs_openvino
        ),
        pytest.param(
            not_complete,
            "no attribute 'Core'",
            "cannot compute this network here",
            marks=needs_openvino,
        ),
        pytest.param(
            wrong, "its numbers are wrong", "cannot compute this network here", marks=needs_openvino
        ),
    ],
)
def test_without_openvino_it_is_torch_with_a_line_and_an_error_if_it_was_named(
    damage, hint, words, monkeypatch
):
    damage(monkeypatch)
    net = seeded(1, 2, width=2, depth=1)
    runtime = choose_runtime(net, CPU)
    assert runtime.name == "torch"
    assert runtime.note.startswith("computing with torch; ")
    assert hint in runtime.note
    assert "choose runtime torch" not in runtime.note  # it is torch
    assert "\n" not in runtime.note
    with pytest.raises(ValueError, match=f"^runtime openvino {words}") as caught:
        choose_runtime(net, CPU, "openvino")
    message = str(caught.value)
    assert "\n" not in message
    assert ('pip install "seamwise[fast]"' in message) == (damage in (missing, too_old))


@pytest.mark.parametrize(
    "damage", [missing, *(pytest.param(each, marks=needs_openvino) for each in (failing, wrong))]
)
def test_a_network_that_scores_frames_falls_back_with_the_same_line(damage, monkeypatch):
    damage(monkeypatch)
    net = BurstNet(width=2).requires_grad_(False)
    runtime = choose_runtime(net, CPU)
    assert runtime.name == "torch"
    assert runtime.scorer is not None
    assert runtime.note.startswith("computing with torch; ")
    with pytest.raises(ValueError, match=r"^runtime openvino ") as caught:
        choose_runtime(net, CPU, "openvino")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("response", range(12))
def test_the_check_sees_each_response_of_the_shipped_network(response):
    weights, _ = load_arrays_of_model(model_path("focus-burst"), FusionInfo)
    graph = FeatureGraph(fold_burst(weights))

    def compute(grey, factor):
        outputs = graph.build(ArrayOperations(), [grey])
        outputs[0][:, response] *= factor
        return outputs

    check_equal(graph, 2 * MULTIPLE, partial(compute, factor=1), "float32")
    with pytest.raises(RuntimeError, match="its numbers are wrong"):
        check_equal(graph, 2 * MULTIPLE, partial(compute, factor=1.002), "float32")


@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize("precision", ["", " bfloat16", " int8"])
def test_frames_are_scored_in_float32_whatever_a_record_names(runtime, precision):
    if runtime == "onnx" and precision:
        pytest.skip("it has one precision")
    net = BurstNet(width=2).requires_grad_(False)
    chosen = choose_runtime(net, CPU, runtime + precision)
    assert chosen.name == f"{runtime} float32"
    assert choose_runtime(net, CPU, "torch").name == "torch"
    with pytest.raises(ValueError, match="has no logits"):
        chosen.run(torch.zeros(1, 1, 16, 16))
    chosen.release()
    assert len(chosen.scorer.features(np.zeros((1, 1, 16, 16), np.float32))) == 3


def test_a_missing_onnxruntime_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r'runtime onnx is not .*pip install "seamwise\[onnx\]"'):
        choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "onnx")


@needs_onnx
def test_errors_of_onnxruntime_have_no_traceback(monkeypatch):
    class InvalidGraphError(Exception):
        """Not a RuntimeError, as in onnxruntime."""

    def session(*arguments, **options):
        raise InvalidGraphError("no kernel\nin line 3")

    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    with pytest.raises(
        ValueError, match=r"runtime onnx cannot compute this network here \(no kernel\): "
    ):
        choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "onnx")


@needs_openvino
@pytest.mark.parametrize("ndim", [2, 3])
def test_8_bit_integers_are_close_and_not_equal(ndim):
    net = seeded(1, 3, ndim=ndim, width=4, depth=2)
    largest = []
    for layer in net.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Conv3d)):
            layer.register_forward_pre_hook(lambda _, inputs: largest.append(inputs[0].max()))
    batch = torch.rand(1, 1, *(32, 24, 16)[:ndim])
    expected = net(batch)
    activations = [float(number) for number in largest]
    runtime = choose_runtime(net, CPU, "auto", activations)
    assert runtime.name == "openvino int8"
    distance = (runtime.run(batch) - expected).abs().max() / expected.abs().max()
    assert 1e-5 < distance < 0.05
    # numbers beyond the range are cut off
    halved = [number / 2 for number in activations]
    cut = choose_runtime(net, CPU, "openvino int8", halved).run(batch)
    assert (cut - expected).abs().max() / expected.abs().max() > distance


@needs_openvino
def test_8_bit_integers_need_the_ranges_of_a_model():
    with pytest.raises(ValueError, match=r"runtime openvino int8 .* no ranges for int8"):
        choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "openvino int8")


@needs_openvino
def test_a_precision_that_the_processor_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(runtimes, "choose_openvino_precision", lambda: "float32")
    net = seeded(1, 2, width=2, depth=1)
    assert choose_runtime(net, CPU, "openvino float32").name == "openvino float32"
    with pytest.raises(ValueError, match="does not compute in bfloat16"):
        choose_runtime(net, CPU, "openvino bfloat16")


def test_memory_that_runs_out_is_a_memory_error(monkeypatch):
    def compute(batch):
        raise RuntimeError("Exception from src/x.cpp: std::bad_alloc")

    with pytest.raises(MemoryError, match="bad_alloc"):
        runtimes._with_remedy(compute, "openvino float32")(np.zeros((1, 1, 4, 4), np.float32))


@needs_openvino
@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("Exception from src/x.cpp:1:\nbad shape\n", ValueError, r"\(1, 1, 9, 9\) \(bad shape\)"),
        ("not enough memory: you tried", MemoryError, "^not enough memory"),
    ],
)
def test_a_failure_at_work_is_one_line_and_memory_stays_what_it_is(text, kind, words, monkeypatch):
    compile_openvino, computes = runtimes.compile_openvino, []

    def compile_and_fail_later(*arguments):
        computes.append(compile_openvino(*arguments))
        return lambda batch: computes[-1](batch)

    def fail(batch):
        raise RuntimeError(text)

    monkeypatch.setattr(runtimes, "compile_openvino", compile_and_fail_later)
    run = choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "openvino").run
    computes.append(fail)
    with pytest.raises(kind, match=words):
        run(torch.zeros(1, 1, 9, 9))


@pytest.mark.parametrize("runtime", OTHERS)
def test_threads_share_a_network(runtime):
    net = seeded(1, 2, width=4, depth=1)
    run = choose_runtime(net, CPU, runtime).run
    batches = [torch.rand(1, 1, 40 + 2 * i, 30) for i in range(6)]
    expected, actual = [run(batch) for batch in batches], {}

    def work(number):
        actual[number] = run(batches[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, logits in enumerate(expected):
        assert torch.equal(actual[number], logits)


@needs_openvino
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_streams_give_the_same_numbers_and_do_not_wait_for_each_other(precision, monkeypatch):
    if precision == "int8" and not of_openvino.has_int8():
        pytest.skip("the processor has no 8-bit integers")
    monkeypatch.setattr(runtimes, "thread_count", lambda: 2)
    net = seeded(1, 2, width=4, depth=1)
    ranges = [4.0] * len(net.arrays().convolutions) if precision == "int8" else None
    whole = choose_runtime(net, CPU, f"openvino {precision}", ranges)
    halves = whole.in_streams()
    assert (halves.name, halves.streams, halves.in_streams) == (whole.name, 2, None)
    for shape in [(1, 1, 40, 30), (2, 1, 17, 64), (1, 1, 8, 8)]:
        batch = torch.rand(shape)
        assert torch.equal(halves.run(batch), whole.run(batch))
        assert np.array_equal(halves.maps(batch.numpy(), 2), whole.maps(batch.numpy(), 2))


@needs_openvino
def test_as_many_calls_are_computed_at_once_as_there_are_streams():
    at_work, most, gate = [], [], threading.Barrier(2, timeout=10)

    class Request:
        def infer(self, inputs, share_inputs):
            at_work.append(1)
            most.append(len(at_work))
            gate.wait()
            at_work.pop()
            return inputs

    compiled = SimpleNamespace(create_infer_request=Request, release_memory=lambda: None)
    net = of_openvino.CompiledNetwork(compiled, 2)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(net, range(4))) == [0, 1, 2, 3]
    assert max(most) == 2
    net.release()
    assert net._requests.qsize() == 2


def test_one_thread_is_not_split(monkeypatch):
    monkeypatch.setattr(runtimes, "thread_count", lambda: 1)
    assert choose_runtime(seeded(1, 2, width=2, depth=1), CPU).in_streams is None
    assert choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "torch").in_streams is None


@needs_openvino
def test_openvino_sends_no_statistics():
    choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "openvino")
    assert not any(name.startswith("openvino_telemetry") for name in sys.modules)


SIGNAL_AFTER_NETWORKS = """
import gc, os, signal
from seamwise.engine.openvino import compile_openvino
from seamwise.nets import UNet

signal.signal(signal.SIGUSR1, lambda *_: print("caught"))
nets = [UNet(1, 2, width=2, depth=1).arrays() for _ in range(2)]
first, second = (compile_openvino(net, "float32") for net in nets)
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""


@needs_openvino
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of Unix")
def test_a_signal_after_networks_are_freed_is_caught():
    command = [sys.executable, "-c", SIGNAL_AFTER_NETWORKS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "caught"), done.stderr


def test_auto_goes_on_with_the_runtime_of_a_record():
    record = {"model_sha256": file_sha256(model_path("nuclei-2d"))}
    float32 = {**record, "runtime": "openvino float32"}
    assert kept_runtime("auto", float32, model="nuclei-2d") == "openvino float32"
    assert kept_runtime("torch", float32, model="nuclei-2d") == "torch"
    assert kept_runtime("auto", None, model="nuclei-2d") == "auto"
    assert kept_runtime("auto", record, model="nuclei-2d") == "torch"


@pytest.mark.parametrize("runtime", ["magic", "auto", {}, None])
def test_a_record_with_an_unknown_runtime_decides_nothing(runtime):
    record = {"model_sha256": file_sha256(model_path("nuclei-2d")), "runtime": runtime}
    assert kept_runtime("auto", record, model="nuclei-2d") == "auto"


@pytest.mark.parametrize("model", ["phase-2d", "none.safetensors", "none"])
def test_a_record_of_another_model_decides_nothing(model):
    record = {"model_sha256": file_sha256(model_path("nuclei-2d")), "runtime": "openvino int8"}
    assert kept_runtime("auto", record, model=model) == "auto"


@needs_openvino
def test_after_a_release_the_logits_are_the_same(monkeypatch):
    releases = []
    release = of_openvino.CompiledNetwork.release
    monkeypatch.setattr(
        of_openvino.CompiledNetwork, "release", lambda net: (releases.append(net), release(net))
    )
    runtime = choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "openvino")
    image = torch.rand(1, 1, 20, 30)
    before = runtime.run(image)
    runtime.release()
    assert len(releases) == 1
    assert torch.equal(runtime.run(image), before)


@pytest.mark.parametrize("word", ["tensorrt", "OpenVINO", "onnx int8", "openvino int4", ""])
def test_another_word_is_refused(word):
    with pytest.raises(ValueError, match="runtime must be auto or torch or openvino or onnx, not"):
        choose_runtime(seeded(1, 2, width=2, depth=1), CPU, word)
    with pytest.raises(ValueError, match="runtime must be auto or torch or openvino or onnx, not"):
        load_network("nuclei-2d", SegmentationInfo, runtime=word)


@needs_openvino
@pytest.mark.parametrize(("words", "name"), [(["INT8"], "int8"), ([], "float32")])
def test_integers_are_for_processors_that_compute_in_them(monkeypatch, words, name):
    monkeypatch.setattr(of_openvino, "_capabilities", lambda: words)
    assert load_network("nuclei-2d", SegmentationInfo).runtime.name == f"openvino {name}"
    assert ("int8" in describe_runtime(CPU)) == (name == "int8")


@needs_openvino
@pytest.mark.parametrize("error", [TypeError("incompatible function arguments"), KeyError("x")])
def test_any_error_of_a_runtime_falls_back(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(runtimes, "compile_openvino", fail)
    chosen = choose_runtime(seeded(1, 2, width=2, depth=1), CPU, "auto")
    assert chosen.name == "torch"
    assert "cannot compute this network here" in chosen.note


@pytest.mark.parametrize("large", [{"members": 10**9}, {"width": 1024, "depth": 8}])
def test_a_small_file_never_builds_a_huge_network(tmp_path, monkeypatch, large):
    net = Architecture(in_channels=6, out_channels=2, **large)
    path = tmp_path / "x.safetensors"
    info = FusionInfo(architecture=net, output="selection")
    save_model(path, {"head.bias": torch.zeros(2)}, info)
    monkeypatch.setattr("seamwise.engine.networks.build_network", lambda _: pytest.fail("built"))
    with pytest.raises(ValueError, match="its weights do not fit its description"):
        load_network(path, FusionInfo, device="cpu", runtime="torch")
