"""What the command line does: profile, export, collect, measure, report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from optuna_ofa._errors import InvalidArgumentError, OptunaOFAError
from optuna_ofa.predictors import LatencyPredictor, LatencyTable
from optuna_ofa.profiling import (
    export_profile,
    latency_report,
    measure,
    profile,
    table_from_folder,
)
from optuna_ofa.profiling._runtimes import RUNTIMES
from optuna_ofa.space import SearchSpace


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; an error of ours is printed without a traceback."""
    arguments = vars(_parser().parse_args(argv))
    command = arguments.pop("run")
    try:
        text = command(arguments)
    except OptunaOFAError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{text}\n")


def _profile(arguments: dict[str, Any]) -> str:
    out, space = arguments["out"], arguments.pop("supernet")
    table = profile(space, **arguments)
    noise = table.metadata["noise_percent"]
    return f"{table}, noise of a round {noise} %, saved to {out}"


def _export(arguments: dict[str, Any]) -> str:
    space, folder = arguments.pop("supernet"), arguments["folder"]
    export_profile(space, progress=True, **arguments)
    runtime = arguments["runtime"]
    return (
        f"carry {folder} to the device, run `python -m on_device --runtime {runtime} .` in it, "
        f"bring results.json back, and run `python -m optuna_ofa collect`"
    )


def _collect(arguments: dict[str, Any]) -> str:
    out = arguments.pop("out")
    space = arguments.pop("supernet")
    table = table_from_folder(arguments.pop("folder"), space, **arguments)
    table.save(out)
    return f"{table}, saved to {out}"


def _measure(arguments: dict[str, Any]) -> str:
    space, matrix = _sample(arguments)
    measured = measure(space, matrix, **arguments)
    lines = [
        f"{ms:9.3f} ms  {subnet}"
        for ms, subnet in zip(measured.latency_ms, space.from_matrix(matrix), strict=True)
    ]
    return "\n".join(lines)


def _report(arguments: dict[str, Any]) -> str:
    space, matrix = _sample(arguments)
    table = LatencyTable.load(arguments.pop("table"))
    wanted, measured_as = arguments["runtime"], table.metadata.get("runtime", arguments["runtime"])
    if wanted != measured_as:
        raise InvalidArgumentError(
            f"`runtime` must be that of the table, {measured_as!r}, but got {wanted!r}."
        )
    predictor = LatencyPredictor(table=table, space=space)
    first = measure(space, matrix, anchor_ms=table.metadata.get("anchor_ms"), **arguments)
    arguments["again"] = True
    retest = measure(space, matrix, anchor_ms=table.metadata.get("anchor_ms"), **arguments)
    return str(latency_report({"table": predictor}, first, retest=retest))


def _sample(arguments: dict[str, Any]) -> tuple[SearchSpace, Any]:
    space = SearchSpace(arguments.pop("supernet"))
    return space, space.sample(arguments.pop("n"), seed=arguments.pop("seed"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optuna_ofa", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = _command(commands, "profile", _profile, "measure a latency table of this device")
    command.add_argument("--out", required=True, help="file of the table")
    _add_sizes(command)
    _add_settings(command)
    command.add_argument("--max-spread", type=float, default=0.1)
    command.add_argument("--folder", help="where graphs and results are kept")

    command = _command(commands, "export", _export, "write graphs that another device measures")
    command.add_argument("folder")
    command.add_argument("--runtime", default="onnxruntime", choices=sorted(RUNTIMES))
    command.add_argument("--batch", type=int, default=1)
    command.add_argument("--precision", default="float32")
    _add_sizes(command)

    command = _command(commands, "collect", _collect, "make the table of a measured folder")
    command.add_argument("folder")
    command.add_argument("--out", required=True, help="file of the table")
    command.add_argument("--max-spread", type=float, default=0.1)

    command = _command(commands, "measure", _measure, "measure random subnets on this device")
    _add_sample(command)

    command = _command(commands, "report", _report, "compare a table with random subnets")
    command.add_argument("--table", required=True)
    _add_sample(command)
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--supernet", required=True, help="a family, such as ofa_mbv3_w1.2")
    command.set_defaults(run=run)
    return command


def _add_sizes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolutions", type=int, nargs="+", help="input sizes to measure")
    command.add_argument("--method", choices=("networks", "layers"))


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runtime", default="onnxruntime", choices=sorted(RUNTIMES))
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--batch", type=int, default=1, help="images at once")
    command.add_argument("--precision", default="float32")
    command.add_argument("--device", default="cpu")
    command.add_argument("--pin", type=int, nargs="+", default=(), help="processors to keep to")
    command.add_argument("--n-rounds", type=int, default=20)


def _add_sample(command: argparse.ArgumentParser) -> None:
    command.add_argument("--n", type=int, default=50, help="how many random subnets")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--storage", help="database of measurements, such as sqlite:///phone.db")
    _add_settings(command)
