// Measure the cells that seamwise found, for a folder of images. NOT RUN IN FIJI.
// It ran in ImageJ 1.53t, with values in place of the lines that begin with #@.
// Before, in a terminal:  seamwise segment IMAGES -o LABELS
//                         seamwise export-labels LABELS -o ROIS
// For each image NAME.* it opens ROIS/NAME_rois.zip, and writes RESULTS/NAME_rois.csv. So give
// each image a name of its own: a.tif and a.png would share one file.

#@ File (label = "Images", style = "directory") images
#@ File (label = "ROIs of seamwise", style = "directory") rois
#@ File (label = "Results", style = "directory") results

run("Set Measurements...", "area mean standard min centroid shape display redirect=None decimal=4");
files = getFileList(images);
missing = 0;
setBatchMode(true);
for (i = 0; i < files.length; i++) {
    if (endsWith(files[i], "/")) continue;
    name = stem(files[i]);
    outlines = rois + File.separator + name + "_rois.zip";
    if (!File.exists(outlines)) {
        print("no outlines for " + files[i]);
        missing++;
        continue;
    }
    open(images + File.separator + files[i]);
    roiManager("reset");
    roiManager("open", outlines);
    run("Clear Results");
    roiManager("deselect");
    roiManager("measure");
    saveAs("Results", results + File.separator + name + "_rois.csv");
    close();
}
setBatchMode(false);
print("done: " + (files.length - missing) + " files, " + missing + " without outlines");

// The name of a file without its ending; of x.ome.tif and x.ome.tiff that is x.
function stem(file) {
    if (endsWith(file, ".ome.tif")) return substring(file, 0, lengthOf(file) - 8);
    if (endsWith(file, ".ome.tiff")) return substring(file, 0, lengthOf(file) - 9);
    dot = lastIndexOf(file, ".");
    if (dot < 0) return file;
    return substring(file, 0, dot);
}
