"""``optuna-ofa profile``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_settings, add_sizes, add_supernet
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    parser.add_argument("--out", required=True, help="file of the table")
    add_sizes(parser)
    add_settings(parser)
    parser.add_argument(
        "--max-spread", type=float, default=0.1,
        help="refuse rounds that differ by more than this share (default: 0.1)",
    )  # fmt: skip
    parser.add_argument("--folder", help="where graphs and results are kept")


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.profiling import profile

    out, space = arguments["out"], arguments.pop("supernet")
    table = profile(space, **arguments)
    noise = table.metadata["noise_percent"]
    text = f"{table}, noise of a round {noise} %, saved to {out}"
    return Output(text, {"table": str(out), "metadata": dict(table.metadata)})


PROFILE = Command(
    "profile",
    "measure a latency table of this device",
    """\
  half a minute, with ONNX Runtime:
    optuna-ofa profile --supernet ofa_mbv3_w1.0 --out phone.json
  with OpenVINO on four threads, at two input sizes:
    optuna-ofa profile --supernet ofa_mbv3_w1.2 --runtime openvino --threads 4 \\
        --resolutions 160 224 --out laptop.json
""",
    _add_arguments,
    _run,
)
