// Detections of seamwise for the image that is open; Run for project does it for all. NOT RUN IN QUPATH.
// Before, in a terminal:
//   seamwise segment IMAGES -o LABELS
//   seamwise measure IMAGES LABELS -o qupath-cells.csv
//   seamwise export-labels LABELS -o DETECTIONS --format geojson --table qupath-cells.csv

import qupath.lib.gui.scripting.QPEx
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObjectTools
import java.awt.geom.AffineTransform

def folder = "/path/to/detections"
// where the segmented region begins in the image, in pixels
double originX = 0
double originY = 0

def name = QPEx.getProjectEntry()?.getImageName() ?: QPEx.getCurrentServer().getMetadata().getName()
def stem = name.replaceAll(/(?i)(\.ome)?\.(tiff?|png|jpe?g|zarr)$/, "")
def file = new File(folder, stem + ".geojson")
if (!file.exists()) {
    println "no outlines for ${name}: ${file} does not exist"
    return
}
def objects = PathIO.readObjects(file)
if (originX != 0 || originY != 0) {
    def shift = AffineTransform.getTranslateInstance(originX, originY)
    objects = objects.collect { PathObjectTools.transformObject(it, shift, true) }
}
QPEx.addObjects(objects)
QPEx.fireHierarchyUpdate()
println "${objects.size()} cells for ${name}"
