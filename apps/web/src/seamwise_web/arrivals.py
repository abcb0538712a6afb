"""How images come to the server, dropped or from the folder of the page: `Arrivals`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from seamwise_web.answers import RefusalError, explain
from seamwise_web.folder import Folder
from seamwise_web.scratch import scratch_folder
from seamwise_web.uploads import checked_name, receive

Opened = TypeVar("Opened")


class Arrivals:
    """Reads the images that requests bring or name.

    Errors name no folder of this computer.

    Parameters
    ----------
    folder : Folder, optional
        Of the page.
    largest : int
        Bytes of a file that is dropped.
    """

    def __init__(self, folder: Folder | None, largest: int) -> None:
        self._folder, self.largest = folder, largest

    @property
    def folder(self) -> Folder:
        """The folder of the page.

        Raises
        ------
        RefusalError
            The page has none.
        """
        if self._folder is None:
            raise RefusalError(404, "this page has no folder: start it with seamwise app FOLDER")
        return self._folder

    async def dropped(self, request: Request, read: Callable[[Path], Opened]) -> Opened:
        """Return what is read from an image that was dropped; its file is removed then."""
        with scratch_folder() as scratch:
            path = Path(scratch) / checked_name(request.query_params.get("name", ""))
            await receive(request, path, self.largest)
            return await self.read(path, read, Path(scratch))

    async def of_folder(
        self, place: object, read: Callable[[Path], Opened], *, photos: bool = False
    ) -> Opened:
        """Return what is read from an image of the folder; `photos` as in `Folder.list`."""
        folder = self.folder
        if not isinstance(place, str):
            raise RefusalError(400, "place must be the path of an image")
        path = await run_in_threadpool(folder.image, place, photos=photos)
        return await self.read(path, read, folder.root)

    async def read(self, path: Path, read: Callable[[Path], Opened], root: Path) -> Opened:
        """Return what is read from a file below a folder that errors do not name."""
        try:
            return await run_in_threadpool(read, path)
        except RefusalError:
            raise
        except Exception as error:
            status, words = explain(error)
            words = words.replace(f"{root}{os.sep}", "").replace(str(root), "the folder")
            raise RefusalError(status, words) from error
