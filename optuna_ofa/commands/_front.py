"""``optuna-ofa front``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_study, add_within, limits
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser, required=True)
    add_within(parser, "print the best subnet within this limit; may be repeated")
    parser.add_argument("--n", type=int, default=10, help="points to print, 0: all (default: 10)")
    parser.add_argument(
        "--kind", choices=("predicted", "measured"), help="needed where the study has both"
    )
    parser.add_argument("--plot", help="draw the front: a file that ends in .html, .png or .svg")


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies

    found = _studies.open_study(arguments)
    front = found.front(kind=arguments["kind"])
    if arguments["plot"]:
        _studies.save(found.plot_front(), arguments["plot"])
    if arguments["within"]:
        points = [front.best(**limits(arguments["within"]))]
        title = "the best one within the limits"
    else:
        points = _studies.spread(front, arguments["n"])
        title = f"{len(points)} of them"
    text = f"{len(front)} subnets on the front of {found.study_name}; {title}:\n"
    data = {
        "study": found.study_name,
        "n_points": len(front),
        "points": [_studies.point_data(point) for point in points],
    }
    return Output(text + _studies.lines(points), data)


FRONT = Command(
    "front",
    "print or draw the Pareto front of a study",
    """\
  ten points from one end to the other, and a page with all of them:
    optuna-ofa front --storage sqlite:///nas.db --plot front.html
  the best subnet under 15 ms, for a script:
    optuna-ofa front --storage sqlite:///nas.db --within latency_ms=15 --json
""",
    _add_arguments,
    _run,
)
