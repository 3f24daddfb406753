"""Pareto fronts: evaluated subnets, the arithmetic of fronts, and what is picked from them."""

from optuna_ofa.fronts._columns import (
    kind_cell as kind_cell,
    marked as marked,
    title_of as title_of,
)
from optuna_ofa.fronts._extrapolated import (
    extrapolation_note as extrapolation_note,
    extrapolation_warning as extrapolation_warning,
)
from optuna_ofa.fronts._findings import (
    KINDS as KINDS,
    Findings as Findings,
    Snapshot as Snapshot,
    find_front as find_front,
    is_unnamed as is_unnamed,
    kind_of as kind_of,
    named_findings as named_findings,
    of_kind as of_kind,
    same_objectives as same_objectives,
    shown_name as shown_name,
)
from optuna_ofa.fronts._front import Front
from optuna_ofa.fronts._generation import (
    Generation as Generation,
    next_key as next_key,
    summaries as summaries,
)
from optuna_ofa.fronts._known import KnownFront as KnownFront
from optuna_ofa.fronts._pareto import (
    Values as Values,
    beyond as beyond,
    checked_reference as checked_reference,
    cost_metric as cost_metric,
    crowding_distance as crowding_distance,
    evenly as evenly,
    hypervolume as hypervolume,
    limit_words as limit_words,
    nondominated,
    ranks as ranks,
    reference_of as reference_of,
    reference_words as reference_words,
    signs_of as signs_of,
    unit as unit,
)
from optuna_ofa.fronts._picks import (
    Limits as Limits,
    Picks as Picks,
    far_apart as far_apart,
    find_picks as find_picks,
    promising as promising,
    require_reached as require_reached,
)
from optuna_ofa.fronts._point import (
    FrontPoint,
    kind_words as kind_words,
    points_in_words as points_in_words,
    values_in_words as values_in_words,
)
from optuna_ofa.fronts._transfer import (
    TransferMatrix,
    can_transfer as can_transfer,
    transfer_matrix as transfer_matrix,
)
from optuna_ofa.fronts.bounds._bound import FrontBound as FrontBound

__all__ = ["Front", "FrontPoint", "TransferMatrix", "nondominated"]
