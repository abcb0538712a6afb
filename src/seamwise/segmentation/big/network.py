"""The networks that the blocks of a process share; see `shared_network`."""

from collections import OrderedDict
from pathlib import Path
from threading import RLock

from seamwise.io.provenance import file_sha256
from seamwise.segmentation.predict import Model, load

_MOST = 2  # the one of a GPU, and the same on the CPU where its memory runs out
_networks: OrderedDict[tuple[str, ...], Model] = OrderedDict()
_lock = RLock()  # a thread that waits for a network does not load it again


def check_origin(model: Model, path: Path) -> None:
    """Raise ValueError unless a model comes from the file as it is now: blocks load it again."""
    if not model.sha256:
        raise ValueError(
            "model must come from a file, not from memory: save it and load that file (code of "
            "your own cannot be saved)"
        )
    if file_sha256(path) != model.sha256:
        raise ValueError(
            f"{path} is not the model that was loaded: restore that file, or start again"
        )


def share_network(model: Model, path: str, sha256: str, device: str, runtime: str) -> None:
    """Let `shared_network` return a network that is loaded already."""
    with _lock:
        _networks[path, sha256, device, runtime] = model
        while len(_networks) > _MOST:
            _networks.popitem(last=False)


def shared_network(path: str, sha256: str, device: str, runtime: str) -> Model:
    """Return the network of a model file; it is loaded once for all blocks of the process.

    Raises
    ------
    ValueError
        The file holds another model than `sha256`.
    """
    key = path, sha256, device, runtime
    with _lock:
        if key not in _networks:
            if file_sha256(Path(path)) != sha256:
                raise ValueError(
                    f"{path} is not the model that the work was begun with: restore that file, "
                    "or start again with --overwrite"
                )
            share_network(load(path, device=device, runtime=runtime), *key)
        return _networks[key]
