"""The drawing of networks."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.space import Layer, layers_from_net_config, subnet_layers
from optuna_ofa.visualization import architecture_info, plot_architecture
from optuna_ofa.visualization._architecture import ArchitectureRow
from optuna_ofa.visualization._style import kernel_colour


@pytest.fixture(scope="module")
def subnet() -> Subnet:
    family = SearchSpace("ofa_mbv3_w1.0").family
    kernel, expand = (3, 5, 7, 7) * 5, (6, 4, 3, 3) * 5
    return Subnet(family, 192, depth=(4, 3, 2, 2, 3), kernel=kernel, expand=expand)


@pytest.fixture(scope="module")
def published(shared_data: Path) -> dict[str, tuple[Layer, ...]]:
    """ProxylessNAS's own nets for three devices."""
    folder = shared_data / "proxylessnas"
    if not folder.is_dir():
        pytest.skip("the configs of ProxylessNAS are not there")
    return {
        name: layers_from_net_config(folder / f"proxyless_{name}.config", 224)
        for name in ("gpu", "cpu", "mobile")
    }


def blocks(row: ArchitectureRow) -> list[Layer]:
    return [box.layer for box in row.boxes if box.layer.role == "block"]


class TestInfo:
    def test_a_subnet_is_its_layers_without_pooling(self, subnet: Subnet) -> None:
        (row,) = architecture_info({"pick": subnet})
        layers = subnet_layers(subnet)
        assert [box.layer for box in row.boxes] == [x for x in layers if x.role != "pool"]
        assert (row.name, row.resolution, row.words) == ("pick", 192, str(subnet))
        assert row.n_blocks == 1 + sum(subnet.depth)  # and the first, which is fixed

    def test_layers_are_drawn_like_their_subnet(self, subnet: Subnet) -> None:
        (of_subnet,) = architecture_info({"a": subnet})
        (of_layers,) = architecture_info({"a": subnet_layers(subnet)})
        assert of_layers == of_subnet._replace(words="")

    def test_width_grows_with_channels_and_height_with_the_expand_ratio(
        self, subnet: Subnet
    ) -> None:
        (row,) = architecture_info({"a": subnet})
        found = [(b.width, b.height) for b in row.boxes if b.layer.role == "block"]
        expected = [(math.sqrt(x.out_channels), x.expand / 6) for x in blocks(row)]
        assert found == expected
        assert max(height for _, height in found) == 1

    def test_heights_are_comparable_between_networks(self, subnet: Subnet) -> None:
        small = SearchSpace("ofa_mbv3_w1.0").smallest()  # expand ratio 3 everywhere
        rows = architecture_info({"large": subnet, "small": small})
        heights = [b.height for b in rows[1].boxes if b.layer.role == "block"]
        assert max(heights) == pytest.approx(0.5)

    def test_boxes_follow_each_other_without_overlap(self, subnet: Subnet) -> None:
        (row,) = architecture_info({"a": subnet})
        assert row.boxes[0].left == 0
        assert all(a.left + a.width < b.left for a, b in itertools.pairwise(row.boxes))

    def test_stages_are_those_of_the_family(self, subnet: Subnet) -> None:
        (row,) = architecture_info({"a": subnet})
        counts = [sum(b.stage == s for b in row.boxes) for s in range(8)]
        assert counts == [1, 1, *subnet.depth, 3]  # the stem, the first block, ..., the head
        assert len(row.borders) == 7
        for stage, border in enumerate(row.borders):
            assert max(b.left + b.width for b in row.boxes if b.stage == stage) < border
            assert border < min(b.left for b in row.boxes if b.stage == stage + 1)

    @pytest.mark.parametrize("name", ["ofa_resnet50", "ofa_proxyless_w1.3", "resnet50"])
    def test_other_families_have_stages_too(self, name: str) -> None:
        space = SearchSpace(name)
        (row,) = architecture_info({"a": space.largest()})
        n_fixed = row.n_blocks - sum(space.largest().stage_depths)
        assert row.boxes[-1].stage == len(space.family.stages) + n_fixed + 1

    def test_no_network_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`networks` must have at least one"):
            architecture_info({})

    def test_a_network_without_blocks_is_refused(self, subnet: Subnet) -> None:
        stem = [x for x in subnet_layers(subnet) if x.role == "stem"]
        with pytest.raises(InvalidArgumentError, match="must have blocks, but 'b' has none"):
            architecture_info({"a": subnet, "b": stem})


