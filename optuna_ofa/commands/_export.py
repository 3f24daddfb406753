"""The command that exports a subnet."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._arguments import DEFAULT_STORAGE, add_kind, add_study, add_within
from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._images import read_calibration
from optuna_ofa.commands._parser import limits, whole

if TYPE_CHECKING:
    from optuna_ofa.deployment import KnownValue
    from optuna_ofa.space import Subnet

# A copy of names in `optuna_ofa.deployment`, which takes seconds to import; a test compares them.
FORMAT_NAMES = (
    "pytorch",
    "torch_export",
    "onnx",
    "onnx_int8",
    "executorch",
    "litert",
    "litert_int8",
    "c_array",
    "ofa",
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", help="file to write; a folder for ofa")
    parser.add_argument(
        "--weights",
        required=True,
        help="checkpoint of the supernet; `published` downloads the published one of its family",
    )
    parser.add_argument("--format", required=True, choices=FORMAT_NAMES)
    parser.add_argument(
        "--calibration",
        required=True,
        metavar="FILE",
        help="training images as an array (n, channels, height, width), normalised, in a .npy "
        "file; `none` keeps the statistics of the checkpoint, which fit no subnet",
    )
    parser.add_argument(
        "--batch", type=whole, default=1, help="images per run, 0 for any number (default: 1)"
    )
    parser.add_argument(
        "--opset",
        type=whole,
        metavar="N",
        help="ONNX opset, for onnx and onnx_int8 (default: that of measured graphs, 17)",
    )
    parser.add_argument(
        "--subnet", metavar="FILE", help="the subnet as JSON, or the metadata of an export"
    )
    add_study(parser)
    add_within(parser, "the best subnet of the study within this limit; may be repeated")
    add_kind(parser)
    parser.set_defaults(storage=None)


def _run(arguments: Arguments) -> Output:
    from optuna_ofa._progress import stage
    from optuna_ofa.commands import _places

    _places.require_export(arguments["out"], arguments["format"])
    load("deployment")
    from optuna_ofa.deployment import export
    from optuna_ofa.supernet import load_supernet

    subnet, figures = _chosen(arguments)
    with stage("loading the weights"):
        supernet = load_supernet(subnet.family, weights=arguments["weights"])
    with stage(f"writing {arguments['out']}"):
        metadata = export(
            supernet,
            subnet,
            arguments["out"],
            format=arguments["format"],
            calibration=read_calibration(arguments["calibration"]),
            batch=arguments["batch"] or None,
            opset=arguments["opset"],
            figures=figures,
        )
    known = "".join(
        f"\n  {_words(figure)}" for figure in (*metadata["figures"], *metadata["figures_of_others"])
    )
    text = f"{subnet}\nwritten to {arguments['out']}, its metadata to {arguments['out']}.json"
    return Output(text + known, {"out": str(arguments["out"]), "metadata": dict(metadata)})


def _words(figure: Mapping[str, Any]) -> str:
    """Return a value of the metadata as text, and in what it differs from this file."""
    from optuna_ofa.deployment import value_in_words

    words = f"{figure['metric']} {value_in_words(figure)}, {figure['kind']}"
    if figure["n_images"]:
        words += f" on {figure['n_images']:,} images"
    if figure["device"]:
        words += f" on {figure['device']}"
    words += ", extrapolated" if figure["extrapolated"] else ""
    differs = figure.get("differs_in", ())
    if differs:
        shown = ", ".join(f"{name} {figure[name]}" for name in differs)
        words += f"; not of this file, but of {shown}"
    return words


def _chosen(arguments: Arguments) -> tuple[Subnet, tuple[KnownValue, ...]]:
    """Return the subnet of a file, or the best one of a study with its known values."""
    from optuna_ofa.commands import _studies
    from optuna_ofa.deployment import figures_of
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.problem import PREDICTED
    from optuna_ofa.studies import PREDICTORS

    if arguments["subnet"] is not None:
        for flag in ("storage", "study"):
            if arguments[flag] is not None:
                raise InvalidArgumentError(
                    f"`{flag}` must be left out with `subnet`, which defines the subnet, but got "
                    f"{arguments[flag]!r}."
                )
        return _subnet(arguments["subnet"]), ()
    arguments["storage"] = arguments["storage"] or DEFAULT_STORAGE
    found = _studies.open_study(arguments)
    front = found.front(kind=arguments["kind"])
    within = limits(arguments["within"], front.objectives)
    point = front.best(**within) if within else front.knee()
    named = found.user_attrs.get(PREDICTORS, {}).get("hardware")
    device = named if point.kind == PREDICTED else None  # a measured point has its own
    return point.subnet, figures_of(point, device=device)


def _subnet(path: str) -> Subnet:
    """Read the subnet of a file: its JSON, or the metadata of an export."""
    from optuna_ofa._files import read_json
    from optuna_ofa.exceptions import FormatError
    from optuna_ofa.space import Subnet

    data = read_json(path, "subnet")
    if not isinstance(data, dict):
        raise FormatError(f"`subnet` must be a JSON object, but {path} has {data!r:.100}.")
    return Subnet.from_dict(data.get("subnet", data))


EXPORT = Command(
    "export",
    "write a subnet to a file that a runtime can load",
    """\
  the best subnet under 15 ms as ONNX:
    optuna-ofa export full.onnx --format onnx --storage sqlite:///nas.db \\
        --within latency_ms=15 --weights published --calibration images.npy
  a subnet given as JSON, in the folder format of the `ofa` package:
    optuna-ofa export specialized --format ofa --subnet subnet.json \\
        --weights published --calibration images.npy
  without a limit or a file, the knee of the study's front is exported
""",
    _add_arguments,
    _run,
)
