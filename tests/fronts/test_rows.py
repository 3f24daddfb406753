"""Fronts as tables of pandas and as CSV, their hypervolume, and points by attribute."""

from __future__ import annotations

import copy
import csv
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import pandas as pd
import pytest
from pymoo.indicators.hv import HV

from optuna_ofa import Front, FrontPoint, SearchSpace, Subnet, SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError, MissingDependencyError

Make = Callable[..., SubnetStudy]
NAMES = ("top1", "latency_ms")


def front_of(
    space: SearchSpace,
    rows: list[tuple[float, ...]],
    objectives: tuple[str, ...] = NAMES,
    std: Mapping[str, float] | None = None,
    kind: str = "measured",
) -> Front:
    """A front of random subnets with given values; the first point has standard deviations."""
    subnets = space.from_matrix(space.sample(max(len(rows), 1), seed=0))
    points = [
        FrontPoint(
            subnet,
            dict(zip(objectives, row, strict=True)),
            dict(std or {}) if i == 0 else {},
            kind,
            10 + i,
        )
        for i, (subnet, row) in enumerate(zip(subnets, rows, strict=False))
    ]
    return Front(points, objectives)


@pytest.fixture
def front(space: SearchSpace) -> Front:
    return front_of(space, [(0.1 + 0.2, 1e-7), (76.1, 14.900000000000002)], std={"top1": 0.08})


class TestTables:
    COLUMNS = (
        *("trial", "kind", "extrapolated", "top1", "latency_ms", "top1_std"),
        *("subnet", "subnet_json"),
    )

    def test_a_row_for_each_point_in_the_order_of_the_front(self, front: Front) -> None:
        frame = front.to_dataframe()
        assert tuple(frame.columns) == self.COLUMNS
        assert frame["trial"].tolist() == [10, 11]
        assert frame["kind"].tolist() == ["measured", "measured"]
        assert frame["extrapolated"].tolist() == ["no", "no"]
        assert frame["latency_ms"].tolist() == [p.values["latency_ms"] for p in front]
        assert frame["top1_std"].tolist() == [0.08, pytest.approx(np.nan, nan_ok=True)]
        assert frame["subnet"].tolist() == [str(p.subnet) for p in front]
        assert frame.attrs["units"] == {"top1": "%", "latency_ms": "ms"}

    def test_numbers_are_numbers_of_pandas(self, front: Front) -> None:
        types = front.to_dataframe().dtypes
        numbers = {name: types[name].kind for name in ("trial", "top1", "latency_ms", "top1_std")}
        assert numbers == {"trial": "i", "top1": "f", "latency_ms": "f", "top1_std": "f"}

    def test_subnets_are_read_back(self, front: Front, space: SearchSpace) -> None:
        texts = front.to_dataframe()["subnet_json"]
        assert [Subnet.from_json(t, space.family) for t in texts] == [p.subnet for p in front]

    def test_a_file_is_read_back_bit_for_bit(self, front: Front, tmp_path: Path) -> None:
        path = front.to_csv(tmp_path / "front.csv")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == self.COLUMNS
        for row, point in zip(rows, front, strict=True):
            assert {m: float(row[m]) for m in NAMES} == point.values
        assert [row["top1_std"] for row in rows] == ["0.08", ""]
        read = pd.read_csv(path, float_precision="round_trip")
        pd.testing.assert_frame_equal(read, front.to_dataframe(), check_exact=True)

    def test_numbers_of_numpy_are_written_as_numbers(
        self, space: SearchSpace, tmp_path: Path
    ) -> None:
        rows: Any = [tuple(np.array([70.125, 2.5]))]
        text = front_of(space, rows).to_csv(tmp_path / "front.csv").read_text()
        assert ",70.125,2.5," in text

    def test_a_front_without_points_has_its_columns(
        self, space: SearchSpace, tmp_path: Path
    ) -> None:
        empty = front_of(space, [])
        columns = ["trial", "kind", "extrapolated", *NAMES, "subnet", "subnet_json"]
        assert empty.to_dataframe().columns.tolist() == columns
        assert empty.to_csv(tmp_path / "a.csv").read_text() == ",".join(columns) + "\n"

    def test_csv_needs_no_pandas(self, tmp_path: Path) -> None:
        code = f"""
import sys
sys.modules["pandas"] = None
import optuna_ofa
study = optuna_ofa.study("ofa_mbv3_w1.0", objectives=["n_macs", "n_params"])
study.search(20)
print(study.front().to_csv({str(tmp_path / "a.csv")!r}))
"""
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        assert (tmp_path / "a.csv").is_file()

    def test_a_missing_pandas_is_told(self, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingDependencyError, match=r"`pandas` cannot .*optuna-ofa\[pandas\]"):
            front.to_dataframe()

    def test_a_place_is_checked_first(self, front: Front, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="`path` must be a file in a folder that"):
            front.to_csv(tmp_path / "no" / "front.csv")
        front.to_csv(str(tmp_path / "front.csv"))
        assert [p.name for p in tmp_path.iterdir()] == ["front.csv"]


