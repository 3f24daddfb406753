"""``benchmarks/structure.py`` on a small package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

FILES = {
    "optuna_ofa/__init__.py": "",
    "optuna_ofa/__init__.pyi": '__all__ = ["Space", "study", "space"]\n',
    "optuna_ofa/_errors.py": "class Wrong(Exception): ...\n",
    "optuna_ofa/space/__init__.py": """
        from optuna_ofa.space._space import Space
        __all__ = ["Space"]
        """,
    "optuna_ofa/space/_space.py": """
        from typing import TYPE_CHECKING
        from optuna_ofa.exceptions import Wrong
        if TYPE_CHECKING:
            from optuna_ofa.studies import study
        class Space:
            def __init__(self, other):
                self._genes = other._genes
        """,
    "optuna_ofa/studies/__init__.py": """
        from ._study import study
        __all__ = ["study"]
        """,
    "optuna_ofa/studies/_study.py": """
        import optuna
        from optuna_ofa.space import Space
        from optuna_ofa.space._space import Space as Same
        def study(found, row):
            optuna._secret
            row._replace(n=1).__class__
            return found._study_id, found._genes
        """,
    "optuna_ofa/studies/storage/__init__.py": '__all__ = ["study", "Store"]\n',
    "optuna_ofa/attic/__init__.py": """
        def late():
            import optuna_ofa.space
        """,
    "samplers/__init__.py": "from optuna_ofa.samplers import _mating\n",
    "samplers/_mating.py": "from optuna_ofa.predictors._ridge import fit\n",
    "predictors/__init__.py": "",
    "predictors/_ridge.py": "def fit(): ...\n",
}


@pytest.fixture(scope="module")
def structure(import_path: Callable[[Path], ModuleType]) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield import_path(FOLDER / "structure.py")
    sys.modules.pop("_reaches", None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.split("\n")))
    (tmp_path / "optuna_ofa" / "samplers").symlink_to("../samplers")
    return tmp_path


@pytest.fixture
def package(structure: Any, root: Path) -> Any:
    return structure.Package(root)


def test_links_are_not_followed(package: Any) -> None:
    assert len(package.paths) == sum(name.endswith(".py") for name in FILES)
    assert package.paths["optuna_ofa.samplers._mating"].parent.name == "samplers"


def test_a_circle_goes_through_rooms_and_imports_for_type_checkers(
    structure: Any, package: Any
) -> None:
    assert structure.circles(package.edges()) == [
        [
            "optuna_ofa.space",
            "optuna_ofa.space._space",
            "optuna_ofa.studies",
            "optuna_ofa.studies._study",
        ]
    ]


def test_circles_that_do_not_meet_are_apart(structure: Any) -> None:
    edges = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}, "f": {"a"}}
    assert structure.circles(edges) == [["c", "d", "e"], ["a", "b"]]


def test_an_import_of_a_later_room_runs_up(structure: Any, package: Any) -> None:
    rising, unknown = structure.upward(package)
    assert rising == ["optuna_ofa.space._space -> optuna_ofa.studies"]
    assert unknown == ["optuna_ofa.attic -> optuna_ofa.space"]


def test_names_in_private_modules_of_another_room_are_private(structure: Any, package: Any) -> None:
    assert structure.private_names(package) == [
        ("optuna_ofa.predictors._ridge", "fit", "optuna_ofa.samplers._mating"),
        ("optuna_ofa.space._space", "Space", "optuna_ofa.studies._study"),
    ]


def test_reaches_are_told_apart(structure: Any, package: Any) -> None:
    module = "optuna_ofa.studies._study"
    found = structure.Reaches(module, package.trees[module])
    assert found.optunas == [f"{module}:8 found._study_id"]
    assert found.ours == [f"{module}:8 found._genes"]
    assert found.imported == [f"{module}:6 optuna._secret"]
    assert found.same_class == []


def test_another_instance_of_the_class_is_told_apart(structure: Any, package: Any) -> None:
    module = "optuna_ofa.space._space"
    found = structure.Reaches(module, package.trees[module])
    assert found.same_class == [f"{module}:8 other._genes"]
    assert found.ours == []


def test_a_name_of_a_room_and_of_its_folder_counts_once(structure: Any, package: Any) -> None:
    names = structure.public_names(package)
    assert names.pop(structure.ENTRY) == {"Space", "study", "space"}
    assert names == {"space": {"Space"}, "studies": {"study", "Store"}}


def test_it_prints_the_counts_and_lists_what_is_behind_them(
    structure: Any, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["structure.py", "--root", str(root), "--list"])
    structure.main()
    printed = capsys.readouterr().out
    assert "import circles: 1, of 4 files" in printed
    assert "upward imports: 1\n    optuna_ofa.space._space -> optuna_ofa.studies" in printed
    assert "without a place (attic): 1" in printed
    assert "private names across rooms: 2 imports of 2 names" in printed
    assert "reaches into private attributes: 2" in printed
    assert "public names: 3 of the root, 3 of the rooms" in printed


def test_files_are_those_of_functions_that_run(import_path: Callable[[Path], ModuleType]) -> None:
    from optuna_ofa.samplers import Constant

    entered = import_path(FOLDER / "_entered.py").entered
    size = Constant(3)
    files = [Path(file) for file in entered(lambda: size(0))]
    assert [(file.parent.name, file.name) for file in files] == [("evolution", "_schedule.py")]


def test_the_house_has_one_direction(structure: Any) -> None:
    package = structure.Package(Path(__file__).resolve().parents[2])
    assert structure.circles(package.edges()) == []
    assert structure.upward(package) == ([], [])
    assert structure.private_names(package) == []
