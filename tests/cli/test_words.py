"""The words that the command line offers are those that the packages take."""

from typing import get_args, get_type_hints

import pytest

from seamwise import words
from seamwise.fusion import FusionSettings
from seamwise.fusion import options as fusing
from seamwise.io import models
from seamwise.segmentation import options as segmenting
from seamwise.segmentation import systems, transforms
from seamwise.segmentation.choose import tune as tuning

HINTS = get_type_hints(FusionSettings)


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (words.Annotation, transforms.Annotation),
        (words.MapName, transforms.MapName),
        (words.SystemName, systems.SystemName),
        (words.RuleName, models.RuleName),
        (words.StackMode, segmenting.Mode),
        (words.ZarrVersion, segmenting.ZarrVersion),
        (words.FusionMode, fusing.Mode),
        (words.Motion, fusing.Motion),
        (words.FusionNetwork, HINTS["network"]),
        (words.FusionLoss, HINTS["loss"]),
    ],
)
def test_the_words_are_the_same(offered, taken):
    assert set(get_args(offered)) == set(get_args(taken))


def test_words_of_decoding_are_the_same():
    assert set(get_args(words.TunedRule)) == set(get_args(words.RuleName)) - {"argmax"}
    hints = get_type_hints(tuning)
    assert set(get_args(words.BackgroundAs)) == set(get_args(hints["background_as"]))
