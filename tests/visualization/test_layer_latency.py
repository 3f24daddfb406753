"""The latency of a subnet by layer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optuna_ofa import LatencyPredictor, LatencyTable, SearchSpace, Subnet
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import Entry
from optuna_ofa.problem import METRICS
from optuna_ofa.space import subnet_layers
from optuna_ofa.visualization import plot_layer_latency
from optuna_ofa.visualization._layer_latency import layer_latency_info
from optuna_ofa.visualization._style import GREY, kernel_colour

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[160, 176, 200])


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    path = packaged_table("cpu-onnxruntime", SPACE.family)
    assert path is not None
    return LatencyTable.load(path)


@pytest.fixture(params=[0, 1, 2], ids=str)
def subnet(request: pytest.FixtureRequest) -> Subnet:
    return SPACE.from_matrix(SPACE.sample(1, seed=request.param))[0]


def made_table(subnet: Subnet, std_ms: float) -> LatencyTable:
    """A table of one subnet's layers, of which the pooling costs nothing."""
    entries = {
        layer: Entry(0.0 if layer.role == "pool" else 1.0 + i, std_ms)
        for i, layer in enumerate(dict.fromkeys(subnet_layers(subnet)))
    }
    return LatencyTable.from_measurements(
        family=subnet.family, resolutions=[subnet.resolution], latencies=entries
    )


class TestInfo:
    def test_the_sum_is_the_prediction(self, table: LatencyTable, subnet: Subnet) -> None:
        info = layer_latency_info(table, subnet)
        predictor = LatencyPredictor(table=table, space=SPACE)
        matrix = SPACE.to_matrix([subnet])
        assert info.total_ms == pytest.approx(predictor.predict(matrix)[0])
        std = predictor.predict_std(matrix)
        assert std is not None
        assert info.total_std_ms == pytest.approx(std[0])

    def test_layers_that_cost_nothing_are_left_out(self) -> None:
        subnet = SPACE.smallest()
        info = layer_latency_info(made_table(subnet, 0.5), subnet)
        assert info.layers == tuple(x for x in subnet_layers(subnet) if x.role != "pool")
        assert info.mean_ms[0] == 1
        assert set(info.std_ms) == {0.5}

    def test_unknown_deviations_stay_unknown(self) -> None:
        subnet = SPACE.smallest()
        info = layer_latency_info(made_table(subnet, math.nan), subnet)
        assert np.isnan(info.std_ms).all()
        assert math.isnan(info.total_std_ms)

    def test_a_resolution_that_the_table_lacks_is_refused(self) -> None:
        table = made_table(SPACE.smallest(), 0.5)
        with pytest.raises(InvalidArgumentError, match="`resolution` must be one that the table"):
            layer_latency_info(table, SPACE.largest())


class TestDrawing:
    def test_each_layer_is_a_bar_of_its_kernels_colour(
        self, table: LatencyTable, subnet: Subnet
    ) -> None:
        info = layer_latency_info(table, subnet)
        figure = plot_layer_latency(table, subnet)
        bars = [zip(trace.x, trace.y, strict=True) for trace in figure.data]
        heights = {x: y for of_kernel in bars for x, y in of_kernel}
        assert [heights[i] for i in range(len(heights))] == list(info.mean_ms)
        for trace in figure.data:
            kernels = {info.layers[i].kernel for i in trace.x}
            if trace.name == "stem and head":
                assert trace.marker.color == GREY
                assert {info.layers[i].role for i in trace.x}.isdisjoint({"block"})
            else:
                (kernel,) = kernels
                assert (trace.name, trace.marker.color) == (
                    f"{kernel}x{kernel}",
                    kernel_colour(kernel),
                )

    def test_bars_show_the_deviation_where_it_is_known(self) -> None:
        subnet = SPACE.smallest()
        tables = [made_table(subnet, std_ms) for std_ms in (0.5, math.nan)]
        known, unknown = (plot_layer_latency(table, subnet) for table in tables)
        assert all(set(trace.error_y.array) == {0.5} for trace in known.data)
        assert all(trace.error_y.array is None for trace in unknown.data)

    def test_title_has_the_sum_the_runtime_and_the_subnet(
        self, table: LatencyTable, subnet: Subnet
    ) -> None:
        info = layer_latency_info(table, subnet)
        title = plot_layer_latency(table, subnet).layout.title.text
        total = METRICS["latency_ms"].text(info.total_ms, info.total_std_ms)
        head, *words, device = title.replace("</sup>", "").split("<br><sup>")
        assert head == f"Latency by layer: {total} in {len(info.layers)} layers"
        assert " ".join(words) == str(subnet)
        assert max(map(len, words)) < 100  # or it is cut off where a drawing is narrow
        assert device.startswith("table of ")
        assert "onnxruntime" in device

    def test_ticks_and_hovering_say_what_the_layer_is(self) -> None:
        subnet = SPACE.smallest()
        figure = plot_layer_latency(made_table(subnet, math.nan), subnet)
        assert figure.layout.xaxis.ticktext[:3] == ("stem", "k3e1 16@80", "k3e3 24@40")
        assert figure.data[1].hovertext[1].startswith("3.000 ms, ")
        assert "<br>3x3 block, expand ratio 3<br>16 → 48 → 24 chan" in figure.data[1].hovertext[1]


class TestLongBars:
    def test_the_axis_is_that_of_the_latencies(self) -> None:
        subnet = SPACE.smallest()
        figure = plot_layer_latency(made_table(subnet, 500.0), subnet)
        largest = layer_latency_info(made_table(subnet, 0.5), subnet).mean_ms.max()
        low, high = figure.layout.yaxis.range
        assert low == 0
        assert largest < high <= 1.5 * largest

    def test_usual_bars_leave_it_as_it_comes(self, table: LatencyTable, subnet: Subnet) -> None:
        assert plot_layer_latency(table, subnet).layout.yaxis.range is None
