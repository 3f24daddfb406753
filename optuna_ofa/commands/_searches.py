"""The commands for studies: search, front, verify and report."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import (
    METRIC_NAMES,
    Arguments,
    Command,
    Output,
    add_settings,
    add_study,
    add_supernet,
    add_within,
    family_from,
    limits,
    measurement_settings,
)

_N_PICKS = 5


def _add_search(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser, default="the file of --accuracy or --hardware")
    add_study(parser, required=False)
    parser.add_argument(
        "--n", type=int, default=20_000, help="subnets to evaluate (default: 20000)"
    )
    parser.add_argument(
        "--objectives",
        nargs="+",
        choices=METRIC_NAMES,
        default=["top1", "latency_ms"],
        metavar="METRIC",
        help=f"default: top1 latency_ms; out of {', '.join(METRIC_NAMES)}",
    )
    add_within(parser, "only subnets within this bound, a lower one for top1; may be repeated")
    parser.add_argument("--resolutions", type=int, nargs="+", help="input sizes to search")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--keep",
        choices=("all", "front"),
        default="all",
        help="make a trial of every subnet (default), or of what extends the front",
    )
    parser.add_argument("--plot", help="draw the front: a file that ends in .html, .png or .svg")


def _run_search(arguments: Arguments) -> Output:
    from optuna_ofa._urls import shown_url
    from optuna_ofa.commands import _studies
    from optuna_ofa.space import SearchSpace
    from optuna_ofa.studies import study

    _studies.quiet_optuna()
    _studies.require_picture(arguments["plot"])
    family, sizes = family_from(arguments, "accuracy", "hardware"), arguments["resolutions"]
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
    found.search(n_trials=arguments["n"])
    if arguments["plot"]:
        _studies.save(found.plot_front(), arguments["plot"])
    front = found.front(kind="predicted")
    n_trials = len(found.results(kind="predicted").numbers)
    picks = _studies.evenly_spaced(front, _N_PICKS)
    text = (
        f"{len(front)} subnets on the predicted front of {n_trials:,} trials; {len(picks)} of "
        f"them:\n{_studies.lines(picks)}"
    )
    data = {
        "study": found.study_name,
        "storage": arguments["storage"] and shown_url(arguments["storage"]),
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
    _add_search,
    _run_search,
)


def _add_front(parser: argparse.ArgumentParser) -> None:
    add_study(parser, required=True)
    add_within(parser, "print the best subnet within this limit; may be repeated")
    parser.add_argument("--n", type=int, default=10, help="points to print, 0: all (default: 10)")
    parser.add_argument(
        "--kind", choices=("predicted", "measured"), help="default: measured, if there are any"
    )
    parser.add_argument("--plot", help="draw the front: a file that ends in .html, .png or .svg")


def _run_front(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies

    _studies.require_picture(arguments["plot"])
    found = _studies.open_study(arguments)
    front = found.front(kind=arguments["kind"])
    if arguments["plot"]:
        _studies.save(found.plot_front(kind=arguments["kind"]), arguments["plot"])
    if arguments["within"]:
        points = [front.best(**limits(arguments["within"]))]
        title = "the best one within the limits"
    else:
        points = _studies.evenly_spaced(front, arguments["n"])
        title = f"{len(points)} of them"
    text = f"{len(front)} subnets on the {front.kind} front of {found.study_name}; {title}:\n"
    data = {
        "study": found.study_name,
        "kind": front.kind,
        "n_points": len(front),
        "points": [_studies.point_data(point) for point in points],
    }
    return Output(text + _studies.lines(points), data)


FRONT = Command(
    "front",
    "print or draw the Pareto front of a study",
    """\
  ten points from one end to the other, and a page with all of them:
    optuna-ofa front --storage sqlite:///nas.db --plot front.html
  the best subnet under 15 ms, for a script:
    optuna-ofa front --storage sqlite:///nas.db --within latency_ms=15 --json
""",
    _add_front,
    _run_front,
)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    add_study(parser, required=True)
    parser.add_argument(
        "--points", type=int, default=12, help="subnets, far from each other (default: 12)"
    )
    add_settings(parser, of_table=True)
    parser.add_argument("--plot", help="draw both: a file that ends in .html, .png or .svg")


def _run_verify(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies
    from optuna_ofa.verification import LatencyMeter

    _studies.require_picture(arguments["plot"])
    study = _studies.open_study(arguments)
    known = "latency_ms" in study.problem.metrics
    settings = measurement_settings(arguments, study.problem.facts("latency_ms") if known else {})
    found = study.verify({"latency_ms": LatencyMeter(settings)}, points=arguments["points"])
    if arguments["plot"]:
        from optuna_ofa.visualization import plot_verification

        _studies.save(plot_verification(found), arguments["plot"])
    data = {
        "errors": {
            metric: {
                **of._asdict(),
                "n_known": found.n_known(metric),
                "n_overestimated": found.n_overestimated(metric),
            }
            for metric, of in found.errors.items()
        },
        "notes": list(found.notes),
        "points": [
            {
                "predicted": dict(point.predicted),
                "predicted_std": dict(point.predicted_std),
                "measured": dict(point.measured),
                "measured_std": dict(point.measured_std),
                "trial_number": point.trial_number,
                "subnet": point.subnet.to_dict(),
            }
            for point in found
        ],
        "failures": [
            {"subnet": subnet.to_dict(), "reason": why} for subnet, why in found.failures.items()
        ],
    }
    return Output(str(found), data)


VERIFY = Command(
    "verify",
    "measure the latency of subnets of a predicted front on this device",
    """\
  twelve subnets along the front, predicted beside measured:
    optuna-ofa verify --storage sqlite:///nas.db --runtime onnxruntime
  accuracies need the weights and images: `study.verify` in a script measures both, and then the
  subnets become measured trials
""",
    _add_verify,
    _run_verify,
)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", help="the page, such as report.html")
    add_study(parser, required=True)
    parser.add_argument(
        "--limits",
        type=float,
        nargs="+",
        metavar="MS",
        help="latencies whose best subnets are shown (default: five along the front)",
    )
    parser.add_argument(
        "--kind", choices=("predicted", "measured"), help="default: measured, if there are any"
    )
    parser.add_argument("--title", help="default: the name of the study")


def _run_report(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies

    path = _studies.open_study(arguments).report(
        arguments["out"],
        limits=arguments["limits"],
        kind=arguments["kind"],
        title=arguments["title"],
    )
    return Output(f"written to {path}", {"report": str(path)})


REPORT = Command(
    "report",
    "write a page about a study for readers without Python",
    """\
  pictures, a table of the best subnets, and where the numbers come from, in one file:
    optuna-ofa report report.html --storage sqlite:///nas.db --limits 10 14 20
""",
    _add_report,
    _run_report,
)
