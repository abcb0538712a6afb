"""Files: images and label images (`io.images`), model files (`io.models`), writing aside (`io.atomic`).

Nothing is imported here: `io.models` needs torch, the others do not.
"""
