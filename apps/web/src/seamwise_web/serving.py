"""The server of the page, for this computer alone: `open_port` and `serve`."""

import errno
import signal
import socket
import sys
from contextlib import suppress

from starlette.types import ASGIApp

HOST = "127.0.0.1"
_PATIENCE = 2  # seconds that open requests get when the server ends


def open_port(port: int) -> socket.socket:
    """Return a socket that listens on a port of this computer; 0 takes a free one.

    Raises
    ------
    OSError
        The port is taken, or needs the rights of an administrator.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two programs share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        is_closed = error.errno == errno.EACCES
        reason = "needs the rights of an administrator" if is_closed else "is taken"
        raise OSError(
            f"port {port} {reason}: choose another, or remove --port for a free one"
        ) from error
    return listener


def serve(application: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C, or until the terminal is closed."""
    import uvicorn

    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGINT))

    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,  # addresses hold the token
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_PATIENCE,
    )
    with listener, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
