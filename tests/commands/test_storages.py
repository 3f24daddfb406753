"""The storage and the study that a command takes; reading makes none."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest

import optuna_ofa
from optuna_ofa.commands import main

READERS = {
    "front": ["front"],
    "verify": ["verify"],
    "report": ["report", "r.html"],
    "export": [
        *["export", "a.pt2", "--format", "torch_export"],
        *["--weights", "w.pth", "--calibration", "none"],
    ],
}


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "url",
    [
        None,
        "sqlite:///a.db",
        "sqlite:///{folder}/a.db",
        "sqlite+pysqlite:///a.db",
        "sqlite:///file:a.db?uri=true",
        "sqlite:///file:a.db?mode=rwc&uri=true",
        "sqlite:///file:{folder}/a.db?uri=true",
    ],
    ids=["default", "relative", "absolute", "driver", "uri", "uri mode", "absolute uri"],
)
def test_reading_makes_no_database(
    command: list[str], url: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = url and url.format(folder=tmp_path)
    assert main([*command, *(["--storage", url] if url else [])]) == 1
    shown = url or "sqlite:///optuna_ofa.db"
    expected = f"error: --storage {shown}: must be a database that exists.\n"
    assert capsys.readouterr().err == expected
    assert os.listdir() == []


@pytest.mark.parametrize("content", ["empty", "tables of others"])
def test_reading_makes_no_tables(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        if content != "empty":
            connection.execute("CREATE TABLE songs (name TEXT)")
    before = (tmp_path / "a.db").read_bytes()
    assert main(["front", "--storage", "sqlite:///a.db"]) == 1
    expected = "error: --storage sqlite:///a.db: must be a database that has studies, but"
    assert capsys.readouterr().err.startswith(expected)
    assert (tmp_path / "a.db").read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///a.txt", "must be a database that can be reached and written, but"),
        ("sqlite:///folder", "must be a file, but 'sqlite:///folder' is a"),
        ("sqlite://", "must be a file or the URL of a server, because a database in memory"),
        ("sqlite:///:memory:", "must be a file or the URL of a server, because a database in"),
        ("postgres://host/nas", "must be a URL such as"),
    ],
    ids=["no database", "folder", "memory", "memory by name", "dialect"],
)
def test_storages_that_are_none(
    url: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("no database, but a text")
    (tmp_path / "folder").mkdir()
    assert main(["front", "--storage", url]) == 1
    assert capsys.readouterr().err.startswith(f"error: --storage {url}: {message}")


SEARCH = ["search", "--supernet", "ofa_mbv3_w1.0", "--n", "40"]


def _front(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    main(["front", *arguments])
    captured = capsys.readouterr()
    return f"{captured.out}{captured.err}".split("\n")[0]


def test_the_default_storage_and_its_only_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEARCH, "--study", "phone"]) == 0
    where = "study phone in sqlite:///optuna_ofa.db: 40 trials"
    assert capsys.readouterr().out.startswith(f"{where}\n")
    assert _front(capsys) == where
    assert main(["search", "--n", "10"]) == 0  # the only one, as it is
    assert _front(capsys) == "study phone in sqlite:///optuna_ofa.db: 50 trials"
    assert main([*SEARCH, "--study", "tablet"]) == 0
    several = "because 'sqlite:///optuna_ofa.db' has several: phone, tablet."
    assert _front(capsys) == f"error: --study must be given, {several}"
    assert _front(capsys, "--study", "tablett").endswith("; did you mean 'tablet'?")
    assert main(SEARCH) == 1
    assert capsys.readouterr().err.strip() == f"error: --study must be given, {several}"


def test_a_study_of_its_own_problem_is_searched_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*SEARCH, "--within", "latency_ms=40"]) == 0
    assert main(["search", "--n", "10", "--within", "latency_ms=30"]) == 1
    expected = "error: --within latency_ms=30: must be left out to continue the study"
    assert capsys.readouterr().err.startswith(expected)
    assert main([*SEARCH, "--within", "latency_ms=30"]) == 1
    assert capsys.readouterr().err.startswith(
        "error: --study must be the name of a study of the same"
    )


def test_an_empty_storage_has_no_study(capsys: pytest.CaptureFixture[str]) -> None:
    optuna.storages.RDBStorage("sqlite:///a.db")
    assert main(["front", "--storage", "sqlite:///a.db"]) == 1
    expected = "error: --storage sqlite:///a.db: must have a study, but"
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (SEARCH, "finished trials are in sqlite:///optuna_ofa.db; the same command adds as many"),
        (["front"], ""),
        (["report", "r.html"], ""),
        (["verify"], "what was measured is in sqlite:///optuna_ofa.db; the same command measures"),
        (["measure", *SEARCH[1:3]], "nothing is kept without --storage"),
        (["measure", *SEARCH[1:3], "--storage", "sqlite:///m.db"], "what was measured is in sqlit"),
        (["profile", *SEARCH[1:3], "--out", "t.json"], "graphs and measurements are in t.json.gra"),
        (["graphs", "g", *SEARCH[1:3]], "the same command writes the rest of the graphs to g"),
        (["collect", "g", "--out", "t.json"], ""),
        (READERS["export"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_interruption_promises_what_is_true(
    arguments: list[str],
    kept: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    study = optuna_ofa.study("ofa_mbv3_w1.0", storage="sqlite:///optuna_ofa.db", study_name="a")
    study.search(10)
    (Path("g") / "x").mkdir(parents=True)
    for name in ("SubnetStudy.search", "SubnetStudy.front", "SubnetStudy.report"):
        monkeypatch.setattr(f"optuna_ofa.studies.{name}", interrupt)
    monkeypatch.setattr("optuna_ofa.studies.SubnetStudy.verify", interrupt)
    for name in ("measure", "profile", "export_profile", "collect_results"):
        monkeypatch.setattr(f"optuna_ofa.profiling.{name}", interrupt)
    assert main(arguments) == 130
    assert capsys.readouterr().err.startswith(f"interrupted{f'; {kept}' if kept else ''}")


def test_until_is_a_total_and_timeout_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    command = [*SEARCH[:3], "--until", "60"]
    where = "study optuna-ofa in sqlite:///optuna_ofa.db: 60 trials"
    for _ in range(2):
        assert main(command) == 0
        assert _front(capsys) == where
    assert main(["search", "--timeout", "0"]) == 0
    assert _front(capsys) == where
    assert main([*command, "--n", "10"]) == 1
    assert capsys.readouterr().err.startswith("error: --until 60: must be left out with --n")
