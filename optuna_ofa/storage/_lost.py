"""Trials that were failed because their heartbeat stopped."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import sqlalchemy as sa
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models

_trials = models.TrialModel.__table__
_beats = models.TrialHeartbeatModel.__table__
_ZONE = datetime.timedelta(minutes=15)  # time zones differ by whole multiples of it


def lost_trials(tables: RDBStorage, trial_ids: Sequence[int]) -> set[int]:
    """Return which failed trials ended more than the grace period after their last heartbeat.

    Trials that were told to have failed are not among them. There are none if the storage has no
    heartbeat interval, or if Optuna's callback enqueues lost trials itself.
    """
    interval = tables.get_heartbeat_interval()
    retries = isinstance(
        tables.get_heartbeat_stale_trial_callback(), RetryHeartbeatStaleTrialCallback
    )
    if interval is None or retries or not trial_ids:
        return set()
    grace = datetime.timedelta(seconds=tables.grace_period or 2 * interval)
    query = sa.select(_trials.c.trial_id, _trials.c.datetime_complete, _beats.c.heartbeat)
    query = query.join(_beats, _beats.c.trial_id == _trials.c.trial_id)
    with tables.engine.connect() as connection:
        now = connection.execute(sa.select(sa.func.now())).scalar_one().replace(tzinfo=None)
        rows = connection.execute(query.where(_trials.c.trial_id.in_(trial_ids))).all()
    # heartbeats are in the time zone of the connection, ends of trials in UTC
    utc = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    shift = round((utc - now) / _ZONE) * _ZONE
    return {
        trial_id
        for trial_id, end, beat in rows
        if end is not None and end - beat.replace(tzinfo=None) - shift > grace
    }
