"""Let torchvision be imported next to a torch that it was not compiled for.

    .nnunet/bin/python tests/support/torchvision_operators.py

If torch is a CPU build and torchvision is not, the compiled part of torchvision cannot be loaded.
Its import then ends with "operator torchvision::nms does not exist". nnU-Net and
segmentation_models import it, by way of timm, but call none of its operators. So this script
declares them, in the environment that it runs in. Where torchvision can be imported, it does
nothing.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

DECLARATION = """
if not _has_ops():
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def imports_torchvision():
    """Whether a new process can import it."""
    command = [sys.executable, "-c", "import torchvision"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def main():
    """Declare the operators, if they are missing."""
    if imports_torchvision():
        return
    path = Path(find_spec("torchvision").submodule_search_locations[0]) / "extension.py"
    path.write_text(path.read_text() + DECLARATION)
    if not imports_torchvision():
        raise SystemExit(f"torchvision cannot be imported, even with its operators in {path}")


if __name__ == "__main__":
    main()
