"""The words of options stand once, in `seamwise.words`, and the rooms know each of them."""

from typing import get_args

import pytest

from seamwise import words
from seamwise.io.models import DecodeRule
from seamwise.segmentation.systems import BUILDERS
from seamwise.segmentation.transforms import MAPS


@pytest.mark.parametrize(
    ("offered", "known"),
    [(words.SystemName, BUILDERS), (words.MapName, MAPS)],
)
def test_every_word_is_known(offered, known):
    assert set(get_args(offered)) == set(known)


def test_every_decoding_rule_but_arg_max_has_its_thresholds():
    assert set(get_args(words.RuleName)) - {"argmax"} <= set(DecodeRule.model_fields)
    assert set(get_args(words.TunedRule)) < set(get_args(words.RuleName))
