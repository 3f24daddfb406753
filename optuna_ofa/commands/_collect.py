"""``optuna-ofa collect``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_supernet
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="what `graphs` wrote, with the results.json of the device")
    add_supernet(parser)
    parser.add_argument("--out", required=True, help="file of the table")
    parser.add_argument(
        "--max-spread", type=float, default=0.1,
        help="refuse rounds that differ by more than this share (default: 0.1)",
    )  # fmt: skip


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.profiling import table_from_folder

    table = table_from_folder(
        arguments["folder"], arguments["supernet"], max_spread=arguments["max_spread"]
    )
    table.save(arguments["out"])
    text = f"{table}, saved to {arguments['out']}"
    return Output(text, {"table": str(arguments["out"]), "metadata": dict(table.metadata)})


COLLECT = Command(
    "collect",
    "make the latency table of a folder of graphs that a device has measured",
    """\
  optuna-ofa collect folder --supernet ofa_mbv3_w1.0 --out phone.json
""",
    _add_arguments,
    _run,
)
