"""Measuring whole subnets, into a database."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from optuna_ofa import MeasurementSettings, SearchSpace, measure, read_measurements
from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
    MeasurementError,
    NoisyDeviceWarning,
    StorageError,
)
from optuna_ofa.measurements import Claims, MeasurementTable, Reading
from optuna_ofa.profiling import GRAPHS_AT_ONCE, Latencies, _measure, anchor
from optuna_ofa.profiling._measure_part import Part
from optuna_ofa.space import Layer, mobilenet_v3_small_images, subnet_layers

pytestmark = pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


def rows_in(url: str) -> list[Any]:
    with sa.create_engine(url).begin() as connection:
        return list(connection.exec_driver_sql("SELECT * FROM ofa_measured ORDER BY id"))


def test_drift_is_divided_away(
    device: Any, space: SearchSpace, price: Callable[[Layer], float]
) -> None:
    matrix = space.sample(40, seed=0)
    true = LayerSum(space, lambda layer, _: price(layer))(matrix)
    of_anchor = sum(price(layer) for layer in subnet_layers(anchor(space.family)))
    measured = measure(space, matrix, MeasurementSettings(runtime=device), anchor_ms=of_anchor)
    np.testing.assert_allclose(measured.latency_ms, true, rtol=5e-3)
    assert (measured.min_ms > true).all()  # not scaled: the device was slower than the anchor says


def test_the_anchor_itself_can_be_measured(device: Any) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    subnets = [space.smallest(), anchor(space.family)]
    measured = measure(space, space.to_matrix(subnets), MeasurementSettings(runtime=device))
    assert measured.latency_ms[1] == pytest.approx(measured.anchor_ms, rel=1e-2)


def test_equal_subnets_are_measured_once(device: Any, space: SearchSpace) -> None:
    matrix = np.repeat(space.sample(3, seed=0), 4, axis=0)
    measured = measure(space, matrix, MeasurementSettings(runtime=device))
    assert len(device.loaded) == 1 + 3  # the anchor and the subnets
    np.testing.assert_array_equal(measured.latency_ms[0::4], measured.latency_ms[3::4])


def test_nothing_is_measured_twice(make_device: Any, space: SearchSpace, url: str) -> None:
    matrix = space.sample(6, seed=0)
    first = measure(space, matrix[:4], MeasurementSettings(runtime=make_device()), storage=url)
    second_device = make_device()
    second = measure(space, matrix, MeasurementSettings(runtime=second_device), storage=url)
    assert len(second_device.loaded) == 1 + 2
    np.testing.assert_array_equal(second.latency_ms[:4], first.latency_ms)
    assert len(rows_in(url)) == 6


def test_again_measures_and_keeps_both(make_device: Any, space: SearchSpace, url: str) -> None:
    matrix = space.sample(3, seed=0)
    for again in (False, True):
        device = make_device(noise=0.01)
        measure(space, matrix, MeasurementSettings(runtime=device), storage=url, again=again)
        assert len(device.loaded) == 4
    assert len(rows_in(url)) == 6


def test_several_measurements_of_a_subnet_give_their_median(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    matrix = space.sample(2, seed=0)
    singles = [
        measure(
            space,
            matrix,
            MeasurementSettings(runtime=make_device(noise=0.02, rng=np.random.default_rng(i))),
            storage=url,
            again=True,
        ).latency_ms
        for i in range(2)
    ]
    both = measure(space, matrix, MeasurementSettings(runtime=make_device()), storage=url)
    assert (singles[0] != singles[1]).all()
    np.testing.assert_allclose(both.latency_ms, np.mean(singles, axis=0))


def test_another_table_of_that_name_is_measured_anew(make_device: Any, url: str) -> None:
    latencies, anchors = [], []
    for width in (0.25, 2.0):
        space = SearchSpace(mobilenet_v3_small_images("mine", width=width, resolutions=(64,)))
        matrix = space.to_matrix([space.largest()])
        settings = MeasurementSettings(runtime=make_device())
        alone = measure(space, matrix, settings)
        stored = measure(space, matrix, settings, storage=url)
        np.testing.assert_allclose(stored.latency_ms, alone.latency_ms, rtol=0.2)
        latencies.append(stored.latency_ms[0])
        anchors.append(stored.anchor_ms)
    assert latencies[1] > 1.5 * latencies[0]
    assert anchors[1] > 1.5 * anchors[0]


def test_other_settings_are_other_measurements(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    matrix = space.sample(2, seed=0)
    for batch in (1, 4):
        measure(space, matrix, MeasurementSettings(runtime=make_device(), batch=batch), storage=url)
    assert len({row.setup_id for row in rows_in(url)}) == 2


def test_a_failure_is_kept_with_its_reason_and_the_rest_goes_on(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    space = space.restrict(kernel=[3])
    bad = SearchSpace("ofa_mbv3_w1.0", resolution=64).subnet(resolution=64, kernel=7)
    whole = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 96, 128])
    matrix = np.concatenate([space.sample(3, seed=0), whole.to_matrix([bad])])
    device = make_device(breaks_on=7)
    with pytest.warns(FailedMeasurementWarning, match="fake failed on 1 of 4 .*kernel of size 7"):
        measured = measure(whole, matrix, MeasurementSettings(runtime=device), storage=url)
    assert measured.measured.tolist() == [True, True, True, False]
    assert "no kernel of size 7" in measured.failures[3]
    assert measured.select(measured.measured).failures == {}
    with pytest.warns(FailedMeasurementWarning, match="fake failed on 1 of 1 "):  # tried again
        once_more = measure(whole, matrix, MeasurementSettings(runtime=device), storage=url)
    assert once_more.failures == measured.failures
    assert [row.error is None for row in rows_in(url)] == [True, True, True, False]
    mended = measure(whole, matrix, MeasurementSettings(runtime=make_device()), storage=url)
    assert mended.measured.all()
    assert [row.error is None for row in rows_in(url)] == [True] * 4
    np.testing.assert_array_equal(mended.latency_ms[:3], measured.latency_ms[:3])


class TestADeviceThatFails:
    """What fails is the device, not a subnet: nothing is stored, and the next call goes on."""

    def measured_later(self, make_device: Any, space: SearchSpace, url: str, n: int) -> Latencies:
        device = make_device()
        found = measure(
            space, space.sample(n, seed=0), MeasurementSettings(runtime=device), storage=url
        )
        assert found.measured.all()
        assert found.failures == {}
        return found

    @pytest.mark.parametrize(
        "error",
        [
            ConnectionResetError("unplugged"),
            RuntimeError("CUDA error: unspecified launch failure"),
            ImportError("no module named runtime"),
            AttributeError("'NoneType' object has no attribute 'run'"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_one_error_of_the_device_ends_it(
        self, make_device: Any, space: SearchSpace, url: str, error: Exception
    ) -> None:
        device = make_device(dies_after=3, dies_with=error)
        matrix = space.sample(6, seed=0)
        with pytest.raises(MeasurementError, match=f"fake failed on .*{type(error).__name__}"):
            measure(space, matrix, MeasurementSettings(runtime=device), storage=url)
        assert rows_in(url) == []
        self.measured_later(make_device, space, url, 6)

    def test_three_failures_in_a_row_are_the_devices(
        self, make_device: Any, space: SearchSpace, url: str
    ) -> None:
        device = make_device(dies_after=2, dies_with=RuntimeError("no answer"))
        matrix = space.sample(8, seed=0)
        with pytest.raises(MeasurementError, match=r"must run the anchor .*no answer"):
            measure(space, matrix, MeasurementSettings(runtime=device), storage=url)
        assert rows_in(url) == []
        self.measured_later(make_device, space, url, 8)

    def test_what_was_measured_before_is_kept(
        self, make_device: Any, space: SearchSpace, url: str
    ) -> None:
        device = make_device(dies_after=GRAPHS_AT_ONCE + 1, dies_with=OSError("gone"))
        matrix = space.sample(GRAPHS_AT_ONCE + 4, seed=0)
        with pytest.raises(MeasurementError, match="must run the anchor"):
            measure(space, matrix, MeasurementSettings(runtime=device), storage=url)
        assert len(rows_in(url)) == GRAPHS_AT_ONCE
        self.measured_later(make_device, space, url, len(matrix))

    def test_three_subnets_in_a_row_end_it_where_the_anchor_runs(
        self, make_device: Any, url: str
    ) -> None:
        space = SearchSpace("ofa_mbv3_w1.0", resolution=64).restrict(depth=2, expand=3)
        good, bad = (space.restrict(kernel=k).sample(1, seed=0) for k in (3, 7))
        others = space.restrict(kernel=[5, 7]).sample(3, seed=0)
        device = make_device(breaks_on=7)
        matrix = np.concatenate([good, bad, others])
        with pytest.raises(MeasurementError, match=r"after 1 of .* 3 subnets in a row failed"):
            measure(space, matrix, MeasurementSettings(runtime=device), storage=url)
        assert [row.error for row in rows_in(url)] == [None]

    def test_two_that_fail_alike_are_all_there_are(self, make_device: Any, url: str) -> None:
        space = SearchSpace("ofa_mbv3_w1.0", resolution=64).restrict(kernel=7)
        settings = MeasurementSettings(runtime=make_device(breaks_on=7))
        with pytest.raises(MeasurementError, match=r"all 2 subnets failed with.*no kernel"):
            measure(space, space.sample(2, seed=0), settings, storage=url)
        with pytest.warns(FailedMeasurementWarning, match="1 of 1 subnets"):
            found = measure(space, space.sample(1, seed=0), settings, storage=url)
        assert not found.measured.any()

    def test_a_run_that_fails_while_others_are_measured(
        self, make_device: Any, space: SearchSpace, url: str
    ) -> None:
        device = make_device(stalls_after=30)
        with pytest.raises(MeasurementError, match=r"fake failed while it measured.*stalled"):
            measure(
                space, space.sample(4, seed=0), MeasurementSettings(runtime=device), storage=url
            )
        assert rows_in(url) == []


def test_what_was_measured_before_an_interruption_is_kept(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    matrix = space.sample(40, seed=0)
    with pytest.raises(KeyboardInterrupt):
        measure(
            space,
            matrix,
            MeasurementSettings(runtime=make_device(stops_after=2 * GRAPHS_AT_ONCE)),
            storage=url,
        )
    assert len(rows_in(url)) == GRAPHS_AT_ONCE


def test_later_measurements_are_on_the_first_ones_scale(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    matrix = space.sample(2, seed=0)
    first = measure(space, matrix[:1], MeasurementSettings(runtime=make_device()), storage=url)
    hot = make_device()
    hot.n_runs = 100_000  # half as slow again
    second = measure(space, matrix, MeasurementSettings(runtime=hot), storage=url, again=True)
    assert second.anchor_ms == first.anchor_ms
    assert second.latency_ms[0] == pytest.approx(first.latency_ms[0], rel=1e-2)


def test_stored_measurements_are_on_the_scale_that_is_asked_for(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    matrix = space.sample(3, seed=0)
    settings = MeasurementSettings(runtime=make_device())
    first = measure(space, matrix, settings, storage=url)
    second = measure(space, matrix, settings, storage=url, anchor_ms=2 * first.anchor_ms)
    np.testing.assert_allclose(second.latency_ms, 2 * first.latency_ms)


@pytest.mark.filterwarnings("default::optuna_ofa.exceptions.NoisyDeviceWarning")
def test_noise_is_said(make_device: Any, space: SearchSpace) -> None:
    with pytest.warns(NoisyDeviceWarning, match=r"Repeated runs differ by .*`max_spread`"):
        measure(space, space.sample(3, seed=0), MeasurementSettings(runtime=make_device(noise=0.3)))


@pytest.mark.filterwarnings("default::optuna_ofa.exceptions.NoisyDeviceWarning")
def test_a_busy_machine_is_said(
    device: Any, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    clock = iter(range(0, 10**12, 10**9))  # every look at the wall clock is a second later
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(clock))
    with pytest.warns(NoisyDeviceWarning, match="Other programs used the processor"):
        measure(space, space.sample(2, seed=0), MeasurementSettings(runtime=device))


def test_rows_of_another_space_are_refused(device: Any, space: SearchSpace) -> None:
    with pytest.raises(InvalidSubnetError):
        measure(space, np.zeros((1, 3), dtype=np.int16), MeasurementSettings(runtime=device))


def test_a_storage_that_is_no_database_is_refused(device: Any, space: SearchSpace) -> None:
    from optuna.storages import InMemoryStorage

    with pytest.raises(InvalidArgumentError, match="`storage` must be a relational database"):
        measure(
            space,
            space.sample(1, seed=0),
            MeasurementSettings(runtime=device),
            storage=InMemoryStorage(),
        )


def test_a_database_that_cannot_be_written_is_an_error_of_ours(
    device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    (tmp_path / "a.db").write_text("this is no database" * 100)
    with pytest.raises(StorageError, match="not a database"):
        measure(
            space,
            space.sample(1, seed=0),
            MeasurementSettings(runtime=device),
            storage=f"sqlite:///{tmp_path}/a.db",
        )


def test_a_failed_subnet_leaves_the_anchor_of_its_batch(make_device: Any, url: str) -> None:
    whole = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 96, 128])
    subnets = [whole.subnet(resolution=64, kernel=k, expand=3, depth=2) for k in (3, 7)]
    matrix = whole.to_matrix(subnets)
    with pytest.warns(FailedMeasurementWarning, match="fake failed on 1 of 2"):
        measured = measure(
            whole, matrix, MeasurementSettings(runtime=make_device(breaks_on=7)), storage=url
        )
    (reading,) = read_measurements(url, whole, metric="latency_ms")
    assert reading.details["anchor_ms"] == measured.anchor_ms > 0
    # a later call puts its measurements on that scale
    later = measure(whole, matrix, MeasurementSettings(runtime=make_device()), storage=url)
    assert later.anchor_ms == measured.anchor_ms


@pytest.mark.parametrize("name", ["manifest.json", "results.json"])
@pytest.mark.parametrize("text", ["mine", '{"name": "of another program"}'])
def test_files_of_others_in_the_folder_are_not_removed(
    device: Any, space: SearchSpace, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    settings = MeasurementSettings(runtime=device, n_rounds=1)
    with pytest.raises(FormatError, match=rf"`folder` must .*{re.escape(name)}"):
        measure(space, space.to_matrix([space.smallest()]), settings, folder=tmp_path)
    assert (tmp_path / name).read_text() == text


def test_two_callers_share_the_subnets_and_take_turns_on_a_device(
    make_device: Any, space: SearchSpace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_measure, "GRAPHS_AT_ONCE", 3)
    matrix = space.sample(12, seed=0)
    measure_part, busy, at_once = _measure.measure_part, threading.Lock(), []

    def noted(*args: Any) -> Part:
        at_once.append(not busy.acquire(blocking=False))
        try:
            return measure_part(*args)
        finally:
            busy.release()

    monkeypatch.setattr(_measure, "measure_part", noted)
    devices, found, start = [make_device(), make_device()], {}, threading.Barrier(2, timeout=60)

    def work(i: int) -> None:
        start.wait()
        found[i] = measure(space, matrix, MeasurementSettings(runtime=devices[i]), storage=url)

    threads = [threading.Thread(target=work, args=[i]) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at_once == [False] * 4
    assert len(rows_in(url)) == len({row.subnet_id for row in rows_in(url)}) == 12
    assert found[0].measured.all()
    np.testing.assert_allclose(found[0].latency_ms, found[1].latency_ms)


def test_the_latency_of_whoever_took_a_subnet_over_counts(
    make_device: Any, space: SearchSpace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subnets = space.from_matrix(space.sample(3, seed=0))
    settings = MeasurementSettings(runtime=make_device())
    setup = measure(space, space.to_matrix(subnets[:1]), settings, storage=url).setup
    details = {"min_ms": 9.0, "wall_ms": 9.0, "anchor_ms": None}
    theirs = Reading("latency_ms", 9.0, 0.1, 20, details)
    measure_part, taken = _measure.measure_part, []

    def measured(family: Any, part: Any, *args: Any) -> Any:
        if not taken:  # this caller was suspended meanwhile
            taken.append(part[0])
            with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
                connection.execute("DELETE FROM ofa_claims")
            MeasurementTable(url, space.family, setup).add([(part[0], theirs)])
        return measure_part(family, part, *args)

    monkeypatch.setattr(_measure, "measure_part", measured)
    found = measure(space, space.to_matrix(subnets), settings, storage=url)
    assert found.latency_ms[subnets.index(taken[0])] == 9.0
    assert np.isfinite(found.latency_ms).all()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        rows = connection.execute("SELECT subnet_id FROM ofa_measured").fetchall()
    assert len(rows) == len(set(rows)) == 3


def test_a_failure_that_another_caller_found_is_not_measured_again(
    make_device: Any, space: SearchSpace, url: str
) -> None:
    subnets = space.from_matrix(space.sample(3, seed=0))
    settings = MeasurementSettings(runtime=make_device())
    measured = measure(space, space.to_matrix(subnets[:1]), settings, storage=url)
    table = MeasurementTable(url, space.family, measured.setup)
    failed = Reading(
        "latency_ms", None, None, 0, {"min_ms": None, "wall_ms": None, "anchor_ms": None}, "broke"
    )
    device = make_device()

    def others() -> None:
        with Claims(url, space.family, measured.setup) as claims:
            claims.take(subnets[1:2])
            claimed.set()
            while not device.loaded:  # the other has begun
                time.sleep(0.01)
            table.add_claimed([(subnets[1], failed)], claims)

    claimed, thread = threading.Event(), threading.Thread(target=others)
    thread.start()
    claimed.wait()
    settings = MeasurementSettings(runtime=device)
    with pytest.warns(FailedMeasurementWarning, match="failed on 1 of 2 subnets.*broke"):
        found = measure(space, space.to_matrix(subnets), settings, storage=url)
    thread.join()
    assert found.failures == {1: "broke"}
    assert len(device.loaded) == 1 + 1
