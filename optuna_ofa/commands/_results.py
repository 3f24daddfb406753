"""The commands that show a study: front and report."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_kind, add_limits, add_plot, add_study, add_within
from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._parser import limits, whole

_N_POINTS = 10


def _add_front(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_within(parser, "print the best subnet within this limit; may be repeated")
    parser.add_argument(
        "--n",
        type=whole,
        help=f"points to print, 0 for all (default: {_N_POINTS}, and all with --json)",
    )
    add_kind(parser)
    add_plot(parser, "the front")


def _run_front(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places, _points, _studies

    _places.require_picture(arguments["plot"])
    found = _studies.open_study(arguments)
    front = found.front(kind=arguments["kind"])
    if arguments["plot"]:
        _places.save(found.plot_front(kind=arguments["kind"]), arguments["plot"])
    if arguments["within"]:
        points = listed = [front.best(**limits(arguments["within"], front.objectives))]
        title = "the best one within the limits"
    else:
        n = arguments["n"]
        points = _points.evenly_spaced(front, _N_POINTS if n is None else n)
        listed = _points.evenly_spaced(front, n or 0)
        title = f"{len(points)} of them"
    text = (
        f"{_points.where(found, arguments['storage'])}\n{len(front)} subnets on the {front.kind} "
        f"front; {title}:\n{_points.lines(points, front)}"
    )
    return Output(text, _points.front_data(found, front, listed, arguments["storage"]))


FRONT = Command(
    "front",
    "print or draw the Pareto front of a study",
    """\
  ten points from one end to the other, and a figure of all of them:
    optuna-ofa front --plot front.html
  the best subnet under 15 ms, for a script:
    optuna-ofa front --storage sqlite:///nas.db --within latency_ms=15 --json
""",
    _add_front,
    _run_front,
)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", help="the page, such as report.html")
    add_study(parser)
    add_limits(parser)
    parser.add_argument("--title", help="default: the name of the study")


def _run_report(arguments: Arguments) -> Output:
    from optuna_ofa._progress import stage
    from optuna_ofa.commands import _places, _studies

    _places.require_file(arguments["out"], "out", (".html", ".htm"))
    study = _studies.open_study(arguments)
    load("reports")
    with stage("drawing the report"):
        path = study.report(
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
  figures, a table of the best subnets, and the sources of the numbers, in one file:
    optuna-ofa report report.html --storage sqlite:///nas.db --limits 10 14 20
""",
    _add_report,
    _run_report,
)
