"""The progress of a training in the loggers of Lightning."""

import csv
import sys

import pytest

from seamwise.engine import TrainProgress, log_to, open_logger

LINES = [
    TrainProgress(1, 0.5, 1e-3, 2.0),
    TrainProgress(2, 0.25, 1e-3, 4.0, {"panoptic_quality": 0.75}),
]


def test_tensorboard_gets_every_step(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c  # its format is that of TFRecord

    logger = open_logger("tensorboard", tmp_path)
    for line in LINES:
        log_to(logger)(line)
    logger.finalize("success")
    (path,) = (tmp_path / "tensorboard").iterdir()
    content, events = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        assert int.from_bytes(content[8:12], "little") == masked_crc32c(content[:8])
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    values = {
        (event.step, value.tag): value.simple_value
        for event in events
        for value in event.summary.value
    }
    assert values == pytest.approx(
        {
            (1, "loss"): 0.5,
            (1, "learning_rate"): 1e-3,
            (2, "loss"): 0.25,
            (2, "learning_rate"): 1e-3,
            (2, "panoptic_quality"): 0.75,
        }
    )


def test_any_logger_of_lightning_will_do(tmp_path):
    loggers = pytest.importorskip("lightning_fabric.loggers")
    logger = loggers.CSVLogger(tmp_path, name="", version="log")
    for line in LINES:
        log_to(logger)(line)
    logger.save()
    with (tmp_path / "log" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == [0.5, 0.25]
    assert rows[1]["panoptic_quality"] == "0.75"


@pytest.mark.parametrize(
    ("name", "packages"), [("tensorboard", ("tensorboardX", "tensorboard")), ("wandb", ("wandb",))]
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, name, packages):
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "pytorch_lightning.loggers", None)
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARDX_AVAILABLE", False)
    message = rf"logger {name} is not available: pip install {packages[0]}"
    with pytest.raises(ValueError, match=message):
        open_logger(name, tmp_path)
