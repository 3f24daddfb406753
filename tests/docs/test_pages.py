"""What README.md and docs/ tell people to type: Python blocks run and print what they show."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import plotly.graph_objects as go
import pytest
from torch.utils.data import TensorDataset

import optuna_ofa
from optuna_ofa import data, visualization
from optuna_ofa._published import PUBLISHED
from optuna_ofa.commands._main import parser
from optuna_ofa.exceptions import DownloadError, MissingDependencyError

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}


def _runner() -> Any:
    spec = importlib.util.spec_from_file_location("blocks_of_pages", ROOT / "docs" / "blocks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BLOCKS = _runner()
# Blocks marked `no-run` need a device or files that are not here, or are calls of other projects.
# These are all; a block is marked only where it cannot be made to run.
NOT_RUN = {
    "README.md": 1,
    "docs/dashboard.md": 1,
    "docs/fleet.md": 1,
    "docs/guides/many-machines.md": 1,
    "docs/guides/phone.md": 1,
    "docs/migration.md": 3,
    "docs/own-metric.md": 1,
    "docs/verify.md": 1,
}
# Written by a page, and looked at afterwards.
WRITTEN = {
    "docs/getting-started.md": ("front.html", "nas.db"),
    "docs/guides/phone.md": ("note10.pte.json",),
    "docs/guides/device.md": ("phone.json", "phone.db"),
    "docs/guides/data.md": ("mine.pth", "mine.db", "mine.accuracy.json"),
    "docs/dashboard.md": ("report.html",),
    "docs/deployment.md": ("full.onnx.json",),
}
DATABASE = "sqlite:///nas.db"
N_CALIBRATED, N_TESTED = 200, 300
N_RACED = 600  # more than a rung has
TEAM = "docs/guides/team.md"
MICROCONTROLLER = "docs/guides/microcontroller.md"


def _blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _nothing(values: list[Any]) -> None:
    """Look at nothing."""


def _drawn(values: list[Any]) -> None:
    """Every block but the first one draws, and every picture is on the page."""
    assert all(isinstance(figure, go.Figure) and figure.data for figure in values[1:])
    names = [name for name in visualization.__all__ if name.startswith("plot_")]
    assert [name for name in names if name not in PAGES["docs/visualization.md"]] == []


def _published(values: list[Any]) -> None:
    """The dashboard has all trials, the view some of them."""
    assert len(list(Path("files").iterdir())) >= 3
    (study,) = optuna.get_all_study_summaries("sqlite:///nas.db")
    assert study.n_trials == 2_000
    (view,) = optuna.get_all_study_summaries("sqlite:///view.db")
    assert 200 <= view.n_trials <= 204


def _firmware(values: list[Any]) -> None:
    """The code for the board uses what is in the header, and adds the operators of the network."""
    (code,) = _blocks(PAGES[MICROCONTROLLER], "cpp")
    header = Path("net.h").read_text(encoding="utf-8")
    defined = set(re.findall(r"^#define (NET_TFLITE_\w+)", header, re.MULTILINE))
    assert set(re.findall(r"NET_TFLITE_\w+", code)) <= defined
    assert re.findall(r"resolver\.Add\w+", code) == re.findall(r"resolver\.Add\w+", header)
    assert all(Path(name).stat().st_size for name in ("net.tflite", "front.html", "boards.html"))


LOOKED_AT: dict[str, Callable[[list[Any]], None]] = {
    "docs/dashboard.md": _published,
    "docs/visualization.md": _drawn,
}
LOOKED_AT_WITH_LITERT: dict[str, Callable[[list[Any]], None]] = {MICROCONTROLLER: _firmware}


@pytest.fixture
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """An empty folder to work in, no network, and Optuna quiet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def _fewer_images(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the packaged images: the numbers that depend on them are not compared."""
    packaged = data.packaged_images
    n_tested = N_RACED if "rungs=" in PAGES[page] else N_TESTED

    def fewer(*arguments: str) -> data.ImageData:
        images = packaged(*arguments)
        train, test = images.train[:N_CALIBRATED], images.test[:n_tested]
        return data.ImageData(TensorDataset(*train), TensorDataset(*test))

    monkeypatch.setattr(data, "packaged_images", fewer)


@pytest.fixture(scope="session")
def published_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with those published files that are beside the project."""
    cache = tmp_path_factory.mktemp("cache")
    beside = ROOT.parent / "shared" / "data"
    by_hash = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in beside.rglob("*")
        if path.suffix in (".yaml", ".pth")
    }
    for file in PUBLISHED:
        if file.sha256 in by_hash:
            target = cache / file.name / file.file_name
            target.parent.mkdir(exist_ok=True)
            os.symlink(by_hash[file.sha256], target)
    return cache