class TestPublishedNets:
    """What the ProxylessNAS paper says of its figure, from the nets that it published."""

    def test_the_gpu_has_fewer_blocks(self, published: dict[str, tuple[Layer, ...]]) -> None:
        found = {row.name: row.n_blocks for row in architecture_info(published)}
        assert found == {"gpu": 14, "cpu": 20, "mobile": 20}

    def test_only_the_cpu_has_no_large_kernels(
        self, published: dict[str, tuple[Layer, ...]]
    ) -> None:
        rows = architecture_info(published)
        kernels = {row.name: [x.kernel for x in blocks(row)] for row in rows}
        found = {name: tuple(k.count(size) for size in (3, 5, 7)) for name, k in kernels.items()}
        assert found == {"gpu": (3, 5, 6), "cpu": (14, 6, 0), "mobile": (3, 10, 7)}

    def test_the_gpu_has_wider_blocks(self, published: dict[str, tuple[Layer, ...]]) -> None:
        rows = {row.name: row for row in architecture_info(published)}
        channels = {name: [x.out_channels for x in blocks(row)] for name, row in rows.items()}
        mean = {name: round(sum(c) / len(c)) for name, c in channels.items()}
        assert mean == {"gpu": 159, "cpu": 108, "mobile": 102}

    def test_they_are_drawn_on_one_axis(self, published: dict[str, tuple[Layer, ...]]) -> None:
        figure = plot_architecture(published)
        by_name = {trace.name: trace for trace in figure.data}
        counts = [len(by_name[f"{k}x{k}"].x) for k in (3, 5, 7)]
        assert counts == [20, 21, 13]
        assert set(by_name["7x7"].base) == {0, 2}  # mobile and gpu, not cpu


class TestDrawing:
    def test_kernels_have_their_colours_and_are_written_on_the_boxes(self, subnet: Subnet) -> None:
        figure = plot_architecture({"a": subnet})
        for kernel, trace in zip((3, 5, 7), figure.data[:3], strict=True):
            assert trace.name == f"{kernel}x{kernel}"
            assert trace.marker.color == kernel_colour(kernel)
            assert set(trace.text) == {str(kernel)}
        assert sum(len(trace.x) for trace in figure.data[:3]) == 1 + sum(subnet.depth)

    def test_the_first_network_is_on_top_and_says_its_resolution(self, subnet: Subnet) -> None:
        small = SearchSpace("ofa_mbv3_w1.0", resolution=160).smallest()
        axis = plot_architecture({"pick": subnet, "small": small}).layout.yaxis
        assert axis.ticktext == (
            "<b>pick</b><br>192 px, 15 blocks",
            "<b>small</b><br>160 px, 11 blocks",
        )
        assert axis.tickvals[0] > axis.tickvals[1]

    def test_stages_say_their_size_and_channels(self, subnet: Subnet) -> None:
        labels = plot_architecture({"a": subnet}).data[-1]
        expected = ["96<br>16", "48<br>24", "24<br>40", "12<br>80", "12<br>112", "6<br>160"]
        assert list(labels.text) == expected
        assert set(labels.hovertext) == {str(subnet)}

    def test_hovering_shows_the_layer_in_words(self, subnet: Subnet) -> None:
        threes = plot_architecture({"pick": subnet}).data[0]
        assert threes.hovertext[1] == (
            "pick<br>3x3 block, expand ratio 6<br>16 → 96 → 24 channels, 96 → 48 px<br>"
            "stride 2, relu"
        )

    def test_more_networks_make_a_higher_picture(self, subnet: Subnet) -> None:
        one, three = (plot_architecture({str(i): subnet for i in range(n)}) for n in (1, 3))
        assert three.layout.height > one.layout.height


def test_points_of_fronts_have_their_device() -> None:
    subnet = SearchSpace("ofa_mbv3_w1.0").smallest()
    origin = {"latency_ms": {"runtime": "torch 2", "processor": "A"}}
    point = FrontPoint(subnet, {"latency_ms": 5.0}, {}, "predicted", 0, origin=origin)
    figure = plot_architecture({"a": point})
    assert figure.layout.meta["title"] == "ofa_mbv3_w1.0: layers from input to output"
    assert figure.layout.meta["notes"][-1] == "latency of A, torch 2"
    of_subnet = plot_architecture({"a": subnet})
    assert len(of_subnet.layout.meta["notes"]) == 1
    assert figure.data == of_subnet.data


def test_labels_of_rows_and_stages(subnet: Subnet) -> None:
    small = SearchSpace("ofa_mbv3_w1.0").subnet(resolution=128, depth=2)
    figure = plot_architecture({"first": subnet, "second": small})
    rows = architecture_info({"first": subnet, "second": small})
    axis = figure.layout.yaxis
    assert axis.ticktext == (
        f"<b>first</b><br>192 px, {rows[0].n_blocks} blocks",
        f"<b>second</b><br>128 px, {rows[1].n_blocks} blocks",
    )
    bars = {trace.base[0] for trace in figure.data if trace.type == "bar"}
    assert bars <= {0, 1}
    top = max(
        y + b for t in figure.data if t.type == "bar" for y, b in zip(t.y, t.base, strict=True)
    )
    # the first row is on top; a label stands at half the height of its row's tallest box
    assert axis.tickvals == pytest.approx((1 + (top - 1) / 2, (top - 1) / 2))
    (labels,) = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "text"]
    last = [b.layer for b in rows[0].boxes if b.stage == 1 and b.layer.role == "block"][-1]
    assert labels.text[0] == f"{last.out_size}<br>{last.out_channels}"
    boxes = [b for b in rows[0].boxes if b.stage == 1]
    assert labels.x[0] == pytest.approx((boxes[0].left + boxes[-1].left + boxes[-1].width) / 2)
    assert all(1 - 0.2 < y < 1 for y in labels.y[: rows[0].boxes[-1].stage - 1])
