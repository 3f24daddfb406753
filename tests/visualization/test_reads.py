"""Each picture reads the trials of a study once, and finds each of its fronts at most once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from optuna_ofa.studies import SubnetStudy
from optuna_ofa.visualization import plot_accuracy_macs, plot_front, plot_fronts, plot_hypervolume

pytestmark = pytest.mark.usefixtures("quiet_optuna")


@pytest.mark.parametrize(
    ("draw", "n_fronts"),
    [
        (plot_front, 2),
        (lambda study: plot_fronts({"a": study}, kind="predicted"), 1),
        (lambda study: plot_accuracy_macs(study, kind="predicted"), 1),
        (lambda study: plot_hypervolume(study, kind="predicted"), 0),
    ],
    ids=["front", "fronts", "accuracy-macs", "hypervolume"],
)
def test_one_read(
    searched: Callable[..., SubnetStudy],
    counted: Callable[[SubnetStudy], Counter[str]],
    draw: Callable[[SubnetStudy], Any],
    n_fronts: int,
) -> None:
    study = searched()
    study.tell_batch(study.ask_batch(2), [(70.0, 10.0), (71.0, 11.0)])
    counts = counted(study)
    draw(study)
    assert counts["read"] == 1
    assert counts["find_front"] == n_fronts