@pytest.fixture
def team(
    tmp_path: Path, delete_studies: Callable[[str, Sequence[str]], None]
) -> Iterator[dict[str, str]]:
    """The database of a team, and a name of its own for its studies."""
    name, url = f"team-{uuid4()}", os.environ.get("OPTUNA_OFA_TEST_POSTGRESQL")
    yield {"name": name, "url": url or f"sqlite:///{tmp_path}/team.db"}
    if url:
        delete_studies(url, [name, f"{name}-front"])


@pytest.mark.usefixtures("_place", "_fewer_images")
@pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if BLOCKS.blocks(PAGES[page])])
def test_the_python_of_a_page_runs_and_prints_what_is_shown(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    published_cache: Path,
    team: dict[str, str],
) -> None:
    monkeypatch.setenv("OPTUNA_OFA_CACHE", str(tmp_path / "empty"))  # the first block needs none
    text = PAGES[page]
    if page == TEAM:
        assert f'"{DATABASE}"' in text
        text = text.replace(DATABASE, team["url"]).replace('"team', f'"{team["name"]}')
    values = []
    try:
        for done in BLOCKS.run(page, text, litert=False):
            assert done.block.agrees(done.printed), f"{page} shows other than:\n{done.printed}"
            values.append(done.value)
            monkeypatch.setenv("OPTUNA_OFA_CACHE", str(published_cache))
    except DownloadError:
        assert values, "the first block needs a network"
        assert not (ROOT.parent / "shared" / "data").is_dir(), "a published file is missing"
        pytest.skip("the published files are not beside the project")
    except MissingDependencyError as error:
        pytest.skip(str(error))
    for name in WRITTEN.get(page, ()):
        assert (tmp_path / name).stat().st_size > 0, name
    LOOKED_AT.get(page, _nothing)(values)


@pytest.mark.litert
@pytest.mark.usefixtures("_place", "_fewer_images")
@pytest.mark.parametrize("page", [page for page in PAGES if "```python litert\n" in PAGES[page]])
def test_the_blocks_that_need_litert_run_and_print_what_is_shown(page: str) -> None:
    values = []
    for done in BLOCKS.run(page, PAGES[page]):
        assert done.block.agrees(done.printed), f"{page} shows other than:\n{done.printed}"
        values.append(done.value)
    LOOKED_AT_WITH_LITERT.get(page, _nothing)(values)


def test_every_page_begins_with_a_block_that_shows_its_output() -> None:
    for page, text in PAGES.items():
        if not page.startswith("docs/reference/"):
            first = BLOCKS.blocks(text)[0]
            assert text.index("```") == first.span[0], f"{page} begins with a block that is not run"
            assert first.output, f"the first block of {page} shows no output"


def test_blocks_show_what_they_print() -> None:
    found = [block for text in PAGES.values() for block in BLOCKS.blocks(text)]
    shown = sum(block.output is not None for block in found)
    assert shown >= 55, f"{shown} of {len(found)} blocks show their output"


def test_few_blocks_are_not_run() -> None:
    counts = {page: len(_blocks(text, "python no-run")) for page, text in PAGES.items()}
    assert {page: n for page, n in counts.items() if n} == NOT_RUN


def test_every_block_of_code_has_a_known_kind() -> None:
    kinds = {
        kind
        for text in PAGES.values()
        for kind in re.findall(r"^```([^\n`]*)\n.*?^```$", text, re.DOTALL | re.MULTILINE)
    }
    known = {"python", "python no-run", "bash", "cpp", "json", "text", "{toctree}", "{eval-rst}"}
    known |= {"python litert", "text output", "text output measured"}
    assert kinds <= known


def test_the_command_lines_parse() -> None:
    lines = [
        line
        for text in PAGES.values()
        for block in _blocks(text, "bash")
        for line in block.replace("\\\n", " ").split("\n")
        if line.startswith("optuna-ofa ")
    ]
    assert len(lines) > 5
    for line in lines:
        arguments = shlex.split(line.split(" | ")[0], comments=True)[1:]
        if "--help" not in arguments:
            parser().parse_args(arguments)


def test_every_package_has_its_page_of_the_reference() -> None:
    # two rooms are links, which a source distribution does not have
    folders = [Path(optuna_ofa.__file__).parent, ROOT / "samplers", ROOT / "predictors"]
    inits = [*folders[0].glob("*/__init__.py"), *(path / "__init__.py" for path in folders[1:])]
    rooms = {path.parent.name for path in inits}
    doors = {name: importlib.import_module(f"optuna_ofa.{name}") for name in rooms}
    names = {name for name, door in doors.items() if door.__all__} - {"commands"} | {"exceptions"}
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages == {"index", "optuna_ofa", *names}
