"""Whatever a table of README.md or docs/ names exists, and its calls run, or at least bind."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import optuna_ofa
from optuna_ofa.deployment import export
from optuna_ofa.space import subnet_to_dialect

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = {path.parent.name for path in Path(optuna_ofa.__file__).parent.glob("*/__init__.py")}
ROOMS = sorted(FOLDERS | {"predictors", "samplers"})  # links, which a source distribution lacks
# columns of other projects, whose names are theirs
THEIRS = {"tutorial, `ofa` package", "DyNAS-T", "NSGANetV2", "MMRazor"}
# calls that need a checkpoint that is not here
BOUND_ONLY = {"fetch", "load_supernet"}
STUDY = "optuna_ofa.study(...)"


class Span(NamedTuple):
    """A piece of code in a cell of a table."""

    page: str
    code: str
    ours: bool  # a column "here": every name must be ours


def _spans() -> Iterator[Span]:
    for path in PAGES:
        for table in re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE):
            rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.strip().split("\n")]
            head = [cell.strip() for cell in rows[0]]
            for row in rows[2:]:
                for name, cell in zip(head, row, strict=True):
                    for code in re.findall(r"`([^`]+)`", cell) if name not in THEIRS else ():
                        yield Span(path.relative_to(ROOT).as_posix(), code, name == "here")


def _parsed(span: Span) -> ast.expr | None:
    """Return a call or a dotted name; None of anything else, such as a setting or a key."""
    try:
        body = ast.parse(span.code, mode="eval").body
    except SyntaxError:
        return None
    return body if isinstance(body, ast.Call | ast.Attribute | ast.Name) else None


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


SPANS = list(dict.fromkeys(span for span in _spans() if _parsed(span)))


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All public names, and the variables that the pages use."""
    found: dict[str, Any] = {"optuna_ofa": optuna_ofa, "torch": torch}
    for room in ROOMS:
        door = importlib.import_module(f"optuna_ofa.{room}")
        found |= {name: getattr(door, name) for name in door.__all__}
    found |= {name: getattr(optuna_ofa, name) for name in optuna_ofa.__all__}
    family = optuna_ofa.get_family("ofa_mbv3_w1.0")
    study = optuna_ofa.study(family, objectives=["top1", "latency_ms", "n_macs"], seed=0)
    study.search(n_trials=100)
    subnet, supernet = study.front()[0].subnet, optuna_ofa.load_supernet("ofa_mbv3_w1.0")
    folder = tmp_path_factory.mktemp("net") / "net"
    export(supernet, subnet, folder, format="ofa", calibration=torch.randn(32, 3, 32, 32))
    path = folder.parent / "acc.dict"
    tutorial = {**subnet_to_dialect(subnet, "ofa_tutorial"), "wid": None}
    path.write_text(json.dumps({json.dumps(tutorial): 75.0}))
    return found | {
        "calibration": torch.randn(32, 3, 32, 32),
        "family": family,
        "folder": folder,
        "front": study.front(),
        "matrix": study.space.sample(3, seed=0),
        "path": path,
        "space": study.space,
        "spec": subnet_to_dialect(subnet, "nsganetv2"),
        "study": study,
        "subnet": subnet,
        "supernet": supernet,
        "text": json.dumps(tutorial),
    }


@pytest.mark.usefixtures("quiet_optuna")
@pytest.mark.parametrize("span", SPANS, ids=lambda span: f"{span.page}: {span.code}")
def test_what_a_table_names_is_there(span: Span, names: dict[str, Any]) -> None:
    node = _parsed(span)
    assert node is not None
    root = _root(node)
    if root not in names:
        # a name alone may be a key, a field or a file; a call or a path of ours may not
        assert not (span.ours and isinstance(node, ast.Call)), f"{root} is no public name"
        return
    _value(node, names)


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """Run an expression, but bind the calls that leave arguments out or need files."""
    if isinstance(node, ast.Call) and ast.unparse(node) == STUDY:
        return names["study"]
    if not isinstance(node, ast.Call):
        if isinstance(node, ast.Attribute):
            return getattr(_value(node.value, names), node.attr)
        return eval(ast.unparse(node), dict(names))
    callee = _value(node.func, names)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    open_ended = any(isinstance(arg, ast.Constant) and arg.value is ... for arg in given)
    unknown = any(isinstance(arg, ast.Name) and arg.id not in names for arg in given)
    if open_ended or unknown or callee.__name__ in BOUND_ONLY:
        keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
        signature = inspect.signature(callee)
        bind = signature.bind_partial if open_ended else signature.bind
        return bind(*[None for arg in node.args if not _is_rest(arg)], **keywords)
    return eval(ast.unparse(node), dict(names))


def _is_rest(arg: ast.expr) -> bool:
    return isinstance(arg, ast.Constant) and arg.value is ...


def test_there_are_calls_in_tables() -> None:
    assert sum(isinstance(_parsed(span), ast.Call) for span in SPANS) > 25
