import pytest
import torch

from seamwise.engine.devices import choose_device, choose_precision, place
from seamwise.nets import UNet


def test_the_cpu_is_always_there_and_auto_finds_something():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["gpu", "tpu", "meta", "cuda:99"])
def test_other_devices_are_named(name):
    with pytest.raises(
        ValueError, match=f"device '{name}'.* use auto, cpu, cuda or mps$"
    ) as caught:
        choose_device(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("capabilities", "expected"), [
    ({"avx512_bf16": True}, torch.bfloat16),
    ({"amx_bf16": True}, torch.bfloat16),
    ({"avx2": True}, torch.float32),
])  # fmt: skip
def test_bfloat16_only_where_the_processor_has_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision(torch.device("cpu")) == expected


def test_placing_keeps_the_outputs():
    net = UNet(1, 2, width=2, depth=1).eval()
    image = torch.randn(1, 1, 8, 8)
    before = net(image)
    placed = place(net, torch.device("cpu"))
    assert placed.down[0][0].weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(placed(image), before)
