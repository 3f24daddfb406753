"""How the package hangs together, in counts to compare before and after a change.

    python benchmarks/structure.py --calls

Reads `optuna_ofa`, `samplers` and `predictors` without importing them; links are left out. A room
is a folder of the package. What is counted:

- Import circles: sets of files that all import each other, directly or not. Imports inside
  functions and for type checkers count. ``from optuna_ofa.room import Name`` is an import of the
  room's ``__init__.py``, ``from optuna_ofa.room import _file`` of that file; that Python also runs
  the ``__init__.py`` of every folder on the way does not count.
- Upward imports: pairs of files whose first imports the second, which stands later in `ROOMS`.
  Pairs with a room that is not in `ROOMS` are counted apart.
- Private names across rooms: what a file imports from another room and either begins with ``_`` or
  is in a module that does. Anyone may import from the modules of the root.
- Reaches into private attributes: each place with ``x._name``, where x is not ``self``, ``cls`` or
  ``super()``. The public methods of named tuples and names with two underscores in front do not
  count. Counted apart are places where x was imported, and those inside a class that has such an
  attribute itself (its own name, or assigned to ``self``), so that x is mostly another instance.
  The names in ``_reaches.OPTUNA`` are Optuna's, also on a class that inherits them.
- Public names: ``__all__`` of the root's stub, and that of all rooms; names of a folder inside a
  room count where the room does not have them.

With ``--calls`` it also prints how many files a call enters, of the package that is installed,
whatever ``--root`` is.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from _reaches import Reaches

PACKAGE = "optuna_ofa"
FOLDERS = {PACKAGE: (), "samplers": ("samplers",), "predictors": ("predictors",)}
ROOT, ENTRY = "modules of the root", "the package itself"  # ENTRY: its __init__ and __main__
ROOMS = (
    ROOT,
    "executors",
    "space",
    "costs",
    "supernet",
    "training",
    "predictors",
    "graphs",
    "pretrained",
    "data",
    "problem",
    "fronts",
    "samplers",
    "storage",
    "measurements",
    "profiling",
    "evaluation",
    "verification",
    "deployment",
    "visualization",
    "reports",
    "dashboard",
    "studies",
    "fleets",
    "commands",
    ENTRY,
)


class Import(NamedTuple):
    """One name that a file imports; without a name the module itself."""

    module: str
    name: str | None


class Package:
    """The files of a checkout by the names of their modules."""

    def __init__(self, root: Path) -> None:
        self.paths: dict[str, Path] = {}
        for folder, prefix in FOLDERS.items():
            for path in sorted((root / folder).rglob("*.py")):
                inside = path.relative_to(root / folder).with_suffix("").parts
                parts = inside[:-1] if inside[-1] == "__init__" else inside
                self.paths[".".join((PACKAGE, *prefix, *parts))] = path
        texts = {name: path.read_text(encoding="utf-8") for name, path in self.paths.items()}
        self.n_lines = sum(text.count("\n") for text in texts.values())
        self.trees = {name: ast.parse(text) for name, text in texts.items()}
        self.imports = {name: list(self._imports(name)) for name in self.paths}

    def _imports(self, module: str) -> Iterator[Import]:
        """What a file imports of the package, once for each place."""
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                found = [Import(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module.split(".") if node.module else []
                if node.level:
                    is_folder = self.paths[module].name == "__init__.py"
                    above = module.split(".")
                    base = above[: len(above) - node.level + is_folder] + base
                found = [Import(".".join(base), alias.name) for alias in node.names]
            else:
                continue
            yield from (one for one in found if one.module.split(".")[0] == PACKAGE)

    def target(self, one: Import) -> str:
        """The module of the file that an import reaches."""
        inner = f"{one.module}.{one.name}"
        return inner if inner in self.paths else one.module

    def room(self, module: str) -> str:
        """The room of a module, or one of `ROOT` and `ENTRY`."""
        parts = module.split(".")
        if len(parts) == 1 or parts[1] == "__main__":
            return ENTRY
        is_file = len(parts) == 2 and self.paths[module].name != "__init__.py"
        return ROOT if is_file else parts[1]

    def edges(self) -> dict[str, set[str]]:
        """The files that each file imports."""
        return {
            module: {self.target(one) for one in found} & (self.paths.keys() - {module})
            for module, found in self.imports.items()
        }


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Sets of files that all reach each other, the largest first."""

    def reached(start: str) -> set[str]:
        seen, waiting = set[str](), [start]
        while waiting:
            new = edges[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    reach = {module: reached(module) for module in edges}
    found = {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in edges
        if module in reach[module]
    }
    return sorted(map(sorted, found), key=lambda circle: (-len(circle), circle))


def upward(package: Package) -> tuple[list[str], list[str]]:
    """Pairs of files: an import that runs up, and one with a room that has no place."""
    rising, unknown = [], []
    for module, others in package.edges().items():
        for other in sorted(others):
            rooms = package.room(module), package.room(other)
            pair = f"{module} -> {other}"
            if rooms[0] != rooms[1] and not set(rooms) <= set(ROOMS):
                unknown.append(pair)
            elif rooms[0] != rooms[1] and ROOMS.index(rooms[0]) < ROOMS.index(rooms[1]):
                rising.append(pair)
    return rising, unknown


def private_names(package: Package) -> list[tuple[str, str, str]]:
    """Module, name and importing module of what is private to another room."""
    found = set()
    for module, imports in package.imports.items():
        for one in imports:
            target = package.target(one)
            if target not in package.paths or package.room(target) in {ROOT, ENTRY}:
                continue
            private = any(part.startswith("_") for part in f"{target}.{one.name}".split("."))
            if private and package.room(target) != package.room(module):
                found.add((target, one.name or "", module))
    return sorted(found)


def public_names(package: Package) -> dict[str, set[str]]:
    """The names in ``__all__`` of each room, and of the root's stub (as `ENTRY`)."""
    trees = {
        module: tree
        for module, tree in package.trees.items()
        if package.paths[module].name == "__init__.py" and module != PACKAGE
    }
    stub = package.paths[PACKAGE].with_suffix(".pyi")
    if stub.exists():
        trees[PACKAGE] = ast.parse(stub.read_text(encoding="utf-8"))
    names: dict[str, set[str]] = {}
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names.setdefault(package.room(module), set()).update(ast.literal_eval(node.value))
    return names


def main() -> None:
    """Print the counts, and what is behind them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--list", action="store_true", help="list what is counted")
    parser.add_argument("--calls", action="store_true", help="run three calls, half a minute")
    arguments = parser.parse_args()

    def show(text: str, found: Iterable[str] = ()) -> None:
        print(text)
        for line in found if arguments.list else ():
            print(f"    {line}")

    package = Package(arguments.root)
    show(f"files: {len(package.paths)}, lines: {package.n_lines}")

    rings = circles(package.edges())
    sizes = ", ".join(str(len(ring)) for ring in rings)
    show(
        f"import circles: {len(rings)}" + (f", of {sizes} files" if rings else ""),
        (" ".join(ring) for ring in rings),
    )

    rising, unknown = upward(package)
    show(f"upward imports: {len(rising)}", rising)
    rooms = sorted({room for room in map(package.room, package.paths) if room not in ROOMS})
    show(
        f"imports to or from rooms without a place ({', '.join(rooms) or 'none'}): {len(unknown)}",
        unknown,
    )

    private = private_names(package)
    n_names = len({(module, name) for module, name, _ in private})
    show(
        f"private names across rooms: {len(private)} imports of {n_names} names",
        (f"{module} {name} in {user}" for module, name, user in private),
    )

    reaches = [Reaches(module, tree) for module, tree in package.trees.items()]
    show(f"reaches into private attributes: {sum(len(one.ours + one.optunas) for one in reaches)}")
    for words, kind in (
        ("of Optuna's objects", "optunas"),
        ("our own", "ours"),
        ("not counted, of the same class", "same_class"),
        ("not counted, of something imported", "imported"),
    ):
        places = [place for one in reaches for place in getattr(one, kind)]
        show(f"  {words}: {len(places)}", places)

    names = public_names(package)
    root = names.pop(ENTRY, set())
    show(
        f"public names: {len(root)} of the root, {sum(map(len, names.values()))} of the rooms",
        (f"{room}: {len(found)}" for room, found in sorted(names.items())),
    )

    if arguments.calls:
        from _entered import files_entered

        for call, files in files_entered():
            show(f"files entered by {call}: {len(files)}", files)


if __name__ == "__main__":
    main()
