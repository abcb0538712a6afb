// Find the cells of the image that is open, with seamwise, and open their ROIs. NOT RUN IN FIJI.
// It ran in ImageJ 1.53t, with values in place of the lines that begin with #@.
// Where seamwise is: what `which seamwise` prints in a terminal, on Windows `where seamwise`.

#@ String (label = "seamwise", value = "/home/me/seamwise/.venv/bin/seamwise") program
#@ String (label = "Model", value = "nuclei-2d") model
#@ Integer (label = "Cell diameter in pixels, 0 for that of the model", value = 0) diameter

if (nImages == 0) exit("Open an image first.");
folder = getDirectory("temp") + "seamwise-" + getTime();
File.makeDirectory(folder);  // it stays until the system clears its temporary files
image = folder + File.separator + "image.tif";
labels = folder + File.separator + "labels";
rois = folder + File.separator + "rois";

title = getTitle();
run("Duplicate...", "title=seamwise-copy duplicate");
saveAs("Tiff", image);
close();
selectImage(title);

if (diameter > 0)
    said = exec(program, "segment", image, "-o", labels, "--model", model, "--diameter", "" + diameter);
else
    said = exec(program, "segment", image, "-o", labels, "--model", model);
print(said);
if (!File.exists(labels)) exit("seamwise did not run. Check its path: " + program);
print(exec(program, "export-labels", labels, "-o", rois));

outlines = rois + File.separator + "image_rois.zip";
if (!File.exists(outlines)) exit("seamwise found nothing; the Log window says why.");
roiManager("reset");
roiManager("open", outlines);
roiManager("show all without labels");
