"""The commands that list studies, families, devices and boards."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._arguments import add_storage
from optuna_ofa.commands._command import Arguments, Command, Output

if TYPE_CHECKING:
    from optuna_ofa.space import Family
    from optuna_ofa.storage import StudySummary

_LICENCE = "MIT"  # of the packaged tables


def _run_studies(arguments: Arguments) -> Output:
    from optuna_ofa._urls import shown_url
    from optuna_ofa.commands._studies import quiet_optuna
    from optuna_ofa.storage import open_existing, summaries

    quiet_optuna()
    found = summaries(open_existing(arguments["storage"]))
    rows = [
        {
            "study": one.name,
            "supernet": one.family,
            "objectives": list(one.objectives),
            "constraints": one.constraints,
            "board": one.board,
            "n_predicted": one.n_predicted,
            "n_measured": one.n_measured,
            "n_others": one.n_others,
            "is_view": one.is_view,
        }
        for one in found
    ]
    head = ("study", "supernet", "objectives", "limits", "predicted", "measured", "others")
    texts = [
        (
            f"{one.name}{' (view)' if one.is_view else ''}",
            one.family or "of another program",
            " ".join(one.objectives) or "-",
            " ".join(_limits(one)) or "-",
            *(f"{n:,}" for n in (one.n_predicted, one.n_measured, one.n_others)),
        )
        for one in found
    ]
    shown = shown_url(arguments["storage"])
    text = f"studies in {shown}, with their trials:\n{table(head, texts, n_numbers=3)}"
    return Output(text, {"storage": shown, "studies": rows})


def _limits(summary: StudySummary) -> list[str]:
    board = [f"board={summary.board}"] if summary.board else []
    return board + [f"{metric}={bound:g}" for metric, bound in summary.constraints.items()]


STUDIES = Command(
    "studies",
    "list the studies of a storage",
    """\
  supernet, objectives, limits, and how many trials are predicted and measured:
    optuna-ofa studies --storage sqlite:///nas.db
""",
    add_storage,
    _run_studies,
)


def _run_families(arguments: Arguments) -> Output:
    from optuna_ofa.space import known_families

    rows = [_family(family) for family in known_families()]
    head = ("supernet", "blocks", "pixels", "subnets", "top1", "tables", "source", "weights")
    texts = [
        (
            row["supernet"],
            _range(row["n_blocks"]),
            _range(row["resolutions"]),
            f"{row['n_subnets']:.1e}",
            row["accuracy"] or "-",
            str(len(row["hardware"])),
            row["source"] or "-",
            _weights(row["weights"]) or "-",
        )
        for row in rows
    ]
    return Output(f"{table(head, texts)}\n{_OWN_FAMILY}", {"families": rows})


_OWN_FAMILY = """\
Blocks and pixels are those of the smallest and the largest subnet; `optuna-ofa devices` lists the
tables. Published weights are loaded by `--weights published`; `optuna-ofa supernet-from` makes a
supernet of a state dict. Licences are as stated for the weights; the terms of the training data may
apply, too. --supernet also takes a file with a custom family."""


def _family(family: Family) -> dict[str, Any]:
    """Return the facts about a family."""
    from optuna_ofa.space import SearchSpace, family_source

    space, source = SearchSpace(family), family_source(family.name)
    ends = (space.smallest(), space.largest())
    return {
        "supernet": family.name,
        "architecture": family.architecture,
        "source": source and source.paper,
        "weights": [one._asdict() for one in source.weights] if source else [],
        "n_blocks": [sum(expand > 0 for expand in subnet.expand) for subnet in ends],
        "resolutions": list(family.resolutions),
        "n_subnets": space.n_subnets,
        "accuracy": _accuracy(family),
        "hardware": _tables(family),
    }


def _weights(rows: Sequence[Mapping[str, str]]) -> str:
    """Return weights with their licences, each licence once where neighbours share it."""
    groups = groupby(rows, key=lambda row: row["licence"])
    return ", ".join(
        f"{', '.join(row['name'] for row in group)} ({licence})" for licence, group in groups
    )


def _accuracy(family: Family) -> str | None:
    """Return the source of a family's accuracy predictor, if there is one."""
    from optuna_ofa._published import PUBLISHED
    from optuna_ofa.data import packaged_accuracy

    if packaged_accuracy(family) is not None:
        return "packaged"
    name = f"{family.name}_accuracy"
    return "published" if any(file.name == name for file in PUBLISHED) else None


def _tables(family: Family) -> list[str]:
    """Return the names of the packaged tables of a family."""
    from optuna_ofa.data import table_names

    return table_names(family)


