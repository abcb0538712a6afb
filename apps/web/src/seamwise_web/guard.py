"""Who may talk to the server: `Guard`."""

import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # addresses hold the token
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuse requests with another host, origin or token than those of the page.

    Another web site that the user visits can make the browser send requests to this computer. It
    does not know the token, the first part of every path. The host tells it even if its own name
    leads to this computer.

    Parameters
    ----------
    app : ASGI application
    token : str
    port : int
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:  # browsers do not send it
            self._hosts |= {"127.0.0.1", "localhost"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            answer: ASGIApp = PlainTextResponse(f"{refusal}\n", 403)
        elif scope["path"] == f"/{self._token}":
            answer = RedirectResponse(f"/{self._token}/")
        else:
            answer = self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str:
        """Why a request is refused, in words; empty if it may pass."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return "This page answers at 127.0.0.1 only: use the address that seamwise printed."
        if not self._origins.issuperset(headers.getlist("origin")):
            return "Another web site asked for this page: open it from the terminal's address."
        word = str(scope["path"])[1:].partition("/")[0]
        if not secrets.compare_digest(word.encode(), self._token.encode()):
            return "This address lacks the right key: use the one that seamwise printed last."
        return ""
