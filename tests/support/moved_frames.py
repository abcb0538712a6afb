"""Frames that a camera moved, and how far an alignment is from the truth."""

import itertools

import cv2
import numpy as np
from skimage import data

from seamwise.fusion import (
    Alignment,
)

MARGIN = 40


def scene(name="astronaut"):
    return getattr(data, name)().astype(np.float32) / 255


def movement(shape, *, shift=(0.0, 0.0), scale=1.0, turn=0.0, perspective=(0.0, 0.0)):
    """From pixels of a frame to those of the inner part of the scene; turn in radians."""
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    about_centre = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*perspective, 1]])
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return np.linalg.inv(to_centre) @ about_centre @ to_centre


def inner_shape(picture):
    return picture.shape[0] - 2 * MARGIN, picture.shape[1] - 2 * MARGIN


def photograph(picture, matrix):
    """The inner part of a picture as a camera moved by the matrix sees it."""
    height, width = inner_shape(picture)
    into = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1]]) @ matrix
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpPerspective(picture, into, (width, height), flags=flags), 0, 1)


def moved(matrix, points):
    x, y, w = matrix @ np.c_[points, np.ones(len(points))].T
    return np.stack([x / w, y / w], 1)


def corner_error(matrix, expected, shape):
    corners = np.array(list(itertools.product((0, shape[1] - 1), (0, shape[0] - 1))))
    return np.linalg.norm(moved(matrix, corners) - moved(expected, corners), axis=1).max()


def noisy(picture, gain, rng):
    noise = 0.01 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture * np.float32(gain) + noise, 0, 1).astype(np.float32)


def shifted(*shifts, shape=(6, 8)):
    """An alignment of frames moved by whole pixels (x, y)."""
    matrices = np.stack([np.eye(3)] * len(shifts))
    matrices[:, :2, 2] = shifts
    names = tuple(f"{i}.png" for i in range(len(shifts)))
    return Alignment(matrices, np.ones((len(shifts), 1)), shape, 0, names)
