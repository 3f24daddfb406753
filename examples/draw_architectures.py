"""The best subnet for each of five runtimes, drawn below each other.

Each runtime counts as a separate device: under the same kind of limit they get different kernels,
depths and expand ratios. There are also figures of their fronts, of the choices that each front
prefers, and of the latency of each pick by layer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import optuna

import optuna_ofa
from optuna_ofa import LatencyPredictor, LatencyTable, get_family
from optuna_ofa.data import packaged_table, table_names
from optuna_ofa.visualization import (
    plot_architecture,
    plot_choices,
    plot_fronts,
    plot_hypervolume,
    plot_layer_latency,
)

FAMILY = get_family("ofa_mbv3_w1.0")
SHARE = 0.3  # of the way from the smallest to the largest subnet, in orders of magnitude
N_EVALUATIONS = 5_000


def main() -> None:
    """Search on every table, then draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    parser.add_argument("--limit", type=float, help="milliseconds; a share of the range without")
    parser.add_argument("--folder", type=Path, default=Path("runs/pictures"))
    parser.add_argument("--png", action="store_true", help="also write PNG files; needs Chromium")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments.folder.mkdir(parents=True, exist_ok=True)

    studies, picks, figures = {}, {}, {}
    for name in table_names(FAMILY):
        path = packaged_table(name, FAMILY)
        assert path is not None
        table = LatencyTable.load(path)
        study = studies[name] = optuna_ofa.study(FAMILY, hardware=path, study_name=name, seed=0)
        study.search(n_trials=arguments.evaluations)
        space = study.space
        predictor = LatencyPredictor(table=table, space=space)
        low, high = predictor.predict(space.to_matrix([space.smallest(), space.largest()]))
        limit = arguments.limit or low * (high / low) ** SHARE
        pick = study.front().best(latency_ms=limit)
        print(f"{name}, best under {limit:.1f} ms: {pick}")
        picks[f"{name}, {limit:.1f} ms: {pick.values['top1']:.1f} %"] = pick.subnet
        figures[f"{name}.layers"] = plot_layer_latency(table, pick.subnet)
        figures[f"{name}.choices"] = plot_choices(study.front())

    figures["architectures"] = plot_architecture(picks)
    figures["fronts"] = plot_fronts(studies)
    figures["hypervolumes"] = plot_hypervolume(studies)
    for name, figure in figures.items():
        figure.write_html(arguments.folder / f"{name}.html", include_plotlyjs="cdn")
        if arguments.png:
            figure.write_image(arguments.folder / f"{name}.png", width=1100, scale=2)
    print(f"\n{len(figures)} figures are in {arguments.folder}.")


if __name__ == "__main__":
    main()
