"""Files that are dropped on the page: `receive`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.requests import Request

from seamwise_web.answers import RefusalError
from seamwise_web.folder import SUFFIXES

_LONGEST_NAME = 150
# on Windows these are devices, not files, whatever their ending
_DEVICES = {"AUX", "CON", "NUL", "PRN"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}


def checked_name(name: str, suffixes: Sequence[str] = SUFFIXES) -> str:
    """Return the name of a file, if it is one and not a way into another folder.

    Parameters
    ----------
    name : str
    suffixes : sequence of str
        That it may end in, in lower case.

    Raises
    ------
    RefusalError
        It is not a plain name of an image.
    """
    if (
        not name
        or name[0] == "."
        or any(sign in name for sign in '/\\:\0"')
        or not name.isprintable()
        or name.partition(".")[0].strip().upper() in _DEVICES
    ):
        raise RefusalError(400, f"a file must have a plain name such as a.tif, not {name!r}")
    if len(name.encode()) > _LONGEST_NAME:
        raise RefusalError(400, f"the name {name[:20]}… is too long: choose a shorter one")
    if not name.lower().endswith(tuple(suffixes)):
        raise RefusalError(
            400, f"{name} is not an image that the page reads: it takes {', '.join(suffixes)}"
        )
    return name


async def receive(
    request: Request, path: Path, limit: int, grow: Callable[[int], None] = lambda size: None
) -> None:
    """Write the body of a request to a new file.

    `grow` hears how many bytes came, and may refuse more.

    Raises
    ------
    RefusalError
        The file is too large.
    """
    words = f"{path.name} is larger than {limit // 2**20} MiB: put it into a folder and open that"
    if int(request.headers.get("content-length", "0")) > limit:
        raise RefusalError(413, words)
    size = 0
    with path.open("xb") as stream:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise RefusalError(413, words)
            grow(size)
            stream.write(chunk)
