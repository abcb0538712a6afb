"""The semantic classes: their numbers and their names."""

CLASS_NAMES = ("background", "cell", "touching", "gap")
"""Names of the classes 0 to 3."""
BACKGROUND = 0
"""Target of a pixel outside of all cells, and of their gaps if these are a class."""
CELL = 1
"""Target of a pixel of a cell that is not touching."""
TOUCHING = 2
"""Target of a pixel of a cell next to another cell."""
GAP = 3
"""Target of a pixel of background between cells that are close to each other."""
IGNORE = -1
"""Target of a pixel that counts nowhere."""