class TestHypervolume:
    def test_of_one_point_it_is_a_rectangle(self, space: SearchSpace) -> None:
        assert front_of(space, [(75.0, 10.0)]).hypervolume({"top1": 70, "latency_ms": 30}) == 100.0

    @pytest.mark.parametrize("objectives", [NAMES, NAMES[::-1], (*NAMES, "n_macs")], ids="-".join)
    def test_it_is_that_of_other_libraries(
        self, space: SearchSpace, objectives: tuple[str, ...]
    ) -> None:
        values = np.random.default_rng(0).random((20, len(objectives))) * 9 + 1
        signs = np.array([-1.0 if m == "top1" else 1.0 for m in objectives])
        reference = np.where(signs < 0, 0.5, 11.0)
        front = front_of(space, [tuple(row) for row in values.tolist()], objectives)
        found = front.hypervolume(dict(zip(reversed(objectives), reference[::-1], strict=True)))
        assert found == pytest.approx(HV(ref_point=reference * signs)(values * signs), rel=1e-12)
        assert found == moocore.hypervolume(values, ref=reference, maximise=(signs < 0).tolist())

    @pytest.mark.parametrize(
        "outside", [(69.0, 5.0), (80.0, 31.0), (70.0, 5.0), (60.0, 40.0)], ids=str
    )
    def test_points_outside_contribute_nothing(
        self, space: SearchSpace, outside: tuple[float, float]
    ) -> None:
        reference = {"top1": 70.0, "latency_ms": 30.0}
        assert front_of(space, [(75.0, 10.0), outside]).hypervolume(reference) == 100.0
        assert front_of(space, [outside]).hypervolume(reference) == 0.0

    def test_without_points_it_is_zero(self, space: SearchSpace) -> None:
        assert front_of(space, []).hypervolume({"top1": 70, "latency_ms": 30}) == 0.0

    @pytest.mark.parametrize(
        ("reference", "words"),
        [
            ({"top1": 70.0}, "`reference` must have a value for each of top1, latency_ms"),
            ({"top1": 70.0, "latency_ms": 9.0, "n_macs": 1.0}, "a value for each of top1, lat"),
            ({"top1": 70.0, "latency": 9.0}, "`reference` must have a value for each of"),
            ({"top1": 70.0, "latency_ms": np.nan}, "`reference['latency_ms']` must be a finite"),
            ({"top1": 70.0, "latency_ms": np.inf}, "`reference['latency_ms']` must be a finite"),
            ({"top1": "70", "latency_ms": 9.0}, "`reference['top1']` must be a finite number"),
            ((70.0, 9.0), "`reference` must be a mapping"),
        ],
        ids=["missing", "more", "unknown", "nan", "infinite", "text", "row"],
    )
    def test_a_reference_is_checked(self, front: Front, reference: Any, words: str) -> None:
        with pytest.raises(InvalidArgumentError, match=re.escape(words)):
            front.hypervolume(reference)


class TestAttributes:
    def test_values_are_attributes(self, front: Front) -> None:
        point = front[1]
        assert point.top1 == 76.1
        assert point.latency_ms == point.values["latency_ms"]
        assert {"top1", "latency_ms", "subnet", "kind"} <= set(dir(point))

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("latency", "'FrontPoint' has no attribute 'latency'; its values are top1, latency_ms"),
            ("latncy_ms", "did you mean 'latency_ms'?"),
            ("kin", "did you mean 'kind'?"),
            ("flash_kb", "its values are top1, latency_ms."),
        ],
    )
    def test_another_name_lists_them(self, front: Front, name: str, words: str) -> None:
        with pytest.raises(AttributeError, match=re.escape(words)):
            getattr(front[0], name)
        assert not hasattr(front[0], name)

    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda point: pickle.loads(pickle.dumps(point))],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_copies_are_equal(
        self, front: Front, copied: Callable[[FrontPoint], FrontPoint]
    ) -> None:
        again = copied(front[0])
        assert again == front[0]
        assert again.latency_ms == front[0].latency_ms

    def test_a_point_that_is_being_made_has_none(self) -> None:
        with pytest.raises(AttributeError, match="its values are none"):
            FrontPoint.__new__(FrontPoint).top1  # noqa: B018


class _Texts(HTMLParser):
    """The texts and tags of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class TestNotebooks:
    def test_a_point_says_kind_and_units(self, front: Front) -> None:
        texts = _Texts(front[0]._repr_html_()).texts
        assert texts[0] == "Measured point, trial 10"
        assert "0.30 ± 0.08 %" in texts
        assert texts.count("measured") == 2
        assert str(front[0].subnet) in texts

    def test_a_bound_says_so(self, front: Front) -> None:
        point = FrontPoint(front[0].subnet, {"top1": 70.0}, {}, "predicted", 3, {"top1": 1.5})
        assert "predicted, 1.5 std worse" in _Texts(point._repr_html_()).texts

    def test_a_front_shows_ten_points(self, space: SearchSpace) -> None:
        rows = [(float(50 + i), float(i + 1)) for i in range(31)]
        parsed = _Texts(front_of(space, rows, kind="predicted")._repr_html_())
        assert parsed.open == []
        assert parsed.texts[0] == "Pareto front: 31 predicted points, 10 of them shown"
        assert parsed.texts[1:6] == [
            "Top-1 accuracy (%)", "Latency (ms)", "Values are", "Trial", "Subnet",
        ]  # fmt: skip
        assert parsed.texts.count("predicted") == 10
        assert {"10", "40"} <= set(parsed.texts)  # the numbers of the trials at the ends
        assert "to_csv" in parsed.texts[-1]

    def test_a_small_front_has_no_note(self, front: Front) -> None:
        assert "to_csv" not in front._repr_html_()

    def test_a_front_without_points(self, space: SearchSpace) -> None:
        assert _Texts(front_of(space, [])._repr_html_()).texts[0] == "Pareto front: 0 points"

    def test_texts_are_escaped(self, front: Front) -> None:
        point = FrontPoint(front[0].subnet, {"top1": 70.0}, {}, "<script>&", 3)
        assert "<script>" not in point._repr_html_()
        assert "&lt;script&gt;&amp;" in point._repr_html_().lower()
        assert "<script>" not in Front([point], ["top1"])._repr_html_()
