"""The result files of a folder of graphs: each is named after its graph, or in such a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from optuna_ofa.exceptions import FormatError
from optuna_ofa.profiling._graph_folder import PLAN, SCRIPT
from optuna_ofa.profiling.on_device import MANIFEST, RESULTS


def files_by_graph(
    folder: Path, graphs: Iterable[str], suffixes: Sequence[str]
) -> dict[str, list[Path]]:
    """Return the result files of each graph.

    A file belongs to the graph whose name, without its ending, is in the name of the file or of a
    folder above it: ``11a8d2b9e8210368.txt``, ``11a8d2b9e8210368/benchmark_report.csv``.

    Args:
        folder: Has the graphs, and the results in it or in folders below.
        graphs: Their files.
        suffixes: Endings of the results.

    Raises:
        FormatError: If a result is of no graph, or there are none.
    """
    stems = {name.split(".", 1)[0]: name for name in graphs}
    own = {folder / name for name in (MANIFEST, PLAN, RESULTS, *stems.values())}
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix not in suffixes or path in own or inside.parts[0] == SCRIPT:
            continue
        names = [name for stem, name in stems.items() if any(stem in p for p in inside.parts)]
        if len(names) != 1:
            raise FormatError(
                f"`folder` must have results that are named after its graphs, such as "
                f"{next(iter(stems))}{path.suffix}, or in a folder of that name, but {inside} is "
                f"of {'none' if not names else f'{len(names)} graphs'}."
            )
        found[names[0]].append(path)
    if not found:
        raise FormatError(
            f"`folder` must have results in files that end in {' or '.join(suffixes)}, but "
            f"{folder} has none."
        )
    return found
