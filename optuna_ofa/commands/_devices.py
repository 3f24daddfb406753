"""The commands that measure devices: profile, measure, compare, graphs and collect."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optuna_ofa.commands._arguments import (
    add_runtime,
    add_sample,
    add_settings,
    add_supernet,
    add_table,
    family_from,
    measurement_settings,
)
from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._parser import number, positive
from optuna_ofa.commands._recalibrate import add_recalibrate, require_recalibrate, save_recalibrated

if TYPE_CHECKING:
    from optuna_ofa.space import Matrix, SearchSpace


_TABLES = (".json",)
_LEAST = 3  # smallest number of subnets that a table can be compared with


def _add_measure(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    add_sample(parser)
    parser.add_argument(
        "--choose",
        action="store_true",
        help="choose the subnets to fit a latency predictor to, spread over the space; random ones "
        "are for judging it",
    )


def _run_measure(arguments: Arguments) -> Output:
    load("profiling")
    from optuna_ofa.problem import METRICS
    from optuna_ofa.profiling import measure

    space, matrix = _chosen(arguments) if arguments["choose"] else _sample(arguments)
    settings = measurement_settings(arguments)
    measured = measure(space, matrix, settings, storage=arguments["storage"])
    rows = list(zip(measured.latency_ms.tolist(), space.from_matrix(matrix), strict=True))
    texts = METRICS["latency_ms"].column(measured.latency_ms.tolist(), measured.std_ms.tolist())
    return Output(
        "\n".join(f"{text:>16} ms  {row[1]}" for text, row in zip(texts, rows, strict=True)),
        {
            "setup": dict(measured.setup),
            "subnets": [{"latency_ms": ms, "subnet": s.to_dict()} for ms, s in rows],
        },
    )


def _kept_measurements(arguments: Arguments) -> str:
    from optuna_ofa._urls import shown_url

    if arguments["storage"] is None:
        return "nothing is kept without --storage"
    place = shown_url(arguments["storage"])
    return f"what was measured is in {place}; the same command measures the rest"


def _sample(arguments: Arguments, *files: str) -> tuple[SearchSpace, Matrix]:
    """Return the space and random subnets; ``files`` are arguments that may contain the family."""
    from optuna_ofa.space import SearchSpace

    space = SearchSpace(family_from(arguments, *files))
    return space, space.sample(arguments["n"], seed=arguments["seed"])


def _chosen(arguments: Arguments) -> tuple[SearchSpace, Matrix]:
    """Return the space and the subnets to fit a predictor to."""
    from optuna_ofa.predictors import NetworkLatencyPredictor
    from optuna_ofa.space import SearchSpace

    space = SearchSpace(family_from(arguments))
    return space, NetworkLatencyPredictor.choose(space, arguments["n"], seed=arguments["seed"])


MEASURE = Command(
    "measure",
    "measure random or chosen subnets on this device",
    """\
  twenty subnets, kept in a database so that none is measured twice:
    optuna-ofa measure --supernet ofa_mbv3_w1.0 --n 20 --storage sqlite:///phone.db
  the ten from which the latencies of all others are known best:
    optuna-ofa measure --supernet ofa_mbv3_w1.0 --n 10 --choose --storage sqlite:///phone.db
""",
    _add_measure,
    _run_measure,
    _kept_measurements,
)


def _add_profile(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    _add_out(parser)
    add_table(parser)
    add_settings(parser)
    parser.add_argument("--folder", help="where graphs and results are kept")


def _add_out(parser: argparse.ArgumentParser) -> None:
    """Add the file of a table, and the noise at which it is refused."""
    parser.add_argument("--out", required=True, help="file of the table")
    parser.add_argument(
        "--max-spread",
        type=number,
        default=0.1,
        help="fail if rounds differ by more than this fraction (default: 0.1)",
    )


def _run_profile(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places

    out = arguments["out"]
    _places.require_file(out, "out", _TABLES)
    _places.require_folder(arguments["folder"], "folder")
    load("profiling")
    from optuna_ofa.profiling import profile

    table = profile(
        family_from(arguments),
        measurement_settings(arguments),
        out=out,
        resolutions=arguments["resolutions"],
        method=arguments["method"],
        folder=arguments["folder"],
    )
    noise = table.metadata["noise_percent"]
    noisy, n = len(table.metadata["noisy_layers"]), len(table)
    flagged = f"; {noisy} of {n} layers have a standard deviation above their mean" if noisy else ""
    text = (
        f"{table}, saved to {out}\nrepeated runs of a network differ by {noise} % (standard "
        f"deviation){flagged}"
    )
    return Output(text, {"table": out, "metadata": dict(table.metadata)})


def _kept_graphs(arguments: Arguments) -> str:
    folder = arguments["folder"] or f"{arguments['out']}.graphs"
    return f"graphs and measurements are in {folder}; the same command continues"


PROFILE = Command(
    "profile",
    "measure a latency table of this device",
    """\
  with ONNX Runtime, in about half a minute:
    optuna-ofa profile --supernet ofa_mbv3_w1.0 --out phone.json
  with OpenVINO on four threads, at two input sizes:
    optuna-ofa profile --supernet ofa_mbv3_w1.2 --runtime openvino --threads 4 \\
        --resolutions 160 224 --out laptop.json
