"""Decoders: class probabilities `(C, *S)` → instance labels `(*S)`."""

from seamwise.decode.argmax import argmax, instances, semantic_classes

__all__ = ["argmax", "instances", "semantic_classes"]
