"""URLs of storages with a secret in any place: it is in nothing that people or programs see."""

from __future__ import annotations

import io
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import optuna_ofa
from optuna_ofa.commands import main
from optuna_ofa.dashboard import publish_view
from optuna_ofa.data import packaged_supernet
from optuna_ofa.exceptions import OptunaOFAError
from optuna_ofa.measurements import MeasurementTable, read_measurements
from optuna_ofa.space import SearchSpace
from optuna_ofa.storage import open_storage

SECRET = "s3cr3tW0rd"
NET = packaged_supernet()
FAMILY = NET.family
SPACE = SearchSpace(FAMILY)
HOST = "127.0.0.1:1"  # nobody answers there

# {d}: the driver, {s}: the secret, {h}: the host
USERS = [
    "u:{s}@{h}",
    "u:%73{s}@{h}",
    "u:a%40{s}@{h}",
    "{s}@{h}",
    "{s}:@{h}",
    "{s}:x@{h}",
    ":{s}@{h}",
    "u:@{s}@{h}",
    "u:a@{s}@{h}",
    "u:{s}@b@{h}",
    "u@x:{s}@{h}",
    "u:a&{s}@{h}",
    "u&x:{s}@{h}",
    "u:a\n{s}@{h}",
    "u\nx:{s}@{h}",
    "u:a/{s}@{h}",
    "u/x:{s}@{h}",
    "u:a?{s}@{h}",
    "u:a#{s}@{h}",
    "u:a:{s}@{h}",
    "u:a {s}@{h}",
    "u:a;{s}@{h}",
    "u:{{{s}}}@{h}",
    "u:%{s}@{h}",
    "u:1/{s}?x@{h}",
    "u:{s}",
    "u:[{s}]@{h}",
]
QUERIES = [
    "password={s}",
    "passwd={s}",
    "PASSWORD={s}",
    "pass%77ord={s}",
    "password=%73{s}",
    "password=a&password={s}",
    "user=u&password={s}",
    "options=-c%20a.b%3D{s}",
    "passfile=/home/{s}/.pgpass",
    "sslpassword={s}",
    "sslkey=/x/{s}.pem",
    "auth_token={s}",
    "authToken={s}",
    "token={s}&timeout=5",
    "timeout={s}",
    "charset={s}",
    "connect_timeout={s}",
    "unknown_word={s}",
    "{s}",
    "{s}=1",
    "a;password={s}",
    "odbc_connect=DRIVER%3Dx%3BPWD%3D{s}",
    "read_default_file=/x/{s}.cnf",
    "host={s}@x",
    "service={s}",
    "application_name={s}",
    "uri=true&key={s}",
]
PLACES = [
    *(f"{{d}}://{user}/db" for user in USERS),
    *(f"{{d}}://{{h}}/db?{query}" for query in QUERIES),
    "{d}://{h}/db#{s}",
    "{d}://{h}/db?a=b#{s}",
    "{d}://{h}/db?a=b?password={s}",
    "{d}:u:{s}@{h}/db",
    "{d}:/u:{s}@{h}/db",
    "{d}:///u:{s}@{h}/db",
    "{d}:////u:{s}@{h}/db",
    "{d}://{h}/u:{s}@x",
    "{d}://{h}/db;password={s}",
    "{d}://{h}/db%3Fpassword%3D{s}",
    "{d}+{s}://{h}/db",
]
DRIVERS = ["postgresql+psycopg", "mysql+pymysql", "sqlite", "redis", "nosuch"]
TEXTS = [
    "u:{s}@{h}/db",
    "//u:{s}@{h}/db",
    "{s}://{h}/db",
    "{s}",
    "postgresql",
    "host={h} user=u password={s} dbname=db",
    "host={h} user=u password='a {s}'",
    "jdbc:postgresql://{h}/db?user=u&password={s}",
    "jdbc:sqlserver://{h};user=u;password={s}",
    "jdbc:mysql://u:{s}@{h}/db",
    "jdbc:oracle:thin:u/{s}@{h}:db",
    "Driver={{PostgreSQL}};Server={h};Uid=u;Pwd={s};",
    "DSN=a;UID=u;PWD={s}",
    "mongodb://u:{s}@{h}/db",
    "grpc://{s}@{h}",
    "https://u:{s}@{h}/db?token={s}",
    " postgresql://u:{s}@{h}/db",
    "'postgresql://u:{s}@{h}/db'",
    "storage=postgresql://u:{s}@{h}/db",
    "POSTGRESQL://u:{s}@{h}/db",
]


def urls() -> list[str]:
    found = [place.replace("{d}", driver) for driver in DRIVERS for place in PLACES]
    return [url.format(s=SECRET, h=HOST) for url in (*found, *TEXTS) if "{s}" in url]


def study(url: Any) -> object:
    return optuna_ofa.study(SPACE, storage=url)


