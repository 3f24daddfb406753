"""``optuna-ofa graphs``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_runtime, add_sizes, add_supernet
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="where the graphs go")
    add_supernet(parser)
    add_runtime(parser)
    add_sizes(parser)


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.profiling import export_profile

    space, folder = arguments.pop("supernet"), arguments["folder"]
    export_profile(space, progress=True, **arguments)
    on_device = f"python -m on_device --runtime {arguments['runtime']} ."
    text = (
        f"carry {folder} to the device, run `{on_device}` in it, bring results.json back, and "
        f"run `optuna-ofa collect`"
    )
    return Output(text, {"folder": str(folder), "run_on_device": on_device})


GRAPHS = Command(
    "graphs",
    "write graphs for a device without torch, which measures them",
    """\
  three steps, the middle one on the device:
    optuna-ofa graphs folder --supernet ofa_mbv3_w1.0 --runtime onnxruntime
    cd folder && python -m on_device --runtime onnxruntime .
    optuna-ofa collect folder --supernet ofa_mbv3_w1.0 --out phone.json
""",
    _add_arguments,
    _run,
)
