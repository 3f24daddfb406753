"""``optuna-ofa report``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_study
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", help="the page, such as report.html")
    add_study(parser, required=True)
    parser.add_argument(
        "--limits", type=float, nargs="+", metavar="MS",
        help="latencies whose best subnets are shown (default: five along the front)",
    )  # fmt: skip
    parser.add_argument(
        "--kind", choices=("predicted", "measured"), help="default: measured, if there are any"
    )
    parser.add_argument("--title", help="default: the name of the study")


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies

    path = _studies.open_study(arguments).report(
        arguments["out"],
        limits=arguments["limits"],
        kind=arguments["kind"],
        title=arguments["title"],
    )
    return Output(f"written to {path}", {"report": str(path)})


REPORT = Command(
    "report",
    "write a page about a study for readers without Python",
    """\
  pictures, a table of the best subnets, and where the numbers come from, in one file:
    optuna-ofa report report.html --storage sqlite:///nas.db --limits 10 14 20
""",
    _add_arguments,
    _run,
)