FAMILIES = Command(
    "families",
    "list the supernets known by name",
    """\
  sources, blocks, resolutions, numbers of subnets, predictors, and weights with their licences:
    optuna-ofa families
""",
    lambda parser: None,
    _run_families,
)


def _add_devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--supernet", help="tables of this family only")


def _run_devices(arguments: Arguments) -> Output:
    from optuna_ofa.space import find_family, known_families

    given = arguments["supernet"]
    families = known_families() if given is None else (find_family(given, "supernet"),)
    names = [family.name for family in families]
    rows = [row for family in families for row in _packaged(family)]
    rows += [row for row in _published() if given is None or set(row["supernets"]) & {*names}]
    head = ("table", "supernet", "processor", "runtime", "pixels", "licence")
    texts = [
        (
            row["hardware"],
            " ".join(row["supernets"]) or "-",
            row["processor"],
            row["runtime"] or "-",
            _range(row["resolutions"]),
            f"{row['licence']}, {row['source']}",
        )
        for row in rows
    ]
    return Output(f"{table(head, texts)}\n{_OWN_DEVICE}", {"devices": rows})


_OWN_DEVICE = (
    "--hardware takes these names, and files: `optuna-ofa profile` measures a table of this "
    "device.\nPublished tables are downloaded when they are first used."
)


def _packaged(family: Family) -> list[dict[str, Any]]:
    """Return the packaged tables of a family."""
    from optuna_ofa._files import read_json
    from optuna_ofa.data import packaged_table, table_names
    from optuna_ofa.predictors import Conditions

    rows = []
    for name in table_names(family):
        path = packaged_table(name, family)
        metadata: Mapping[str, Any] = {} if path is None else read_json(path)["metadata"]
        rows.append(
            {
                "hardware": name,
                "source": "packaged",
                "supernets": [family.name],
                "runtime": _runtime(metadata),
                "processor": Conditions.of(metadata).processor,
                "resolutions": list(metadata.get("resolutions", ())),
                "licence": _LICENCE,
            }
        )
    return rows


def _published() -> list[dict[str, Any]]:
    """Return the published tables, one row for each name, which may have several files."""
    from optuna_ofa._published import PUBLISHED

    rows: dict[str, dict[str, Any]] = {}
    for file in PUBLISHED:
        if file.kind == "table":
            row = {
                "hardware": file.name,
                "source": "published",
                "supernets": list(file.supernets),
                "runtime": None,
                "processor": file.device,
                "resolutions": [],
                "licence": file.licence,
            }
            rows.setdefault(file.name, row)["resolutions"].extend(file.resolutions)
    return list(rows.values())


def _runtime(metadata: Mapping[str, Any]) -> str:
    name = str(metadata.get("runtime", ""))
    version = dict(metadata.get("versions", {})).get(name, "")
    return f"{name} {version}".strip()


def _range(sizes: Sequence[int]) -> str:
    """Return a range of input sizes; sizes in between are interpolated."""
    ends = sorted({min(sizes), max(sizes)}) if sizes else []
    return "-".join(map(str, ends))


DEVICES = Command(
    "devices",
    "list the latency tables known by name",
    """\
  tables for one supernet:
    optuna-ofa devices --supernet ofa_mbv3_w1.0
""",
    _add_devices,
    _run_devices,
)


def _run_boards(arguments: Arguments) -> Output:
    from optuna_ofa.data import known_boards

    boards = known_boards()
    head = ("board", "core", "MHz", "SRAM kB", "of", "flash kB", "source")
    texts = [
        (
            board.name,
            board.core,
            f"{board.clock_mhz}",
            f"{board.sram_kb}",
            f"{board.total_sram_kb}",
            f"{board.flash_kb}",
            board.source,
        )
        for board in boards
    ]
    text = f"{table(head, texts)}\n{_OWN_BOARD}"
    return Output(text, {"boards": [board.to_dict() for board in boards]})


_OWN_BOARD = """\
SRAM is the largest part at adjacent addresses, because the arena of TFLite Micro is one array, and
kB are 1,024 bytes. `search --board` takes these names; it leaves nothing for the application, so
give smaller limits with `--within sram_kb=... --within flash_kb=...`, as for any other board."""


BOARDS = Command(
    "boards",
    "list the microcontrollers known by name",
    """\
  memories as published, with their sources:
    optuna-ofa boards
""",
    lambda parser: None,
    _run_boards,
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, n_numbers: int = 0) -> str:
    """Return a table for people: columns two spaces apart, the last ones right-aligned.

    Args:
        head: Titles of the columns.
        rows: A text for each column.
        n_numbers: How many columns at the end are numbers.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    first = len(head) - n_numbers
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < first else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )
