"""Measure a folder of graphs: ``python -m on_device --runtime onnxruntime .``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import DEVICE_RUNTIMES, DeviceError, RuntimeSettings, measure_folder


def main() -> None:
    """Measure a folder and print where the results are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what `optuna-ofa graphs` wrote")
    parser.add_argument("--runtime", choices=sorted(DEVICE_RUNTIMES), default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pin", type=int, nargs="*", default=())
    arguments = parser.parse_args()
    settings = RuntimeSettings(
        threads=arguments.threads,
        batch=arguments.batch,
        precision=arguments.precision,
        pin=tuple(arguments.pin),
    )

    def progress(done: int, total: int, seconds_left: float) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {total} graphs, about {seconds_left:.0f} s left ")

    runtime = DEVICE_RUNTIMES[arguments.runtime](settings)
    try:
        results = measure_folder(
            arguments.folder, runtime, settings, n_rounds=arguments.rounds, progress=progress
        )
    except DeviceError as error:
        sys.exit(f"\n{error}\nWhat was measured before is kept; run it again to continue.")
    failed = {f: g["error"] for f, g in results["graphs"].items() if "error" in g}
    for file, reason in failed.items():
        sys.stderr.write(f"\n{file} failed: {reason}")
    sys.stderr.write(f"\nresults are in {arguments.folder / 'results.json'}\n")


if __name__ == "__main__":
    main()
