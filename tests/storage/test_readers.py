"""What others read from a study that was written a generation at a time."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
from optuna.exceptions import ExperimentalWarning

from optuna_ofa import SubnetStudy

Make = Callable[..., SubnetStudy]
N_TRIALS = 120


@pytest.fixture
def study(make_study: Make, url: str, names: Callable[[], str]) -> SubnetStudy:
    study = make_study(storage=url, study_name=names(), constraints={"latency_ms": 40.0})
    study.search(N_TRIALS)
    return study


def _command_line(url: str, *arguments: str) -> list[dict[str, Any]]:
    script = Path(sys.executable).with_name("optuna")
    command = [str(script), "--storage", url, *arguments, "-f", "json"]
    return list(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def test_optunas_command_line(study: SubnetStudy, url: str) -> None:
    trials = _command_line(url, "trials", "--study-name", study.study_name)
    assert [trial["number"] for trial in trials] == list(range(N_TRIALS))
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    assert [list(trial["values"].values()) for trial in trials] == [t.values for t in study.trials]
    assert [trial["params"] for trial in trials] == [t.params for t in study.trials]
    best = _command_line(url, "best-trials", "--study-name", study.study_name)
    assert {trial["number"] for trial in best} == {p.trial_number for p in study.front()}


def _get(app: Any, path: str, query: str = "") -> dict[str, Any]:
    """What a WSGI application answers."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environ, lambda line, headers, exc_info=None: status.append(line)))
    assert status == ["200 OK"], body
    return dict(json.loads(body))


def test_optuna_dashboard(study: SubnetStudy, url: str) -> None:
    app = optuna_dashboard.wsgi(url)
    listed = _get(app, "/api/studies")["study_summaries"]
    assert study.study_name in {summary["study_name"] for summary in listed}
    detail = _get(app, f"/api/studies/{study._study_id}", "after=0")
    assert [trial["values"] for trial in detail["trials"]] == [t.values for t in study.trials]
    assert {len(trial["params"]) for trial in detail["trials"]} == {len(study.space.genes)}
    best = {trial["number"] for trial in detail["best_trials"]}
    assert best >= {p.trial_number for p in study.front()}  # it passes over constraints


def test_rustuna(make_study: Make, tmp_path: Path) -> None:
    rustuna = pytest.importorskip("rustuna")
    file = tmp_path / "study.db"
    study = make_study(storage=f"sqlite:///{file}", study_name="phone")
    study.search(N_TRIALS)
    found = rustuna.load_study("phone", rustuna.storages.SQLite3Storage(str(file))).get_trials()
    assert [dict(trial.params) for trial in found] == [t.params for t in study.trials]
    assert [list(trial.values) for trial in found] == [t.values for t in study.trials]
    subnets = [trial.user_attrs["subnet"] for trial in found]
    assert subnets == [t.user_attrs["subnet"] for t in study.trials]


@pytest.fixture
def proxy(sqlite: str) -> Iterator[optuna.storages.GrpcStorageProxy]:
    """A storage behind gRPC, served by another process."""
    pytest.importorskip("grpc")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code = (
        f"import optuna; optuna.storages.run_grpc_proxy_server("
        f"optuna.storages.RDBStorage({sqlite!r}), host='127.0.0.1', port={port})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    with pytest.warns(ExperimentalWarning):
        storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
    try:
        storage.wait_server_ready(timeout=60)
        yield storage
        storage.close()
    finally:
        process.terminate()
        process.wait()


def test_a_study_behind_grpc_is_searched_and_continued(
    make_study: Make, proxy: optuna.storages.GrpcStorageProxy, sqlite: str
) -> None:
    for _ in range(2):
        study = make_study(storage=proxy, study_name="phone", load_if_exists=True, seed=3)
        study.search(70)
    alone = make_study(seed=3)
    alone.search(140)
    expected = [(p.subnet, p.values, p.trial_number) for p in alone.front()]
    assert [(p.subnet, p.values, p.trial_number) for p in study.front()] == expected
    assert len(optuna.load_study(study_name="phone", storage=sqlite).trials) == 140
