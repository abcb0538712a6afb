import pytest

from seamwise.engine import Resources
from support.files import one_line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"memory": 0}, "memory must be at least 1 byte, not 0"),
        ({"workers": 10**30}, "workers must be 1024 or less, not 1000"),
        ({"memory": 2**63}, "memory must be 9223372036854775807 or less, not 92233"),
        ({"workers": None}, "workers must be a whole number, not None"),
        ({"memory": "4GB"}, "memory must be a whole number, not '4GB'"),
        ({"memory": float("nan")}, "memory must be a whole number, not nan"),
        ({"device": 0}, "device must be a word"),
        ({"scheduler": 8786}, "scheduler must be an address"),
        ({"workers": 2, "scheduler": "tcp://x:1"}, "tcp://x:1"),
    ],
)
def test_resources_out_of_range_are_named(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        Resources(**options)
    assert one_line(caught)
