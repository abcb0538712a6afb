"""What scores of many methods on many cases allow to be said."""

from seamwise.analysis.statistics import (
    FriedmanTest,
    NemenyiTest,
    critical_difference_diagram,
    friedman,
    nemenyi,
)

__all__ = ["FriedmanTest", "NemenyiTest", "critical_difference_diagram", "friedman", "nemenyi"]
