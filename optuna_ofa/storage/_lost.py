"""Trials that were failed because nobody recorded their heartbeat any more."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import sqlalchemy as sa
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models

_trials = models.TrialModel.__table__
_beats = models.TrialHeartbeatModel.__table__
_ZONE = datetime.timedelta(minutes=15)  # zones of time are whole multiples of it apart


def lost_trials(tables: RDBStorage, trial_ids: Sequence[int]) -> set[int]:
    """Return which failed trials ended more than the grace period after their last heartbeat.

    A trial that somebody has told to have failed is none of them, nor is any where the storage has
    no heartbeat interval, or where Optuna's callback puts lost trials into the queue itself.
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
