"""The semantic classes: their numbers and their names."""

CLASS_NAMES = ("background", "cell", "touching", "gap")
BACKGROUND, CELL, TOUCHING, GAP = range(4)
IGNORE = -1
