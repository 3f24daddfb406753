"""What a front prefers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Front, FrontPoint
from optuna_ofa.visualization import plot_choices
from optuna_ofa.visualization._choices import choices_info

SPACE = SearchSpace("ofa_mbv3_w1.0")
LATENCY = ("top1", "latency_ms")


def front_of(space: SearchSpace, n: int, objectives: tuple[str, str] = LATENCY) -> Front:
    """Random subnets between the smallest and the largest, as a front of rising cost."""
    between = space.from_matrix(space.sample(n - 2, seed=0))
    subnets = [space.smallest(), *between, space.largest()]
    points = [
        FrontPoint(subnet, dict(zip(objectives, (70.0 + i, 5.0 + i), strict=True)), {}, "x", i)
        for i, subnet in enumerate(subnets)
    ]
    return Front(points, objectives)


class TestInfo:
    def test_shares_of_each_bin_add_up(self) -> None:
        info = choices_info(front_of(SPACE, 50))
        assert list(info.shares) == ["kernel", "depth", "expand"]
        for shares in info.shares.values():
            np.testing.assert_allclose(sum(shares.values()), 100)

    def test_the_cost_is_the_same_in_any_order(self) -> None:
        points = [*front_of(SPACE, 12)]
        for objectives in (("top1", "n_macs"), ("n_macs", "top1")):
            values = [{"top1": 70.0 + i, "n_macs": 1e8 * (i + 1)} for i in range(12)]
            front = Front(
                [replace(p, values=v) for p, v in zip(points, values, strict=True)], objectives
            )
            assert choices_info(front).metric.name == "n_macs"

    def test_ends_are_the_smallest_and_the_largest(self) -> None:
        info = choices_info(front_of(SPACE, 12), n_bins=12)
        first = {gene: [s[0] for s in shares.values()] for gene, shares in info.shares.items()}
        last = {gene: [s[-1] for s in shares.values()] for gene, shares in info.shares.items()}
        assert first == {gene: [100, 0, 0] for gene in ("kernel", "depth", "expand")}
        assert last == {gene: [0, 0, 100] for gene in ("kernel", "depth", "expand")}

    def test_blocks_that_are_there_are_counted(self) -> None:
        front = front_of(SPACE, 30)
        info = choices_info(front, n_bins=1)
        kernels = [k for p in front for k in p.subnet.kernel if k]
        depths = [d for p in front for d in p.subnet.depth]
        assert info.shares["kernel"][5][0] == pytest.approx(100 * kernels.count(5) / len(kernels))
        assert info.shares["depth"][3][0] == pytest.approx(100 * depths.count(3) / len(depths))

    def test_bins_have_as_many_subnets_each(self) -> None:
        info = choices_info(front_of(SPACE, 50), n_bins=8)
        assert sorted(set(info.n_subnets)) == [6, 7]
        assert info.n_subnets.sum() == 50
        assert (np.diff(info.cost) > 0).all()

    def test_a_short_front_has_a_bin_a_point(self) -> None:
        info = choices_info(front_of(SPACE, 3))
        assert list(info.cost) == [5, 6, 7]

    def test_a_family_with_fixed_kernels_has_no_share_of_them(self) -> None:
        space = SearchSpace("ofa_resnet50")
        info = choices_info(front_of(space, 20))
        assert list(info.shares) == ["depth", "expand"]
        assert set(info.shares["depth"]) == {0, 1, 2}
        assert info.shares["depth"][0][0] == 100  # the stem's depth is not counted

    def test_without_latency_the_last_objective_is_the_cost(self) -> None:
        info = choices_info(front_of(SPACE, 5, ("top1", "n_macs")))
        assert info.metric.name == "n_macs"

    def test_bad_arguments_are_refused(self) -> None:
        with pytest.raises(
            InvalidArgumentError, match="`n_bins` must be a whole number of at least 1, but got 0"
        ):
            choices_info(front_of(SPACE, 5), n_bins=0)
        with pytest.raises(InvalidArgumentError, match="`front` must have at least one point"):
            choices_info(Front([], ("top1", "latency_ms")))


class TestDrawing:
    def test_an_area_a_choice_under_its_title(self) -> None:
        figure = plot_choices(front_of(SPACE, 50))
        names = [trace.name for trace in figure.data]
        assert names == ["3x3", "5x5", "7x7", "2", "3", "4", "3", "4", "6"]
        assert [a.text for a in figure.layout.annotations] == ["Kernels", "Depths", "Expand ratios"]
        assert [t.stackgroup for t in figure.data[::3]] == ["kernel", "depth", "expand"]

    def test_each_legend_has_its_own_choices(self) -> None:
        figure = plot_choices(front_of(SPACE, 50))
        assert [t.legend for t in figure.data[::3]] == ["legend", "legend2", "legend3"]

    def test_axes_and_hovering_name_the_cost(self) -> None:
        figure = plot_choices(front_of(SPACE, 3))
        assert figure.layout.xaxis2.title.text == f"Latency (ms), {front_of(SPACE, 3)[0].kind}"
        assert figure.data[0].hovertext[0] == "3x3: 100 %<br>1 subnet around 5.000 ms"

    def test_of_a_study_with_its_device_and_date(self) -> None:
        study = optuna_ofa.study(SPACE.family, seed=0)
        study.search(40)
        last = max(t.datetime_complete for t in study.trials if t.datetime_complete)
        meta = plot_choices(study, kind="predicted").layout.meta
        assert meta["title"] == "ofa_mbv3_w1.0: what the front prefers"
        device = "AMD EPYC family 25 model 17, torch 2.13.0+cpu"
        assert meta["notes"][-1] == f"latency of {device}; {last:%-d %B %Y}"
        front, of_study = plot_choices(study.front()).data, plot_choices(study).data
        assert [list(a.y) for a in front] == [list(b.y) for b in of_study]
