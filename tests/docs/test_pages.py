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

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest
import torch
from torch import Tensor

import optuna_ofa
from optuna_ofa import visualization
from optuna_ofa._published import PUBLISHED
from optuna_ofa.commands._main import parser
from optuna_ofa.data._fashion_mnist import DEBIAN
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
# Blocks marked `no-run` need minutes, a device or files that are not here. These are all; a
# block is marked only where it cannot be made to run.
MOST_NOT_RUN = {
    "README.md": 13,
    "docs/dashboard.md": 1,
    "docs/deployment.md": 1,
    "docs/fleet.md": 1,
    "docs/migration.md": 3,
    "docs/training.md": 1,
    "docs/verify.md": 1,
}
# Written by a page, and looked at afterwards.
WRITTEN = {
    "README.md": ("front.html", "nas.db"),
    "docs/getting-started.md": ("front.html", "nas.db"),
    "docs/guides/phone.md": ("phone.db", "note10.pte.json"),
    "docs/guides/device.md": ("phone.json", "phone.db"),
    "docs/guides/data.md": ("mine.pth", "mine.db", "mine.accuracy.json"),
    "docs/dashboard.md": ("report.html",),
    "docs/deployment.md": ("full.onnx.json",),
}
# What a page does at length, done in short.
SHORTER = {
    "docs/dashboard.md": {"n_trials=1_000": "n_trials=500"},
    "docs/search-measured.md": {"n_trials=300": "n_trials=30", "range(20)": "range(2)"},
    "docs/getting-started.md": {"n_trials=2_000": "n_trials=500"},
    "docs/guides/data.md": {"n_steps=30": "n_steps=6", "n_trials=1_000": "n_trials=300"},
    "docs/guides/device.md": {"n_trials=1_000": "n_trials=300"},
    "docs/guides/phone.md": {"n_trials=4_000": "n_trials=1_000"},
    "docs/guides/team.md": {"n_trials=500": "n_trials=200"},
}
DATABASE = "postgresql+psycopg://nas@db.example.com/nas"

Names = dict[str, Any]


def _blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _batches(n: int, size: int, n_classes: int) -> list[tuple[Tensor, Tensor]]:
    """One batch of noise with random labels."""
    generator = torch.Generator().manual_seed(n)
    images = torch.randn(n, 3, size, size, generator=generator)
    return [(images, torch.randint(n_classes, (n,), generator=generator))]


def _own_supernet() -> Names:
    """A small family, a supernet of random weights, and data of it."""
    from optuna_ofa.space import mobilenet_v3_small_images

    family = mobilenet_v3_small_images("mine", n_classes=5, width=0.5, resolutions=(24, 32))
    torch.manual_seed(0)
    space = optuna_ofa.SearchSpace(family)
    return {
        "optuna_ofa": optuna_ofa,
        "space": space,
        "subnets": space.sample(6, seed=0),
        "supernet": optuna_ofa.Supernet(family),
        "train_loader": _batches(64, 32, 5),
        "val_loader": _batches(200, 32, 5),
    }


def _published_supernet() -> Names:
    """A supernet of random weights with the study of the start page."""
    study = optuna_ofa.study("ofa_mbv3_w1.0", seed=0)
    study.search(n_trials=200)
    torch.manual_seed(0)
    return {
        "optuna_ofa": optuna_ofa,
        "study": study,
        "supernet": optuna_ofa.load_supernet("ofa_mbv3_w1.0"),
        "train_loader": _batches(4, 224, 1000),
        "images": torch.randn(1, 3, 224, 224),
    }


def _phone() -> Names:
    """A checkpoint of random weights under the published name, and data."""
    torch.manual_seed(0)
    path = "ofa_mbv3_d234_e346_k357_w1.2"
    optuna_ofa.save_supernet(optuna_ofa.load_supernet("ofa_mbv3_w1.2"), path)
    return {
        "train_loader": _batches(4, 160, 1000),
        "val_loader": _batches(4, 160, 1000),
        "latency_on_phone": lambda subnet: 20.0,
    }


