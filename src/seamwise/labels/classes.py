"""The semantic classes: their numbers and their names."""

CLASS_NAMES = ("background", "cell", "touching", "gap")
"""Names of the classes 0 to 3."""
BACKGROUND, CELL, TOUCHING, GAP = range(4)
"""Number of a class in a target."""
IGNORE = -1
"""Target of a pixel that counts nowhere."""
