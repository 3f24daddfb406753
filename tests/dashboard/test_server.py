"""Optuna Dashboard with one more style sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from optuna.storages import InMemoryStorage

from optuna_ofa.dashboard import dashboard_app
from optuna_ofa.dashboard._server import ORDER, Styled, style
from optuna_ofa.fronts import find_picks
from optuna_ofa.reports import study_sections
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


def answer(app: Any, path: str) -> tuple[str, dict[str, str], bytes]:
    """Ask an application for a page."""
    started: list[Any] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "SERVER_NAME": "a", "SERVER_PORT": "1"}
    body = b"".join(app(environ, lambda *given: started.extend(given)))
    return started[0], dict(started[1]), body


def plain(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "20"), ("X-Kept", "yes")])
    return [b"<head></head>", b"<body>"]


class TestStyled:
    def test_a_page_has_the_style_and_its_length(self) -> None:
        status, headers, body = answer(Styled(plain, "a{}"), "/dashboard/studies/1")
        assert status == "200 OK"
        assert body == b"<head><style>a{}</style></head><body>"
        assert headers == {"Content-Length": str(len(body)), "X-Kept": "yes"}

    @pytest.mark.parametrize("path", ["/api/studies", "/static/bundle.js", "/artifacts/1"])
    def test_what_is_no_page_goes_through(self, path: str) -> None:
        _, headers, body = answer(Styled(plain, "a{}"), path)
        assert body == b"<head></head><body>"
        assert headers["Content-Length"] == "20"


def test_each_picture_of_a_study_has_its_place(searched: Make) -> None:
    found = searched().snapshot()
    shown = {"a": (found, find_picks(found.front()))}
    assert tuple(s.id for s in study_sections(shown, kind="predicted")) == ORDER
    places = [style().index(f'[id="user-defined-plot:{name}"]') for name in ORDER]
    assert places == sorted(places)


def test_the_page_of_the_dashboard_takes_the_style() -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    _, headers, body = answer(dashboard_app(InMemoryStorage()), "/dashboard")
    assert style().encode() in body
    assert "'unsafe-inline'" in headers["Content-Security-Policy"]
