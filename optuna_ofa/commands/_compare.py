"""``optuna-ofa compare``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_sample, add_supernet
from optuna_ofa.commands._command import Arguments, Command, Output
from optuna_ofa.commands._measure import drawn


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    parser.add_argument("--table", required=True, help="latency table of this device")
    add_sample(parser)


def _run(arguments: Arguments) -> Output:
    from optuna_ofa._errors import InvalidArgumentError
    from optuna_ofa.predictors import LatencyPredictor, LatencyTable
    from optuna_ofa.profiling import latency_report, measure

    space, matrix = drawn(arguments)
    table = LatencyTable.load(arguments.pop("table"))
    wanted, measured_as = arguments["runtime"], table.metadata.get("runtime", arguments["runtime"])
    if wanted != measured_as:
        raise InvalidArgumentError(
            f"`runtime` must be that of the table, {measured_as!r}, but got {wanted!r}."
        )
    predictor = LatencyPredictor(table=table, space=space)
    anchor_ms = table.metadata.get("anchor_ms")
    first = measure(space, matrix, anchor_ms=anchor_ms, **arguments)
    second = measure(space, matrix, anchor_ms=anchor_ms, again=True, **arguments)
    report = latency_report({"table": predictor}, first, retest=second)
    return Output(str(report), report.to_dict())


COMPARE = Command(
    "compare",
    "compare a latency table with subnets that it has not seen, each measured twice",
    """\
  how far predictions are off, beside how far a second measurement is off:
    optuna-ofa compare --supernet ofa_mbv3_w1.0 --table phone.json --n 20
""",
    _add_arguments,
    _run,
)
