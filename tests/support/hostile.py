"""Valid files, damaged by chance or by intent: `damaged`, and for texts `with_other_values`."""

import json
import re
import struct
import zlib
from copy import deepcopy

import numpy as np

NUMBERS = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64)
VALUES = (
    None, True, -1, 0, 1, 3.5, 10**9, 2**63, 10**400, 1e308, float("inf"), float("-inf"),
    float("nan"), "", "a", "\0", "../../a", "/etc/passwd", "C:\\a", "é\ud800", "9" * 5000, [], {},
    [[]], [0, 0], {"a": 1}, [1e308, -1e308],
)  # fmt: skip
NESTED = 100_000  # brackets, far more than any parser recurses


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, removed, repeated or inserted, or a number set to an end of its range."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        if not data:
            break
        at = int(rng.integers(len(data)))
        length = int(min(rng.geometric(0.1), 64))
        kind = rng.integers(7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            code = str(rng.choice(["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"]))
            size = struct.calcsize(code)
            number = NUMBERS[int(rng.integers(len(NUMBERS)))] % 2 ** (8 * size)
            data[at : at + size] = struct.pack(code, number)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length]
        elif kind == 5:
            data[at:at] = rng.bytes(length)
        elif rng.integers(4) == 0:
            del data[at:]
    return bytes(data)


def with_checksums(png: bytes) -> bytes:
    """A PNG whose chunks have the right checksums, as far as their lengths make sense."""
    data, start = bytearray(png), 8
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[start + 4 : end]))
        start = end + 4
    return bytes(data)


def any_value(rng: np.random.Generator):
    return deepcopy(VALUES[int(rng.integers(len(VALUES)))])


def with_other_values(content, rng: np.random.Generator):
    """A copy of nested lists and dictionaries with one to three parts changed."""
    content = json.loads(json.dumps(content))
    for _ in range(rng.integers(1, 4)):
        parents = list(_parents(content))
        if not parents:
            return any_value(rng)
        parent = parents[int(rng.integers(len(parents)))]
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = keys[int(rng.integers(len(keys)))]
        kind = rng.integers(6)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            parent[key] = [parent[key]]
        elif kind == 2 and isinstance(parent, list):
            parent.extend(deepcopy(parent[key]) for _ in range(rng.integers(1, 40)))
        elif kind == 3 and isinstance(parent, dict):
            parent[str(any_value(rng))] = deepcopy(parent[key])
        else:
            parent[key] = any_value(rng)
    return content


def _parents(content):
    """Every list and dictionary that is not empty."""
    if isinstance(content, dict | list) and content:
        yield content
        for part in content.values() if isinstance(content, dict) else content:
            yield from _parents(part)


def json_text(content, rng: np.random.Generator) -> bytes:
    """JSON of changed content; sometimes its bytes are damaged, or a value is nested deeply."""
    text = json.dumps(with_other_values(content, rng)).encode()
    kind = rng.integers(10)
    if kind == 0:
        return damaged(text, rng)
    if kind == 1:
        opening = b"[" if rng.integers(2) else b'{"a":'
        return text.replace(b":", b":" + opening * NESTED, 1)
    return text


def with_other_words(text: str, pattern: str, rng: np.random.Generator) -> str:
    """A text in which one to three of the parts that match a pattern are replaced."""
    for _ in range(rng.integers(1, 4)):
        places = [match.span(match.lastindex or 0) for match in re.finditer(pattern, text)]
        if not places:
            break
        start, end = places[int(rng.integers(len(places)))]
        value = any_value(rng)
        word = value if isinstance(value, str) else json.dumps(value)
        text = text[:start] + word + text[end:]
    return text
