"""The predictors of ``ofa/tutorial`` on the published files, as peers to compare with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml

TABLE, ACCURACY = "note10_w1.2", "ofa_mbv3_w1.2_acc_predictor.pth"
RESOLUTIONS = (160, 176, 192, 208, 224)


def import_ofa(name: str) -> ModuleType:
    """Import a module of the ``ofa`` package where torchvision is not installed either."""
    path = Path(__file__).resolve().parents[1] / "tests" / "_reference_ofa.py"
    spec = importlib.util.spec_from_file_location("_reference_ofa", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: ModuleType = module.import_reference(name)
    return found


def accuracy_predictor(data: Path) -> Any:
    """``ofa.tutorial.AccuracyPredictor`` with the published weights."""
    module = import_ofa("ofa.tutorial.accuracy_predictor")
    predictor = module.AccuracyPredictor(pretrained=False, device="cpu")
    state = torch.load(data / ACCURACY, map_location="cpu", weights_only=True)
    predictor.model.load_state_dict(state)
    return predictor


class Note10:
    """``ofa.tutorial.LatencyTable`` for the Note10.

    Its constructor downloads, and reads YAML in a way that PyYAML 6 refuses.
    """

    def __init__(self, data: Path) -> None:
        estimator = import_ofa("ofa.tutorial.latency_table").LatencyEstimator
        self._tables = {}
        for resolution in RESOLUTIONS:
            table = estimator.__new__(estimator)
            text = (data / TABLE / f"{resolution}_lookup_table.yaml").read_text()
            table.lut = yaml.load(text, Loader=yaml.CSafeLoader)
            self._tables[resolution] = table

    def predict_efficiency(self, spec: dict[str, Any]) -> float:
        """Milliseconds of one subnet."""
        return float(self._tables[spec["r"][0]].predict_network_latency_given_spec(spec))
