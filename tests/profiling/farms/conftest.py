"""A folder of graphs with known costs of layers, and the files that tools would write for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optuna_ofa.profiling import export_profile
from optuna_ofa.profiling._export import ExportMethod
from optuna_ofa.profiling._graph_folder import Graph, read_manifest
from optuna_ofa.space import Layer, SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=64).restrict(depth=2, kernel=[3, 5], expand=[3, 4])


def true_ms(layer: Layer) -> float:
    """Return what a layer takes."""
    return 0.2 + 1e-6 * layer.in_size**2 * (layer.in_channels + layer.kernel * layer.mid_channels)


class Farm:
    """A folder of graphs, and the times of their layers."""

    def __init__(self, folder: Path, method: ExportMethod) -> None:
        export_profile(SPACE, folder, runtime="torch", method=method, progress=False)
        self.folder = folder
        self.graphs: dict[str, Graph] = read_manifest(folder)[1]

    def write(self, suffix: str, text: Callable[[list[float]], str]) -> None:
        """Write a file for each graph from the times of its layers."""
        for file, graph in self.graphs.items():
            path = self.folder / f"{file.split('.')[0]}{suffix}"
            path.write_text(text([true_ms(layer) for layer in graph.layers]), encoding="utf-8")

    def first(self, suffix: str) -> Path:
        """Return the file of the first graph after the anchor."""
        return self.folder / f"{list(self.graphs)[1].split('.')[0]}{suffix}"


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """Return a folder whose networks are profiled."""
    return Farm(tmp_path / "graphs", "networks")


@pytest.fixture
def farm_of_layers(tmp_path: Path) -> Farm:
    """Return a folder with every layer alone."""
    return Farm(tmp_path / "graphs", "layers")


@pytest.fixture
def farm_of_subnets(tmp_path: Path) -> Farm:
    """Return a folder with whole subnets."""
    return Farm(tmp_path / "graphs", "subnets")
