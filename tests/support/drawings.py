"""Drawings whose tests name the camera's options next to their own."""

from dataclasses import fields, replace
from functools import wraps

from seamwise.synth import Camera

CAMERA = {field.name for field in fields(Camera)}


def with_camera(draw, usual):
    """`draw`, with the options of a camera among its own: changes of the usual camera."""

    @wraps(draw)
    def drawn(shape, **options):
        changes = {name: options.pop(name) for name in CAMERA & options.keys()}
        return draw(shape, camera=replace(usual, **changes), **options)

    return drawn
