"""The quantities that can be objectives and constraints: eight built-in ones, and custom ones."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from optuna_ofa._arguments import check_fields
from optuna_ofa._rules import Rule
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import EXACT_COSTS, Direction, PredictorSource
from optuna_ofa.problem._numbers import decimals, scaled, significant

_BUILT_IN: dict[str, tuple[str, str, Direction]] = {
    "top1": ("Top-1 accuracy", "%", "maximize"),
    "latency_ms": ("Latency", "ms", "minimize"),
    "n_macs": ("Multiply-adds", "", "minimize"),
    "n_params": ("Parameters", "", "minimize"),
    "moved_mb": ("Memory traffic", "MB", "minimize"),
    "peak_memory_mb": ("Peak activation memory", "MB", "minimize"),
    "sram_kb": ("SRAM (arena of TFLite Micro)", "kB", "minimize"),
    "flash_kb": ("Flash (INT8 file)", "kB", "minimize"),
}

# What points of a front and tables of them call something else.
RESERVED = (
    *("subnet", "subnet_json", "values", "std", "kind", "trial", "trial_number"),
    *("caution", "origin", "metrics", "extrapolated", "n_images", "limited"),
)
_OF_COLUMNS = ("_std", "_images")  # endings of further columns of a metric

Identifier = Annotated[
    str,
    Rule(
        "an identifier such as 'energy_mj'",
        lambda name: name.isidentifier() and not keyword.iskeyword(name),
    ),
]


@dataclass(frozen=True)
class Metric:
    """A quantity that can be an objective or constrained, built-in or custom.

    Built in are ``top1``, ``latency_ms``, ``n_macs``, ``n_params``, ``moved_mb``,
    ``peak_memory_mb``, ``sram_kb`` and ``flash_kb``. A custom metric is passed to
    `optuna_ofa.study` in ``predictors``, and its name to ``objectives`` and ``constraints``::

        energy = Metric("energy_mj", unit="mJ", direction="minimize", predictor=energy_of)
        study(space, predictors=[energy], objectives=["top1", "energy_mj"])

    Args:
        name: Its name in objectives, constraints and ``front.best(energy_mj=5)``.
        unit: Unit, such as ``"mJ"`` or ``"images/s"``; empty for counts and ratios.
        direction: ``"maximize"`` where larger is better, and a constraint is a lower bound;
            ``"minimize"`` where smaller is.
        title: Label on an axis; empty derives one from the name.
        predictor: A `Predictor`, or a function of a subnet or of a matrix of genotypes; see
            `FunctionPredictor`. None leaves the metric to be measured: by `SubnetStudy.optimize`,
            `SubnetStudy.ask_batch` and `SubnetStudy.verify`.

    Raises:
        InvalidArgumentError: If the name is that of a built-in metric, is not an identifier or is
            an attribute of points of a front, or another argument breaks a rule.
    """

    name: Identifier
    unit: str = field(default="", kw_only=True)
    direction: Direction = field(kw_only=True)
    title: str = field(default="", kw_only=True)
    predictor: PredictorSource | None = field(default=None, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        is_column = self.name.endswith(_OF_COLUMNS)
        if self.name in RESERVED or is_column or self.name.startswith("__"):
            raise InvalidArgumentError(
                f"`name` must not be one of {', '.join(RESERVED)}, end in "
                f"{' or '.join(_OF_COLUMNS)}, or begin with __, but got {self.name!r}."
            )
        object.__setattr__(self, "title", self.title or _title(self.name, self.unit))
        row = (self.title, self.unit, self.direction)
        if self.is_built_in and (self.predictor is not None or row != _BUILT_IN[self.name]):
            raise InvalidArgumentError(
                f"`name` must not be one of the built-in metrics {', '.join(_BUILT_IN)}, but got "
                f"{self.name!r}."
            )

    @property
    def is_built_in(self) -> bool:
        """Whether it is one of the eight built-in metrics."""
        return self.name in _BUILT_IN

    @property
    def is_exact(self) -> bool:
        """Whether it follows from the layers, so that its values are computed, not predicted."""
        return self.name in EXACT_COSTS

    def source(self, kind: str) -> str:
        """Return the origin of a value: ``exact`` for an exact metric, else ``kind``."""
        return "exact" if self.is_exact else kind

    @property
    def maximize(self) -> bool:
        """Whether larger is better; a constraint is then a lower bound."""
        return self.direction == "maximize"

    @property
    def sign(self) -> float:
        """The factor that makes smaller better."""
        return -1.0 if self.maximize else 1.0

    @property
    def relation(self) -> str:
        """The sign between the metric and its bound: ``≥`` or ``≤``."""
        return "≥" if self.maximize else "≤"

    def described(self) -> Metric:
        """Return the metric without its predictor, for values that are stored or sent."""
        return replace(self, predictor=None)

    def to_dict(self) -> dict[str, str]:
        """Return a study's description of a custom metric (JSON), without its name."""
        return {"unit": self.unit, "direction": self.direction, "title": self.title}

    @property
    def axis(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values: points for percentages."""
        return "points" if self.unit == "%" else self.unit

    def amount(self, value: float) -> str:
        """Return a number as the user gave it, with its unit: ``20 ms``, ``3,410,792``."""
        if not self.unit and self._counts([value]):
            return f"{value:,.0f}"
        text = f"{value:g}"
        if "e" in text:  # no exponents
            text = significant(value, 6)
            text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"{text} {self.unit}".rstrip()

    def decimals(
        self, values: Iterable[float], std: Iterable[float] = (), *, apart: bool = True
    ) -> int:
        """Return how many decimals the values of one column need, with their standard deviations.

        Args:
            values: The values.
            std: The standard deviations of those that have one.
            apart: Whether values that differ get more decimals until they differ in print.
        """
        values = list(values)
        if not self.unit and self._counts(values):
            return 0
        return decimals(values, std, usual=2 if self.unit == "%" else None, apart=apart)

    def text(
        self, value: float, std: float | None = None, *, n: int | None = None, sign: str = ""
    ) -> str:
        """Return a value with its standard deviation and unit: ``14.90 ± 0.20 ms``.

        Args:
            value: The value.
            std: Its standard deviation, if known.
            n: Number of decimals; None takes those that the value needs.
            sign: ``"+"`` marks non-negative values.
        """
        return f"{self.number(value, std, n=n, sign=sign)} {self.unit}".rstrip()

    def number(
        self, value: float, std: float | None = None, *, n: int | None = None, sign: str = ""
    ) -> str:
        """Return what `text` returns, without the unit."""
        known = [] if std is None or math.isnan(std) else [std]
        places = self.decimals([value], known) if n is None else n
        spread = "".join(f" ± {one:,.{places}f}" for one in known)
        return f"{value:{sign},.{places}f}{spread}"

    def column(
        self, values: Sequence[float], std: Sequence[float | None] | None = None
    ) -> list[str]:
        """Return the texts of one column of a table, whose header has the unit.

        Counts are in thousands or millions, with the letter k or M.

        Args:
            values: The values.
            std: Standard deviations, None or NaN where they are not known.
        """
        if not self.unit and self._counts(values):
            return scaled(values)
        spreads = [None] * len(values) if std is None else list(std)
        n = self.decimals(values, [one for one in spreads if one is not None])
        return [self.number(v, one, n=n) for v, one in zip(values, spreads, strict=True)]

    def _counts(self, values: Iterable[float]) -> bool:
        """Return whether values without a unit are counts, and not ratios."""
        finite = [float(value) for value in values if math.isfinite(value)]
        return self.is_built_in or all(value.is_integer() for value in finite)


METRICS = {
    name: Metric(name, unit=unit, direction=direction, title=title)
    for name, (title, unit, direction) in _BUILT_IN.items()
}


def preferred(metrics: Mapping[str, Metric]) -> list[str]:
    """Return the names of metrics in an order that does not depend on how they are named first.

    Maximised metrics come first, and among equal ones the built-in metrics in the order of
    `METRICS`, then custom ones by name.
    """
    ranks = {name: i for i, name in enumerate(METRICS)}
    return sorted(metrics, key=lambda m: (not metrics[m].maximize, ranks.get(m, len(ranks)), m))


def _title(name: str, unit: str) -> str:
    """Return a title: ``Energy`` of ``energy_mj``, ``Number of layers`` of ``n_layers``."""
    words = [word for word in name.split("_") if word]
    if len(words) > 1 and words[-1].lower() == unit.lower():
        words.pop()
    if len(words) > 1 and words[0] == "n":
        words[:1] = ["number", "of"]
    text = " ".join(words) or name
    return text[:1].upper() + text[1:]
