"""Tables of measured subnets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optuna_ofa.exceptions import FormatError, ImplausibleValueWarning, InvalidSubnetError
from optuna_ofa.space import SearchSpace, read_measured_subnets, subnet_to_dialect

HEADER = "Sub-network,Date,Model Parameters,Latency (ms),MACs,Top-1 Acc (%)"
SUBNET = SearchSpace("ofa_mbv3_w1.0").smallest()
SPEC = str(subnet_to_dialect(SUBNET, "ofa_tutorial"))


def write(folder: Path, *lines: str) -> Path:
    path = folder / "measured.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_columns_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, f'"{SPEC}",2022,3410792,12.5,121284000,71.5')
    measured = read_measured_subnets(path, "ofa_mbv3_w1.0")
    assert measured.subnets == (SUBNET,)
    assert [measured.top1[0], measured.latency_ms[0]] == [71.5, 12.5]
    assert [measured.n_params[0], measured.n_macs[0]] == [3410792, 121284000]


def test_zero_is_not_measured(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, f'"{SPEC}",2022,0,0,0,0')
    measured = read_measured_subnets(path, "ofa_mbv3_w1.0")
    assert np.isnan([measured.top1[0], measured.latency_ms[0]]).all()
    assert [measured.n_params[0], measured.n_macs[0]] == [0, 0]


def test_a_table_without_rows(tmp_path: Path) -> None:
    measured = read_measured_subnets(write(tmp_path, HEADER), "ofa_mbv3_w1.0")
    assert (len(measured), measured.top1.shape) == (0, (0,))


def test_missing_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER.replace(",MACs", ""), f'"{SPEC}",2022,0,0,0')
    with pytest.raises(FormatError, match=r"measured.csv lacks \['MACs'\]"):
        read_measured_subnets(path, "ofa_mbv3_w1.0")


@pytest.mark.parametrize(
    ("row", "error", "match"),
    [
        ("ks,2022,0,0,0,0", FormatError, "line 3: `spec` must be a dict"),
        (f'"{SPEC}",2022,0,0,0,many', FormatError, "line 3: top1 must be .* but is .many"),
        (f'"{SPEC}",2022', FormatError, "line 3 has 2 fields, not 6"),
        (f'"{SPEC}",2022,0,0,0,101', FormatError, "line 3: top1 must be in percent, .* got 101"),
        (f'"{SPEC}",2022,0,-1,0,0', FormatError, "line 3: latency_ms must be positive, .* -1"),
        (f'"{SPEC}",2022,0,0,inf,0', FormatError, "line 3: n_macs must be .* but is .inf"),
        (f'"{SPEC}",2022,nan,0,0,0', FormatError, "line 3: n_params must be .* but is .nan"),
        (f'"{SPEC.replace("3, ", "9, ")}",2022,0,0,0,0', InvalidSubnetError, r"line 3: `kernel\[0"),
    ],
    ids=["subnet", "number", "short", "top1", "latency", "macs", "nan", "family"],
)
def test_bad_line_is_named(tmp_path: Path, row: str, error: type[Exception], match: str) -> None:
    path = write(tmp_path, HEADER, f'"{SPEC}",2022,0,0,0,0', row)
    with pytest.raises(error, match=match):
        read_measured_subnets(path, "ofa_mbv3_w1.0")


def test_fractions_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, f'"{SPEC}",2022,0,0,0,.715')
    with pytest.warns(ImplausibleValueWarning, match="measured.csv is probably a fraction: top1"):
        assert read_measured_subnets(path, "ofa_mbv3_w1.0").top1.tolist() == [0.715]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + HEADER, f'"{SPEC}",2022,0,0,0,71.5')
    assert len(read_measured_subnets(path, "ofa_mbv3_w1.0")) == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "`path` must be a file, but .*measured.csv does not exist"),
        (b"", "`path` must have columns"),
        (b"\x80\x04\x95\xff", "`path` must be a text file in UTF-8"),
        (b'"' + b"x" * 200_000 + b'"', "`path` must be CSV, but .* field larger than"),
    ],
    ids=["missing", "empty", "binary", "long field"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, match: str) -> None:
    path = tmp_path / "measured.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=match):
        read_measured_subnets(path, "ofa_mbv3_w1.0")


@pytest.mark.parametrize(
    ("name", "n", "top1_range"),
    [
        ("mbnv3w10_evoga_acc", 364, (73.716, 77.386)),
        ("mbnv3w10_evonsga2_acc_macs", 540, (71.938, 77.238)),
        ("mbnv3w10_evounsga3_acc_macs_params", 554, (71.748, 77.014)),
    ],
)
def test_published_tables(
    shared_data: Path, name: str, n: int, top1_range: tuple[float, float]
) -> None:
    path = shared_data / "ofa_mbv3_w1.0_measured" / f"{name}.csv"
    measured = read_measured_subnets(path, "ofa_mbv3_w1.0")
    assert len(measured) == n
    assert (measured.top1.min(), measured.top1.max()) == top1_range
    assert np.isnan(measured.latency_ms).all()
    assert SearchSpace("ofa_mbv3_w1.0").to_matrix(measured.subnets).shape == (n, 46)
