"""``optuna-ofa search``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import METRICS, add_study, add_supernet, add_within, limits
from optuna_ofa.commands._command import Arguments, Command, Output

_N_PICKS = 5


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    add_study(parser, required=False)
    parser.add_argument(
        "--n", type=int, default=20_000, help="subnets to evaluate (default: 20000)"
    )
    parser.add_argument(
        "--objectives", nargs="+", choices=METRICS, default=["top1", "latency_ms"],
        metavar="METRIC", help=f"default: top1 latency_ms; out of {', '.join(METRICS)}",
    )  # fmt: skip
    add_within(parser, "only subnets within this bound, a lower one for top1; may be repeated")
    parser.add_argument("--resolutions", type=int, nargs="+", help="input sizes to search")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--keep", choices=("all", "front"), default="all",
        help="make a trial of every subnet (default), or of what extends the front",
    )  # fmt: skip
    parser.add_argument("--plot", help="draw the front: a file that ends in .html, .png or .svg")


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies
    from optuna_ofa.space import SearchSpace
    from optuna_ofa.studies import study

    _studies.quiet_optuna()
    family, sizes = arguments["supernet"], arguments["resolutions"]
    found = study(
        SearchSpace(family, resolution=sizes) if sizes else family,
        hardware=arguments["hardware"],
        accuracy=arguments["accuracy"],
        objectives=arguments["objectives"],
        constraints=limits(arguments["within"]),
        storage=arguments["storage"],
        study_name=arguments["study"],
        load_if_exists=True,
        seed=arguments["seed"],
        keep=arguments["keep"],
    )
    _studies.remember_predictors(found, arguments)
    found.search(n_evaluations=arguments["n"])
    if arguments["plot"]:
        _studies.save(found.plot_front(), arguments["plot"])
    front = found.front(kind="predicted")
    n_trials, picks = len(found.results(kind="predicted").numbers), _studies.spread(front, _N_PICKS)
    text = (
        f"{len(front)} subnets on the predicted front of {n_trials:,} trials; {len(picks)} of "
        f"them:\n{_studies.lines(picks)}"
    )
    data = {
        "study": found.study_name,
        "storage": arguments["storage"],
        "n_trials": n_trials,
        "front": [_studies.point_data(point) for point in front],
    }
    return Output(text, data)


SEARCH = Command(
    "search",
    "search a supernet for its Pareto front on a device, on predictions",
    """\
  on the predictors that come with the package, ten seconds:
    optuna-ofa search --supernet ofa_mbv3_w1.0 --storage sqlite:///nas.db
  for a phone, with a published table and predictor, no slower than 30 ms:
    optuna-ofa search --supernet ofa_mbv3_w1.2 --hardware note10 --within latency_ms=30 \\
        --storage sqlite:///nas.db --study note10 --plot note10.html
  for a table that `profile` has measured:
    optuna-ofa search --supernet ofa_mbv3_w1.0 --hardware phone.json --storage sqlite:///nas.db
  the same command again adds as many evaluations
""",
    _add_arguments,
    _run,
)
