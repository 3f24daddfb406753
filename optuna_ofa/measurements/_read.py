"""Reading measurements back, to plot them or to fit a predictor to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage

from optuna_ofa._arguments import AnyPath, StorageUrl, checked
from optuna_ofa._plausible import PERCENT
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.measurements._database import Database, digest, to_text
from optuna_ofa.measurements._table import ROW_ERRORS, TABLE, Reading, reading_of
from optuna_ofa.problem import error_in_words, flaws_in_words
from optuna_ofa.space import (
    Family,
    SearchSpace,
    Subnet,
    family_differences,
    find_family,
    require_family,
)


@dataclass(frozen=True)
class Measurement:
    """A stored reading of a subnet, with its setup and date.

    Args:
        subnet: The subnet.
        metric: ``latency_ms``, or ``top1`` and ``top5`` in percent.
        value: The value; None where it could not be measured.
        std: Its standard deviation, in the metric's unit.
        n: Number of rounds of a latency, or of images of an accuracy, that the value averages.
        setup: Everything except the subnet that it depends on: device, runtime and settings, or
            weights, data and calibration.
        details: More about this measurement.
        error: The reason why there is no value.
        measured_at: The time in UTC.
    """

    subnet: Subnet
    metric: str
    value: float | None
    std: float | None
    n: int
    setup: Mapping[str, Any]
    details: Mapping[str, Any]
    error: str | None
    measured_at: str

    @property
    def group(self) -> str:
        """Label of who measured what, for `AccuracyPredictor.fit`.

        The worker and the user's label of the images in `details`, and a digest of the setup,
        which has the weights and the images; for an accuracy also the number of images.
        """
        named = [str(self.details[key]) for key in ("worker", "data") if key in self.details]
        images = [f"{self.n} images"] if self.metric in PERCENT else []
        return ", ".join([*named, *images, digest(to_text(self.setup))[:8]])


@checked
def read_measurements(
    storage: StorageUrl | BaseStorage | optuna.Study,
    space: AnyPath | Family | SearchSpace,
    *,
    metric: str,
    setup: Mapping[str, Any] | None = None,
    failed: bool = False,
    mixed: bool = False,
) -> list[Measurement]:
    """Return what `optuna_ofa.measure` and `optuna_ofa.evaluate` wrote to a database.

    An accuracy predictor from them::

        rows = optuna_ofa.read_measurements("sqlite:///nas.db", space, metric="top1", mixed=True)
        AccuracyPredictor.fit(
            space,
            [r.subnet for r in rows],
            [r.value for r in rows],
            group=[r.group for r in rows],
        )

    Args:
        storage: An Optuna storage in a relational database, its URL, or a study in one.
        space: Subnets outside of it are left out. The name of a custom family refers to the one of
            that name in the database.
        metric: ``"latency_ms"``, ``"top1"`` or ``"top5"``.
        setup: Entries that the setup must have, such as ``{"device": "phone"}``
            or a whole ``setup``. If several setups in the database have them, that is refused,
            unless ``mixed``.
        failed: Whether to include subnets that could not be measured; the next call that includes
            one measures it again and replaces the row.
        mixed: Whether to return rows of several setups, such as of other images or other copies
            of the weights, which have offsets; `Measurement.group` tells them apart.

    Returns:
        The measurements, oldest first; a subnet that was measured several times appears several
        times.

    Raises:
        InvalidArgumentError: If the storage is not a relational database, the family is unknown, or
            there are several setups, ``setup`` does not choose one, and not ``mixed``.
        FamilyMismatchError: If the database has only measurements of another family of that name,
            or of several and ``space`` is a name; says what differs.
        StorageError: If the database cannot be reached or read.
    """
    database = Database(storage)
    space = _space(database, space)
    wanted = [TABLE.c.family == space.family.name, TABLE.c.metric == metric]
    if not failed:
        wanted.append(TABLE.c.value.is_not(None))

    def transaction(
        connection: sa.Connection,
    ) -> tuple[Mapping[str, Mapping[str, Any]], list[str], Sequence[Any]]:
        query = sa.select(TABLE.c.setup_id, sa.func.min(TABLE.c.setup))
        texts = connection.execute(query.where(*wanted).group_by(TABLE.c.setup_id)).all()
        setups = {setup_id: _setup(text) for setup_id, text in texts}
        setups = _of_family(database, setups, space.family)
        chosen = _chosen(setups, json.loads(to_text(setup or {})), mixed=mixed)
        which = sa.false() if not chosen else sa.true() if mixed else TABLE.c.setup_id == chosen[0]
        rows = connection.execute(
            sa.select(TABLE.c.id, TABLE.c.setup_id, *(TABLE.c[name] for name in _COLUMNS))
            .where(*wanted, which)
            .order_by(TABLE.c.id)
        ).all()
        return setups, chosen, rows

    setups, chosen, rows = database.read(transaction)
    found, flaws, wanted_setups = [], {}, set(chosen)
    for row, setup_id, text, measured_at, *values in rows:
        if setup_id not in wanted_setups:
            continue
        try:
            subnet, reading = Subnet.from_json(text, space.family), reading_of(*values)
        except (*ROW_ERRORS, OptunaOFAError) as error:
            flaws[row] = error_in_words(error)
            continue
        name, value, std, n, details, reason = reading
        one = (subnet, name, value, std, n, setups[setup_id], details, reason, str(measured_at))
        found.append(Measurement(*one))
    if flaws:
        rows_word = f"row{'s' * (len(flaws) > 1)} of measurements that cannot be read"
        warn(f"Passed over {len(flaws)} {rows_word}: {flaws_in_words('row', flaws)}.")
    return [one for one in found if one.subnet in space]


_COLUMNS = ("subnet", "measured_at", *Reading._fields)


def _setup(text: str) -> Mapping[str, Any]:
    """Return a setup from its JSON; one of no family if it was damaged."""
    try:
        setup = json.loads(text)
    except ROW_ERRORS:
        setup = None
    return setup if isinstance(setup, dict) and "family" in setup else {"family": None}


def _space(database: Database, space: AnyPath | Family | SearchSpace) -> SearchSpace:
    """Return the space; a name that is not a published one is looked up in the database."""
    if not isinstance(space, str):
        return space if isinstance(space, SearchSpace) else SearchSpace(find_family(space, "space"))
    found = database.families(space)
    if not found:
        return SearchSpace(find_family(space, "space"))
    if len(found) > 1:
        raise FamilyMismatchError(
            f"`space` must be a family itself where the database has {len(found)} of the name "
            f"{space!r}: "
            f"{family_differences(found[0], found[1], 'in the first', 'in the second')}."
        )
    return SearchSpace(found[0])


def _of_family(
    database: Database, setups: Mapping[str, Mapping[str, Any]], family: Family
) -> dict[str, Mapping[str, Any]]:
    """Return the setups of a family.

    Raises:
        FamilyMismatchError: If there are only setups of another family of that name.
    """
    own = {i: setup for i, setup in setups.items() if setup["family"] == family.fingerprint}
    if setups and not own:
        for theirs in database.families(family.name):
            require_family(theirs, family, "space", "what was measured", "in the database")
    return own


def _chosen(
    setups: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Any], *, mixed: bool
) -> list[str]:
    """Return the setups that have the entries, at most one unless ``mixed``."""
    fitting = [
        setup_id
        for setup_id, setup in setups.items()
        if all(key in setup and setup[key] == value for key, value in entries.items())
    ]
    if len(fitting) > 1 and not mixed:
        keys = sorted({key for setup_id in fitting for key in setups[setup_id]})
        different = {
            key: [setups[setup_id].get(key) for setup_id in fitting]
            for key in keys
            if any(setups[i].get(key) != setups[fitting[0]].get(key) for i in fitting)
        }
        raise InvalidArgumentError(
            f"`setup` must choose one of the {len(fitting)} setups in the database, which differ "
            f"in {different}; or pass mixed=True, and tell them apart by `Measurement.group`."
        )
    return fitting
