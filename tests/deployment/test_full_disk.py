"""A full disk is an error of every writer, leaves what was there, and aborts no process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="there are no limits of files")

# what is larger than the limit of a file cannot be written, as on a full disk
SCRIPT = """
import resource, sys
from pathlib import Path

import torch

from optuna_ofa import SearchSpace, Supernet, get_family, save_supernet
from optuna_ofa.deployment import export

folder = Path(sys.argv[1])
supernet = Supernet(get_family("ofa_mbv3_fashion"))
subnet = SearchSpace(supernet.family).smallest()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for format in ("torch_export", "ofa"):
    try:
        export(supernet, subnet, folder / format, format=format, calibration=None)
    except OSError as error:
        print(format, type(error).__name__)
try:
    save_supernet(supernet, folder / "supernet")
except OSError as error:
    print("supernet", type(error).__name__)
"""


def test_nothing_is_written_to_a_full_disk_and_nothing_aborts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert {"torch_export OSError", "ofa OSError", "supernet OSError"} <= {
        *done.stdout.splitlines()
    }
    assert list(tmp_path.iterdir()) == []