""",
    _add_profile,
    _run_profile,
    _kept_graphs,
)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser, default="the table")
    parser.add_argument("--table", required=True, help="latency table: a name, a file or a folder")
    add_sample(parser, of_table=True)
    add_recalibrate(parser)


def _run_compare(arguments: Arguments) -> Output:
    from optuna_ofa._arguments import argument_called
    from optuna_ofa.data import find_hardware, predictor_on
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.predictors import facts_of

    require_recalibrate(arguments, "n")
    load("profiling")
    from optuna_ofa.profiling import is_of_device, latency_report, measure

    if arguments["n"] < _LEAST:
        raise InvalidArgumentError(f"`n` must be {_LEAST} or more, but got {arguments['n']!r}.")
    space, matrix = _sample(arguments, "table")
    with argument_called("table", "hardware"):
        found = find_hardware(arguments["table"], space.family)
        predictor = predictor_on(space, "latency_ms", found)
    facts = facts_of(predictor)
    settings = measurement_settings(arguments, facts)
    if (facts.get("runtime") or settings.runtime) != settings.runtime:
        raise InvalidArgumentError(
            f"`runtime` must be that of the table, {facts['runtime']!r}, but got "
            f"{settings.runtime!r}."
        )
    # the calibration at the time the table was measured, if it was measured here
    anchor_ms = facts.get("anchor_ms") if is_of_device(facts, settings) else None
    storage = arguments["storage"]
    first = measure(space, matrix, settings, storage=storage, anchor_ms=anchor_ms)
    second = measure(
        space, matrix, settings, storage=storage, anchor_ms=first.anchor_ms, again=True
    )
    report = latency_report({"table": predictor}, first, retest=second)
    saved = save_recalibrated(arguments, report)
    data = {**report.to_dict(), "recalibrated": arguments["recalibrate"]}
    return Output(f"{report}{saved}", data)


COMPARE = Command(
    "compare",
    "compare predictions of a latency table with new subnets, each measured twice",
    """\
  errors of predictions, beside those of a second measurement:
    optuna-ofa compare --supernet ofa_mbv3_w1.0 --table phone.json --n 20
  a packaged table, corrected by measurements on this device:
    optuna-ofa compare --supernet ofa_mbv3_w1.0 --table cpu-torch --n 12 --recalibrate here.json
""",
    _add_compare,
    _run_compare,
)


def _add_graphs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="folder for the graphs")
    add_supernet(parser)
    add_runtime(parser)
    add_table(parser, subnets=True)
    parser.add_argument("--n", type=positive, default=20, help="subnets of that method")


def _run_graphs(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places

    _places.require_folder(arguments["folder"], "folder")
    load("profiling")
    from optuna_ofa.profiling import export_profile

    folder = arguments["folder"]
    export_profile(
        family_from(arguments),
        folder,
        runtime=arguments["runtime"],
        resolutions=arguments["resolutions"],
        method=arguments["method"],
        n=arguments["n"],
        batch=arguments["batch"],
        precision=arguments["precision"],
    )
    on_device = f"python -m on_device --runtime {arguments['runtime']} ."
    text = (
        f"copy {folder} to the device, run `{on_device}` in it, bring results.json back, and "
        f"run `optuna-ofa collect {folder} --out phone.json`"
    )
    return Output(text, {"folder": folder, "run_on_device": on_device})


GRAPHS = Command(
    "graphs",
    "write graphs to be measured on a device without torch",
    """\
  three steps, the middle one on the device:
    optuna-ofa graphs folder --supernet ofa_mbv3_w1.0 --runtime onnxruntime
    cd folder && python -m on_device --runtime onnxruntime .
    optuna-ofa collect folder --out phone.json
  from what a tool wrote instead of results.json:
    optuna-ofa collect folder --format litert --device "Pixel 8" --out phone.json
""",
    _add_graphs,
    _run_graphs,
    lambda arguments: f"the same command writes the rest of the graphs to {arguments['folder']}",
)


def _add_collect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", help="folder written by `graphs`, with results.json from the device"
    )
    parser.add_argument(
        "--format",
        choices=("own", "litert", "executorch", "onnxruntime", "aihub", "openvino"),
        default="own",
        help="tool that wrote the results (default: own, the script in the folder)",
    )
    parser.add_argument("--device", help="name of the device, which the files of tools do not say")
    add_supernet(parser, default="the graphs")
    _add_out(parser)


def _run_collect(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places
    from optuna_ofa.predictors import LatencyTable
    from optuna_ofa.profiling import collect_results

    out = arguments["out"]
    _places.require_file(out, "out", _TABLES)
    collected = collect_results(
        arguments["folder"],
        arguments["format"],
        arguments["supernet"],
        device=arguments["device"],
        max_spread=arguments["max_spread"],
    )
    collected.save(out)
    kind = "table" if isinstance(collected, LatencyTable) else "predictor"
    return Output(f"{collected}, saved to {out}", {kind: out, "metadata": dict(collected.metadata)})


COLLECT = Command(
    "collect",
    "make a latency table from a folder of graphs that a device has measured",
    """\
  optuna-ofa collect folder --out phone.json
  from what a tool wrote instead of results.json:
    optuna-ofa collect folder --format litert --device "Pixel 8" --out phone.json
""",
    _add_collect,
    _run_collect,
)
