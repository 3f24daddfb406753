"""The conditions of a latency: the device, the runtime, and its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

UNKNOWN = "unknown processor"
# the fields of a processor's name, as `processor_name` of the profiling script writes them
_FIELDS = ("model name", "cpu family", "model", "Model", "Hardware", "CPU implementer", "CPU part")
_FIELD = re.compile(rf"({'|'.join(_FIELDS)}) (.*?)(?=, (?:{'|'.join(_FIELDS)}) |$)")
# kinds of devices in runtimes; any other word in users' metadata is the name of a device
_KIND = re.compile(r"(cpu|gpu|cuda|mps|xpu|npu)(:\d+)?", re.IGNORECASE)
_NAMES = ("model name", "Model", "Hardware")
_NOISE = re.compile(r"\((?:R|TM|tm)\)|\bCPU\b|@.*$")


class Conditions(NamedTuple):
    """The conditions of latencies; an empty string or 0 where unknown.

    Args:
        processor: The processor in words, or the GPU: ``AMD EPYC family 25 model 17``.
        runtime: Name of the runtime.
        version: Version of the runtime.
        device: ``cpu``, or the runtime's name for another kind of device.
        precision: ``float32``, ``int8`` and so on.
        threads: Threads of the runtime.
        batch: Images at once.
        function: The function that measured, if it was not one of the package's meters.
    """

    processor: str = ""
    runtime: str = ""
    version: str = ""
    device: str = ""
    precision: str = ""
    threads: int = 0
    batch: int = 0
    function: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Conditions:
        """Return the conditions in the metadata of a table or the setup of a measurement."""
        settings, versions = _mapping(facts.get("settings")), _mapping(facts.get("versions"))
        known = {**facts, **settings}
        runtime, device = _text(facts.get("runtime")), _text(facts.get("device"))
        named = _text(facts.get("processor")) or ("" if _kind(device) else device)
        return cls(
            processor=_text(versions.get("gpu")) or _processor(named),
            runtime=runtime,
            version=_text(versions.get(runtime)),
            device=_kind(known.get("device")),
            precision=_text(known.get("precision")),
            threads=_count(known.get("threads")),
            batch=_count(known.get("batch")),
            function=_text(facts.get("measured_by")),
        )

    @property
    def computed_in(self) -> str:
        """The precision, and the runtime unless it is torch: ``INT8 (litert)``."""
        precision = "INT8" if self.precision == "int8" else self.precision or "float32"
        return precision + f" ({self.runtime})" * (self.runtime not in ("", "torch"))

    def __str__(self) -> str:
        """Return them in words: ``AMD EPYC family 25 model 17, torch 2.13.0, 4 threads``."""
        parts = [self.processor or UNKNOWN]
        parts += [f"{self.runtime} {self.version}".rstrip()] if self.runtime else []
        precision = "INT8" if self.precision == "int8" else self.precision
        parts += [precision] if precision not in ("", "float32") else []
        parts += [f"{self.threads} threads"] if self.threads > 1 else []
        parts += [f"batch {self.batch}"] if self.batch > 1 else []
        return ", ".join(parts)


def differences(predicted: Conditions, measured: Iterable[Conditions]) -> Iterator[str]:
    """Yield the conditions in which measurements differ from predictions, in words.

    The words go after "table" or "predictor": ``of another processor (..., measured on ...)``.

    A condition that is unknown on either side does not differ, except the processor: if only one
    side has it, that of the other is reported as unknown.

    Args:
        predicted: Conditions of the predictions.
        measured: Conditions of the measurements.
    """
    others = list(dict.fromkeys(measured))
    function = [of.function for of in others if of.function]
    if function and all(of.function == predicted.function for of in others):
        return  # the same function implies the same device
    here = _words(of.processor for of in others)
    if predicted.processor and here and not _are(predicted.processor, others):
        yield f"of another processor ({predicted.processor}, measured on {here})"
    elif here and not predicted.processor:
        yield f"of an {UNKNOWN} (measured on {here})"
    elif predicted.processor and others and not here:
        by = f" by `{function[0]}`" if function else ""
        yield f"of {predicted.processor}, measured{by} on an {UNKNOWN}"
    runtimes = [of for of in others if of.runtime]
    if predicted.runtime and any(of.runtime != predicted.runtime for of in runtimes):
        named = _words(f"{of.runtime} {of.version}".rstrip() for of in runtimes)
        was = f"{predicted.runtime} {predicted.version}".rstrip()
        yield f"of another runtime ({was}, measured with {named})"
    elif predicted.runtime and predicted.version:
        versions = {of.version for of in runtimes if of.version} - {predicted.version}
        if versions:
            yield (
                f"of another version of {predicted.runtime} ({predicted.version}, measured with "
                f"{_words(sorted(versions))})"
            )
    for name in ("device", "precision", "threads", "batch"):
        value = getattr(predicted, name)
        found = {getattr(of, name) for of in others if getattr(of, name)} - {value}
        if value and found:
            measured_with = _words(str(x) for x in sorted(found))
            yield f"with another {_SETTINGS[name]} ({value}, measured with {measured_with})"


_SETTINGS = {
    "device": "device",
    "precision": "precision",
    "threads": "number of threads",
    "batch": "batch size",
}


def _are(processor: str, others: Iterable[Conditions]) -> bool:
    """Return whether all known processors may be this one; names may be abbreviated."""
    known = [of.processor for of in others if of.processor]
    return all(p == processor or _short(p) == processor or _short(processor) == p for p in known)


def _short(processor: str) -> str:
    return processor.partition(" family ")[0]


def _processor(text: str) -> str:
    """Return the readable name of a processor, with its family and model numbers."""
    fields = dict(_FIELD.findall(text))
    name = next((fields[n] for n in _NAMES if fields.get(n)), "" if fields else text)
    numbers = [f"{k.removeprefix('cpu ')} {fields[k]}" for k in _FIELDS[1:3] if fields.get(k)]
    numbers += [f"{k} {fields[k]}" for k in _FIELDS[5:] if fields.get(k)]
    return " ".join([" ".join(_NOISE.sub("", name).split()), *numbers]).strip()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _kind(device: object) -> str:
    return _text(device) if _KIND.fullmatch(_text(device)) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _words(values: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(value for value in values if value))
