"""seamwise in napari; it uses the public names of seamwise only.

napari finds the widgets, readers, writers and samples in the manifest ``napari.yaml``.
"""