def _measured() -> Names:
    """Something that measures, in no time, on one input size."""

    def top1_of(subnet: optuna_ofa.Subnet) -> float:
        return 70.0 + sum(subnet.stage_depths) / 4

    def latency_of(subnet: optuna_ofa.Subnet) -> float:
        return 1.0 + sum(subnet.kernel) / 10

    return {
        "optuna_ofa": optuna_ofa,
        "space": optuna_ofa.SearchSpace("ofa_mbv3_w1.0", resolution=224),
        "top1_of": top1_of,
        "latency_of": latency_of,
        "measure": lambda subnet: (top1_of(subnet), latency_of(subnet)),
    }


def _accuracy() -> Names:
    """Two hundred measured accuracies."""
    top1 = np.random.default_rng(0).normal(75, 1, 200)
    return {"optuna_ofa": optuna_ofa, "top1": top1}


def _mmrazor() -> Names:
    """A file of a subnet as MMRazor publishes them, without what follows from the family."""
    chosen: Names = {"input_shape": [152, 152], "backbone.first_channels": 16}
    for stage in range(2, 7):
        chosen[f"backbone.layers.{stage}.depth"] = 2
        for block in range(4):
            chosen[f"backbone.layers.{stage}.{block}.kernel_size"] = 5
            chosen[f"backbone.layers.{stage}.{block}.expand_ratio"] = 4
    text = "".join(f"{key}:\n  chosen: {value}\n" for key, value in chosen.items())
    Path("OFA_SUBNET_NOTE8_LAT31.yaml").write_text(text, encoding="utf-8")
    return {}


STAND_INS: dict[str, Callable[[], Names]] = {
    "docs/accuracy.md": _accuracy,
    "docs/deployment.md": _published_supernet,
    "docs/evaluation.md": _own_supernet,
    "docs/migration.md": _mmrazor,
    "docs/search-measured.md": _measured,
    "docs/guides/phone.md": _phone,
}


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
    assert study.n_trials == 1_000
    (view,) = optuna.get_all_study_summaries("sqlite:///view.db")
    assert 200 <= view.n_trials <= 204


LOOKED_AT: dict[str, Callable[[list[Any]], None]] = {
    "docs/dashboard.md": _published,
    "docs/visualization.md": _drawn,
}


@pytest.fixture
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """An empty folder to work in, no network, and Optuna quiet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


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


@pytest.mark.usefixtures("_place")
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
    if page == "docs/guides/data.md" and not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    monkeypatch.setenv("OPTUNA_OFA_CACHE", str(tmp_path / "empty"))  # the first block needs none
    text = PAGES[page].replace(DATABASE, team["url"]).replace('"team', f'"{team["name"]}')
    for long, short in SHORTER.get(page, {}).items():
        assert long in text
        text = text.replace(long, short)
    values = []
    try:
        for done in BLOCKS.run(page, text, STAND_INS.get(page, dict)()):
            assert done.block.agrees(done.printed), f"{page} shows other than:\n{done.printed}"
            values.append(done.value)
            monkeypatch.setenv("OPTUNA_OFA_CACHE", str(published_cache))
    except DownloadError:
        assert values, "the first block needs a network"
        pytest.skip("the published files are not beside the project")
    except MissingDependencyError as error:
        pytest.skip(str(error))
    for name in WRITTEN.get(page, ()):
        assert (tmp_path / name).stat().st_size > 0, name
    LOOKED_AT.get(page, _nothing)(values)


def test_blocks_show_what_they_print() -> None:
    shown = sum(
        block.output is not None for text in PAGES.values() for block in BLOCKS.blocks(text)
    )
    assert shown >= 0


def test_few_blocks_are_not_run() -> None:
    counts = {page: len(_blocks(text, "python no-run")) for page, text in PAGES.items()}
    assert {page: n for page, n in counts.items() if n > MOST_NOT_RUN.get(page, 0)} == {}


def test_every_block_of_code_has_a_known_kind() -> None:
    kinds = {
        kind
        for text in PAGES.values()
        for kind in re.findall(r"^```([^\n`]*)\n.*?^```$", text, re.DOTALL | re.MULTILINE)
    }
    known = {"python", "python no-run", "bash", "json", "text", "{toctree}", "{eval-rst}"}
    known |= {"text output", "text output measured"}
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
    rooms = {path.parent.name for path in Path(optuna_ofa.__file__).parent.glob("*/__init__.py")}
    doors = {name: importlib.import_module(f"optuna_ofa.{name}") for name in rooms}
    names = {name for name, door in doors.items() if door.__all__} - {"commands"} | {"exceptions"}
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages == {"index", "optuna_ofa", *names}
