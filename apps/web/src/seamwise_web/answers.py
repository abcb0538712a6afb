"""What the server answers: files, arrays, and errors in words; it stays up: see `in_words`."""

import errno
import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

_LONGEST_BODY = 2**20  # bytes; requests other than uploads are short
_LONGEST_WORDS = 400  # letters of a message

STATE = "X-Seamwise-State"
"""The header that describes the array in the body."""

Handler = Callable[[Request], Awaitable[Response]]


class RefusalError(Exception):
    """A request that cannot be done, with an HTTP status and the reason for the user."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def in_words(handler: Handler) -> Handler:
    """Return a handler whose errors are answers: ``{"error": …}`` in one line."""

    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            return await handler(request)
        except RefusalError as error:
            return _failure(error.status, str(error))
        except ClientDisconnect:
            return _failure(400, "the connection was lost")
        except Exception as error:
            return _failure(*explain(error))

    return run


def explain(error: BaseException) -> tuple[int, str]:
    """Return the status and the words for an error; what nobody expected is logged."""
    is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if isinstance(error, OSError) and is_full and error.strerror:  # words of the system
        return 507, "the disk is full: free some space, and try again"
    if isinstance(error, ValueError | TypeError | OSError):
        words = " ".join(str(error).split()) or type(error).__name__
        return 507 if is_full else 400, for_the_page(words)
    if isinstance(error, MemoryError):
        return 400, "not enough memory: close other programs, or use a smaller image"
    logging.getLogger("uvicorn.error").error("seamwise app: a request failed", exc_info=error)
    return 500, "this is a fault of seamwise: the terminal shows where; you can continue"


def for_the_page(words: str) -> str:
    """Return a message in which an option of the command line is a field of the page.

    Examples
    --------
    >>> for_the_page("the model knows 7 to 50: try --diameter 120")
    'the model knows 7 to 50: set the cell diameter to 120'
    >>> for_the_page("pixel size 9 µm: not believed; give --spacing if it is right")
    'pixel size 9 µm: not believed'
    >>> for_the_page("no axes in x.tif: read (3, 9, 9) as CYX; say axes='ZYX' if that is wrong")
    'no axes in x.tif: read (3, 9, 9) as CYX'
    >>> for_the_page("reduced 1,000 times: give another scale, diameter or spacing")
    'reduced 1,000 times: set another cell diameter'
    >>> for_the_page("more than two fifths of the picture move: --moving changes nothing")
    'more than two fifths of the picture move: nothing is taken from one frame'
    """
    words = re.sub(r"try --diameter (\d+)", r"set the cell diameter to \1", words)
    words = re.sub(r"(: not believed); give --spacing if it is right", r"\1", words)
    words = re.sub(r"; say axes='\w+' if that is wrong", "", words)
    words = words.replace("give --spacing Z,Y,X", "say how large a pixel is")
    words = words.replace("give another scale, diameter or spacing", "set another cell diameter")
    words = words.replace("do not align (--no-align, align=False)", "switch the alignment off")
    return words.replace("--moving changes nothing", "nothing is taken from one frame")


async def read_json(request: Request) -> dict[str, Any]:
    """Return the fields of a request.

    Raises
    ------
    RefusalError
        The body is too long or not an object in JSON.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise RefusalError(413, "the request is too long")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise RefusalError(400, "the request must be an object in JSON")
    return fields


def whole(fields: dict[str, Any], name: str) -> int:
    """Return a field that must be a whole number of 0 or more."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RefusalError(400, f"{name} must be a whole number of 0 or more, not {value!r}")
    return value


def axes_of(text: object) -> str | None:
    """Return the axes that a request names, if it does.

    Raises
    ------
    RefusalError
        It names none of T, Z and C before Y and X.
    """
    if text in (None, ""):
        return None
    if not isinstance(text, str) or not re.fullmatch("[TZC]{1,3}YX", text):
        raise RefusalError(400, "axes must be some of T, Z and C, and YX behind them")
    return text


def shown_place(request: Request) -> tuple[int, int]:
    """Return the time point and slice that a request is about, by default the first ones."""
    texts = [request.query_params.get(name, "0") for name in ("time", "z")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        raise RefusalError(400, "time and z must be whole numbers of 0 or more")
    time, z = map(int, texts)
    return time, z


def binary(content: bytes, facts: dict[str, Any]) -> Response:
    """Return an array as an answer, with what describes it."""
    headers = {STATE: json.dumps(facts)}  # ASCII, as a header must be
    return Response(content, media_type="application/octet-stream", headers=headers)


def download(content: bytes, name: str, kind: str) -> Response:
    """Return a file that the browser saves."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=kind, headers=headers)


def _failure(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": shortened(words)}, status)


def shortened(words: str) -> str:
    """Return a message without the middle of what is too long to be read: a name, or a number.

    Examples
    --------
    >>> len(shortened("x" * 10_000))
    401
    """
    half = _LONGEST_WORDS // 2
    return words if len(words) <= _LONGEST_WORDS else f"{words[:half]}…{words[-half:]}"
