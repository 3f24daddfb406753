"""A search to watch in Optuna Dashboard, and a report for readers without it.

Prints the command that opens the dashboard. Run it again to continue the search and replace what
was published.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore

import optuna_ofa
from optuna_ofa.dashboard import PublishEvery

FAMILY = "ofa_mbv3_w1.0"
LIMITS = {"saver": 10.0, "everyday": 14.0, "full": 20.0}  # milliseconds
N_EVALUATIONS = 5_000


def main() -> None:
    """Search, publish, and write a report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    parser.add_argument("--folder", type=Path, default=Path("runs/dashboard"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    files = arguments.folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(files)
    storage = f"sqlite:///{arguments.folder / 'study.db'}"

    study = optuna_ofa.study(
        FAMILY,
        constraints={"latency_ms": 20.0},
        storage=storage,
        study_name="laptop",
        load_if_exists=True,
        keep="sample",
        seed=0,
    )
    dashboard = Path(sys.executable).parent / "optuna-ofa"
    print(f"To watch:\n  {dashboard} dashboard --storage {storage} --artifact-dir {files}")
    study.search(arguments.evaluations, callbacks=[PublishEvery(500, limits=LIMITS)])

    picks = {"knee": study.front().knee()}
    published = study.publish(limits=LIMITS, picks=picks, artifact_store=store)
    for name, point in published.picks.items():
        print(f"{name}: {point or 'none found'}")
    print(f"{len(published.figures)} figures are on the page of the study.")
    print(f"Report: {study.report(arguments.folder / 'report.html', limits=LIMITS, picks=picks)}")


if __name__ == "__main__":
    main()