STUDY = optuna_ofa.study(SPACE, seed=0)
STUDY.search(5)
DOORS: dict[str, Callable[[str], object]] = {
    "storage": open_storage,
    "study": study,
    "fleet": lambda url: optuna_ofa.fleet(
        SPACE, hardware=["cpu-onnxruntime"], storage=url, study_name="f"
    ),
    "load_study": lambda url: optuna_ofa.load_study(storage=url, study_name="a"),
    "publish_view": lambda url: publish_view(STUDY, url),
    "measure": lambda url: optuna_ofa.measure(SPACE, SPACE.sample(1, seed=0), storage=url),
    "table": lambda url: MeasurementTable(url, FAMILY, {}),
    "read": lambda url: read_measurements(url, SPACE, metric="top1"),
    "evaluate": lambda url: optuna_ofa.evaluate(
        NET, SPACE.smallest(), [], optuna_ofa.EvaluationSettings(calibration=None), storage=url
    ),
}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that any logger says."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(), optuna.logging.get_logger("optuna")]
    for logger in loggers:
        logger.addHandler(handler)
    yield stream
    for logger in loggers:
        logger.removeHandler(handler)


def hidden(text: str) -> bool:
    return SECRET.lower() not in text.lower()


def refused(door: Callable[[str], object], url: str) -> OptunaOFAError | None:
    """The error of a door; a few URLs are odd names of SQLite files, which can be opened."""
    try:
        door(url)
    except OptunaOFAError as error:
        return error
    assert url.startswith("sqlite:")
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if error.__cause__ is not None and error.__context__ is not error.__cause__:
            yield from chain(error.__context__)
        error = error.__cause__ or error.__context__


def doors_of(i: int) -> list[str]:
    """Two doors and one of the others for each URL; each door gets URLs of every driver."""
    first, second, *others = DOORS
    return [first, second, others[i % len(others)]]


@pytest.mark.parametrize(("i", "url"), list(enumerate(urls())), ids=[repr(url) for url in urls()])
def test_a_secret_is_in_nothing_that_is_said(
    i: int, url: str, logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in doors_of(i):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            error = refused(DOORS[name], url)
        said = [str(warning.message) for warning in warned]
        said += [f"{e} {e!r} {vars(e)}" for e in chain(error)]
        said += traceback.format_exception(error) if error else []
        said += capfd.readouterr()
        for text in said:
            assert hidden(text), (name, text)
    assert hidden(logged.getvalue())


OWN = ["--supernet", "ofa_mbv3_fashion"]
COMMANDS = [
    ["search", *OWN, "--n", "5"],
    ["front"],
    ["verify", "--points", "2"],
    ["report", "page.html"],
    ["publish"],
    ["dashboard", "--port", "0"],
    ["studies"],
    ["measure", *OWN, "--n", "1"],
    ["compare", *OWN, "--table", "cpu-onnxruntime"],
    ["export", "a.onnx", "--format", "onnx", "--weights", "none", "--calibration", "none"],
]


SOME = urls()[::3]


@pytest.mark.parametrize(("i", "url"), list(enumerate(SOME)), ids=[repr(url) for url in SOME])
def test_no_command_prints_it(
    i: int,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = COMMANDS[i % len(COMMANDS)]
    if url.startswith("sqlite:") and command[0] == "dashboard":
        command = ["studies"]  # a URL that can be opened would be served
    ways = [["--storage", url], [f"--storage={url}", "--json"], [url], ["--study", "a", "--", url]]
    for way in ways[: 2 + 2 * (i % 5 == 0)]:
        try:
            code = main([*command, *way])
        except SystemExit as end:
            code = int(end.code or 0)
        assert code in (0, 1, 2)
        for text in (*capfd.readouterr(), logged.getvalue()):
            assert hidden(text), (command, text)


def test_a_storage_that_works_has_its_secret_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite passes over words of a URI that it does not know."""
    url = f"sqlite:///file:{tmp_path}/a.db?uri=true&mode=rwc&token={SECRET}"
    view = f"sqlite:///file:{tmp_path}/view.db?uri=true&mode=rwc&token={SECRET}"
    named = ["--storage", url, "--json"]
    page = str(tmp_path / "page.html")
    subnet_study = optuna_ofa.study(SPACE, storage=url, study_name="own")
    subnet_study.search(30)
    published = publish_view(subnet_study, view)
    commands = (["search", *OWN, "--n", "30"], ["front"], ["report", page], ["studies"])
    for command in commands:
        study_name = [] if command == ["studies"] else ["--study", "own"]
        assert main([*command, *study_name, *named]) == 0
    said = [*capsys.readouterr(), repr(subnet_study), repr(published), repr(subnet_study.front())]
    for text in said:
        assert hidden(text), text
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
    assert (tmp_path / "a.db").exists()
