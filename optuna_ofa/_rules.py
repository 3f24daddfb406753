"""Rules: what a value must be, and the message if it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from optuna_ofa._urls import shown_url


class Failure(NamedTuple):
    """A value that breaks a rule; ``inner`` if it is only a part of the argument."""

    name: str
    text: str
    value: Any
    inner: bool = False

    def message(self, show: Callable[[Any], str] | None = None) -> str:
        """Return the text of the error, with the value as ``show`` or `shown` gives it."""
        return f"`{self.name}` must be {self.text}, but got {(show or shown)(self.value)}."


class Rule:
    """What a value must be.

    Args:
        text: Completes the sentence "... must be".
        accepts: Whether a value follows the rule; an exception means no.
        show: Formats an offending value, which may hold secrets, for messages; None is `shown`.
    """

    reads_elements = False

    def __init__(
        self, text: str, accepts: Callable[[Any], Any], *, show: Callable[[Any], str] | None = None
    ) -> None:
        self.text = text
        self.show = show
        self._accepts = accepts

    def __repr__(self) -> str:
        return self.text

    def failure(self, name: str, value: Any) -> Failure | None:
        """Return what is wrong with the value of an argument, if anything is."""
        try:
            right = bool(self._accepts(value))
        except Exception:  # raised by a foreign class: the value does not qualify
            right = False
        return None if right else Failure(name, self.text, value)


class Instead(Rule):
    """A rule that replaces that of the type beside it, which is too strict or too loose."""


class Elements(Rule):
    """A container with a rule for each of its elements."""

    reads_elements = True

    def __init__(self, text: str, accepts: Callable[[Any], Any], element: Rule) -> None:
        super().__init__(f"{text} (each element {element.text})", accepts)
        self.element = element

    def failure(self, name: str, value: Any) -> Failure | None:
        wrong = super().failure(name, value)
        if wrong is not None:
            return wrong
        for i, element in enumerate(value):
            wrong = self.element.failure(f"{name}[{i}]", element)
            if wrong is not None:
                return wrong._replace(inner=True)
        return None


class Items(Rule):
    """A mapping with rules for its keys and values."""

    def __init__(self, key: Rule, value: Rule) -> None:
        super().__init__("a mapping", lambda mapping: isinstance(mapping, Mapping))
        self._key, self._value = key, value

    def failure(self, name: str, value: Any) -> Failure | None:
        wrong = super().failure(name, value)
        if wrong is not None:
            return wrong
        for key, item in value.items():
            if self._key.failure(name, key) is not None:
                return Failure(name, f"a mapping with each key {self._key.text}", key, True)
            wrong = self._value.failure(f"{name}[{key!r}]", item)
            if wrong is not None:
                return wrong._replace(inner=True)
        return None


class Either(Rule):
    """One of several rules; if only an element breaks one of them, that is the failure reported."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self.reads_elements = any(rule.reads_elements for rule in rules)
        *first, last = _texts(rules)
        show = _first_show(rules)
        super().__init__(
            f"{', '.join(first)} or {last}" if first else last, lambda _: True, show=show
        )

    def failure(self, name: str, value: Any) -> Failure | None:
        failures = [rule.failure(name, value) for rule in self._rules]
        if None in failures:
            return None
        inner = [f for f in failures if f is not None and f.inner]
        return inner[0] if inner else Failure(name, self.text, value)


def _first_show(rules: Sequence[Rule]) -> Callable[[Any], str] | None:
    return next((rule.show for rule in rules if rule.show), None)


def _texts(rules: Sequence[Rule]) -> list[str]:
    """Return the texts of alternatives; a container of one of them becomes "several such"."""
    texts = [rule.text for rule in rules]
    several = [r.text for r in rules if isinstance(r, Elements) and r.element.text in texts]
    kept = [text for text in texts if text not in several]
    return [*kept[:1], "several such", *kept[1:]] if several else kept


class All(Rule):
    """Several rules that must all hold; the last one has the best text."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__(rules[-1].text, lambda _: True, show=_first_show(rules))
        self._rules = rules
        self.reads_elements = any(rule.reads_elements for rule in rules)

    def failure(self, name: str, value: Any) -> Failure | None:
        for rule in self._rules:
            wrong = rule.failure(name, value)
            if wrong is not None:
                return wrong if wrong.inner else Failure(name, self.text, value)
        return None


def shown(value: Any, most: int = 120) -> str:
    """Return a value for a message: short, on one line, and an array by its shape."""
    if isinstance(value, str) and "://" in value:  # a storage URL passed as another argument
        return repr(shown_url(value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    try:
        text = " ".join(repr(str(value) if isinstance(value, PurePath) else value).split())
    except Exception:  # raised by a foreign class
        text = f"a {type(value).__name__}"
    text = text if len(text) <= most else f"{text[: most - 3]}..."
    text += getattr(type(value), "explanation", "")
    names = {field.name for field in fields(value)} if is_dataclass(value) else set()
    return f"{text}; its `subnet` may be meant" if "subnet" in names else text
