"""The thresholds of a rule as a person moves them."""

import pytest

from seamwise.io import DecodeRule, ReliefPair
from seamwise.segmentation import rule_with, sliders_of


@pytest.mark.parametrize("rule", ["argmax", "relief"])
def test_sliders_show_the_values_of_a_rule(rule):
    pair = ReliefPair(foreground=0.25, core=0.5)
    own = DecodeRule(rule=rule, relief=pair, min_size=2000)
    sliders = {slider.name: slider for slider in sliders_of(own)}
    assert sliders["min_size"].value == sliders["min_size"].most == 2000
    assert ("foreground" in sliders) == (rule == "relief")
    assert rule_with(own, {}) == own


def test_a_rule_takes_other_thresholds_and_keeps_the_rest():
    own = DecodeRule(rule="relief", relief=ReliefPair(foreground=0.25, core=0.5), min_size=7)
    changed = rule_with(own, {"core": 0.125})
    assert changed.relief == ReliefPair(foreground=0.25, core=0.125)
    assert changed.min_size == 7


def test_a_slider_reaches_as_far_as_the_model_does():
    own = DecodeRule(rule="relief", relief=ReliefPair(foreground=0.25, core=0.5, saddle=1.75))
    saddle = {slider.name: slider for slider in sliders_of(own)}["saddle"]
    assert saddle.most == 1.75
    assert rule_with(own, {"saddle": 1.75}) == own


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"touching": 0.5}, "no threshold 'touching': it has foreground, peak, saddle, core"),
        ({"core": 1.25}, "Crowds must be a number from 0 to 1, not 1.25"),
        ({"core": True}, "Crowds must be a number"),
    ],
)
def test_a_threshold_out_of_range_is_refused(values, words):
    own = DecodeRule(rule="relief", relief=ReliefPair(foreground=0.25, core=0.5))
    with pytest.raises(ValueError, match=words):
        rule_with(own, values)
    with pytest.raises(ValueError, match="rule argmax has no threshold 'core': it has none"):
        rule_with(DecodeRule(), {"core": 0.5})
