"""Optuna Dashboard with the figures of this package first, on pages that fit the window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import BaseStorage

from optuna_ofa._imports import try_import

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from optuna.artifacts._protocol import ArtifactStore

_dashboard = try_import("optuna_dashboard", "dashboard")
# Order of our figures on the page of a study: the dashboard keeps their names in a set, so that
# their order changes with each start, and shows them below its own.
ORDER = (
    "front",
    "architectures",
    "choices",
    "layers",
    "accuracy-macs",
    "hypervolume",
    "hypervolume-time",
)
_PICTURE = '[id^="user-defined-plot:"]'
# Child selectors: a browser would search for descendants again with each of the 20,000 elements
# that the figures add, which took longer than drawing them.
_IN_TILE = "> .MuiCard-root > .MuiCardContent-root >"
_TILES = f".MuiGrid-container:has(> .MuiGrid-root {_IN_TILE} {_PICTURE})"
_LIST = ".MuiBox-root:has(> .MuiList-root > .MuiListSubheader-root)"
_STYLE = f"""
main {{ min-width: 0; }}
main .MuiBox-root, main .MuiTypography-body1 {{ white-space: normal; }}
main p, main code, main li {{ overflow-wrap: anywhere; }}
main {_LIST} :is(p, code, li) {{ overflow-wrap: normal; }}
main table:not(.MuiTable-root) {{
  display: block; overflow-x: auto; overflow-wrap: normal; white-space: nowrap; }}
{_TILES} {{ order: -1; }}
{_TILES} > .MuiGrid-root:has({_IN_TILE} {_PICTURE}) {{ order: -1; }}
@media (max-width: 900px) {{
  {_TILES} > .MuiGrid-root {{ flex-basis: 100%; max-width: 100%; }}
  main {_LIST} {{ display: none; }}
}}
"""


def style() -> str:
    """Return the style sheet: our figures first, in order, and pages as wide as the window."""
    tiles = [
        f'{_TILES} > .MuiGrid-root:has({_IN_TILE} [id="user-defined-plot:{name}"]) '
        f"{{ order: {i - len(ORDER) - 1}; }}"
        for i, name in enumerate(ORDER)
    ]
    return "\n".join([_STYLE, *tiles])


class Styled:
    """A WSGI application with an additional style sheet on its pages.

    Args:
        app: The application.
        style: The style sheet.
    """

    def __init__(self, app: WSGIApplication, style: str) -> None:
        self._app, self._style = app, f"<style>{style}</style></head>".encode()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; anything that is not a page is passed on unchanged."""
        if not environ.get("PATH_INFO", "").startswith("/dashboard"):
            return self._app(environ, start_response)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., None]:
            started[:] = [status, headers, *rest]
            return lambda _: None

        body = b"".join(self._app(environ, start)).replace(b"</head>", self._style, 1)
        status, headers, *rest = started
        kept = [(key, value) for key, value in headers if key.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))], *rest)
        return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Do not log requests."""


def dashboard_app(
    storage: str | BaseStorage, *, artifact_store: ArtifactStore | None = None
) -> Styled:
    """Return Optuna Dashboard as a WSGI application, with our figures first.

    Args:
        storage: The studies.
        artifact_store: The store of files of their trials.

    Raises:
        MissingDependencyError: If optuna-dashboard is not installed.
    """
    return Styled(_dashboard.check().wsgi(storage, artifact_store=artifact_store), style())


def dashboard_server(app: WSGIApplication, *, host: str, port: int) -> WSGIServer:
    """Return a server of an application; its ``serve_forever`` uses a thread per request.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port; 0 picks a free one.

    Raises:
        OSError: If the port is taken.
    """
    return make_server(host, port, app, server_class=_Server, handler_class=_Silent)
