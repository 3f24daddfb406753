"""Searching for several devices together."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from tqdm import tqdm

from optuna_ofa.fleets._guests import Guests
from optuna_ofa.studies import SubnetStudy
from optuna_ofa.studies._results import PREDICTED
from optuna_ofa.studies._search import generations, require_number


def search(
    studies: Mapping[str, SubnetStudy], n_evaluations: int, *, progress: bool | None
) -> None:
    """Let the studies take turns, a generation each; see `Fleet.search`."""
    require_number(n_evaluations)
    hidden = None if progress is None else not progress
    width = max(map(len, studies))
    with contextlib.ExitStack() as stack:
        bars = {
            name: stack.enter_context(
                tqdm(total=n_evaluations, disable=hidden, unit="subnet", desc=f"{name:{width}}",
                     position=i)
            )
            for i, name in enumerate(studies)
        }  # fmt: skip
        running = {
            name: generations(
                study, n_evaluations, Guests(study, [s for s in studies.values() if s is not study])
            )
            for name, study in studies.items()
        }
        while running:
            for name, steps in list(running.items()):
                added = next(steps, None)
                if added is None:
                    del running[name]
                else:
                    bars[name].update(added)
                    studies[name].results(kind=PREDICTED)  # which the guests are looked for in
