// Annotations of the image that is open as GeoJSON; Run for project does it for all. NOT RUN IN QUPATH.
// Afterwards, in a terminal:  seamwise import-labels FOLDER -o MASKS --images IMAGES

import qupath.lib.gui.scripting.QPEx

def folder = "/path/to/annotations"

def name = QPEx.getProjectEntry()?.getImageName() ?: QPEx.getCurrentServer().getMetadata().getName()
def stem = name.replaceAll(/(?i)(\.ome)?\.(tiff?|png|jpe?g|zarr)$/, "")
new File(folder).mkdirs()
def file = new File(folder, stem + ".geojson")
QPEx.exportObjectsToGeoJson(QPEx.getAnnotationObjects(), file.getPath(), "FEATURE_COLLECTION")
println "${QPEx.getAnnotationObjects().size()} annotations of ${name}"
