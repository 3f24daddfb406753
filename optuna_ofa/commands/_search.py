"""The command that searches."""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from typing import TYPE_CHECKING

from optuna_ofa.commands._arguments import (
    METRIC_NAMES,
    add_plot,
    add_study,
    add_supernet,
    add_within,
    family_from,
    family_source,
)
from optuna_ofa.commands._command import Arguments, Command, Output
from optuna_ofa.commands._parser import limits, seconds, whole
from optuna_ofa.exceptions import ExtrapolationWarning

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

_N_PICKS, _N_TRIALS = 5, 20_000


def _add_search(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser, default="the study, or the file of --accuracy or --hardware")
    add_study(parser)
    parser.add_argument(
        "--n",
        type=whole,
        help="subnets to evaluate in addition to those in the study (default: "
        f"{_N_TRIALS}, without --until and --timeout)",
    )
    parser.add_argument(
        "--until", type=whole, metavar="N", help="total number of subnets that the study shall have"
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="end the search after this time"
    )
    parser.add_argument(
        "--objectives",
        nargs="+",
        choices=METRIC_NAMES,
        metavar="METRIC",
        help=f"any of {', '.join(METRIC_NAMES)} (default: top1 latency_ms, "
        "and top1 n_macs with --board without --hardware)",
    )
    add_within(parser, "only subnets within this bound (a lower bound for top1); may be repeated")
    parser.add_argument(
        "--board",
        help="only subnets that fit the memories of this microcontroller, such as stm32f746 "
        "(`optuna-ofa boards` lists them); smaller limits of --within apply",
    )
    parser.add_argument("--resolutions", type=whole, nargs="+", help="input sizes to search")
    parser.add_argument("--seed", type=whole, default=0, help="default: 0")
    parser.add_argument(
        "--keep",
        choices=("all", "front"),
        default="all",
        help="make a trial of every subnet (default), or only of those that extend the front",
    )
    parser.add_argument(
        "--parameters",
        choices=("all", "front"),
        default="all",
        help="write the parameters of every trial (default), or only of those that extend the "
        "front, for a smaller file; every trial has its subnet",
    )
    add_plot(parser, "the front")


def _run_search(arguments: Arguments) -> Output:
    from optuna_ofa._progress import stage
    from optuna_ofa.commands import _places, _points

    _places.require_picture(arguments["plot"])
    _require_one_count(arguments)
    with stage("opening the study"):
        found = _open(arguments)
    given = {name: arguments[name] for name in ("until", "timeout")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # the command prints a note itself
        found.search(_N_TRIALS if _goes_on(arguments) else arguments["n"], **given)
    with stage("finding the front"):
        front = found.front(kind="predicted")
    if arguments["plot"]:
        _places.save(found.plot_front(), arguments["plot"])
    picks = _points.evenly_spaced(front, _N_PICKS)
    text = (
        f"{_points.where(found, arguments['storage'])}\n{len(front)} subnets on the predicted "
        f"front; {len(picks)} of them:\n{_points.lines(picks, front)}"
        f"{_device(found)}{_board(found)}"
    )
    return Output(text, _points.front_data(found, front, front, arguments["storage"]))


def _device(found: SubnetStudy) -> str:
    """Return a line that says what latencies are predicted for."""
    from optuna_ofa.predictors import Conditions

    if "latency_ms" not in found.problem.metrics:
        return ""
    return f"\nlatencies are predicted for {Conditions.of(found.problem.facts('latency_ms'))}"


def _board(found: SubnetStudy) -> str:
    """Return a line that names the board, and what its memories are compared with."""
    board = found.problem.board
    words = f"searched for {board}; sram_kb and flash_kb are predicted for TFLite Micro"
    return "" if board is None else f"\n{words}"


def _require_one_count(arguments: Arguments) -> None:
    """Refuse two counts before a study is made."""
    from optuna_ofa.exceptions import InvalidArgumentError

    if arguments["n"] is not None and arguments["until"] is not None:
        raise InvalidArgumentError(
            f"`until` must be left out with `n`, which adds to the existing trials, but got "
            f"{arguments['until']}."
        )


def _goes_on(arguments: Arguments) -> bool:
    """Return whether no length is given, so that the default is used."""
    return all(arguments[name] is None for name in ("n", "until", "timeout"))


def _open(arguments: Arguments) -> SubnetStudy:
    """Open the study to search, or make it."""
    from optuna_ofa.commands import _studies
    from optuna_ofa.space import SearchSpace
    from optuna_ofa.studies import load_study, study

    constraints = limits(arguments["within"], METRIC_NAMES)
    name, exists = _studies.find_name(arguments)
    source, sizes = family_source(arguments, "accuracy", "hardware"), arguments["resolutions"]
    if exists and source is None:
        _require_left_out(
            name,
            objectives=arguments["objectives"],
            constraints=constraints,
            board=arguments["board"],
            resolutions=sizes,
        )
        given = ("hardware", "accuracy", "seed", "keep", "parameters")
        return load_study(name, arguments["storage"], **{of: arguments[of] for of in given})
    family = family_from(arguments, "accuracy", "hardware")
    open_in = partial(
        study,
        SearchSpace(family, resolution=sizes) if sizes else family,
        hardware=arguments["hardware"],
        accuracy=arguments["accuracy"],
        objectives=arguments["objectives"],
        constraints=constraints or None,
        board=arguments["board"],
        seed=arguments["seed"],
        keep=arguments["keep"],
        parameters=arguments["parameters"],
    )
    # no study is created for limits that no subnet satisfies
    if not exists and (constraints or arguments["board"]):
        open_in().problem.require_reachable()
    return open_in(storage=arguments["storage"], study_name=name, load_if_exists=True)


def _require_left_out(name: str, **arguments: object) -> None:
    """Refuse arguments whose values an existing study already has."""
    from optuna_ofa.exceptions import InvalidArgumentError

    for argument, value in arguments.items():
        if value:
            raise InvalidArgumentError(
                f"`{argument}` must be left out to continue the study {name!r}, which has its own, "
                f"but got {value!r}."
            )


def _kept(arguments: Arguments) -> str:
    from optuna_ofa._urls import shown_url

    again = "adds as many"
    if arguments["until"] is not None:
        again = f"continues to {arguments['until']:,} in total"
    elif arguments["n"] is None and arguments["timeout"] is not None:
        again = "continues for the same time"
    return f"finished trials are in {shown_url(arguments['storage'])}; the same command {again}"


SEARCH = Command(
    "search",
    "search a supernet for its Pareto front on a device, on predictions",
    """\
  with the packaged predictors, in about ten seconds:
    optuna-ofa search --supernet ofa_mbv3_w1.0
  for a phone, with a published table and predictor, no slower than 30 ms:
    optuna-ofa search --supernet ofa_mbv3_w1.2 --hardware note10 --within latency_ms=30 \\
        --study note10 --plot note10.html
  for a table measured by `profile`, in a separate database:
    optuna-ofa search --supernet ofa_mbv3_w1.0 --hardware phone.json --storage sqlite:///nas.db
  for a microcontroller, the memories of which are the limits:
    optuna-ofa search --supernet microcontroller_fashion --board stm32f746 \\
        --objectives top1 sram_kb
  to continue a study with its supernet and limits: --n adds evaluations, --until fills up to a
  total, so that running the same command again adds nothing:
    optuna-ofa search --storage sqlite:///nas.db --until 50000
""",
    _add_search,
    _run_search,
    _kept,
)
