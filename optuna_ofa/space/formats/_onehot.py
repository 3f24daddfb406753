"""The one-hot inputs that the published accuracy predictors were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space._family import Family, Gene, GeneKind
from optuna_ofa.space._matrix import Matrix
from optuna_ofa.space._space import SearchSpace

# rows are encoded in chunks that fit in the processor's cache
_CHUNK = 2048


class Field(NamedTuple):
    """A run of one-hot inputs: ``n_genes`` genes of one kind, ``len(choices)`` inputs each."""

    kind: GeneKind
    n_genes: int
    choices: tuple[float, ...]


@dataclass(frozen=True)
class OneHotEncoding:
    """The one-hot inputs of a published predictor.

    Args:
        name: ``"ofa_tutorial"``, ``"ofa_mobilenet"`` or ``"ofa_resnet"``.
        architectures: ``Family.architecture`` of the families that can be encoded.
        fields: The runs of inputs, in order. Inputs of absent blocks are all zero.
    """

    name: Literal["ofa_tutorial", "ofa_mobilenet", "ofa_resnet"]
    architectures: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the predictor."""
        return sum(field.n_genes * len(field.choices) for field in self.fields)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Input sizes in pixels that have an input, in the order of the inputs."""
        return next(tuple(int(r) for r in f.choices) for f in self.fields if f.kind == "resolution")

    def encode(self, space: SearchSpace | Family, matrix: Matrix) -> NDArray[np.float32]:
        """Encode a genotype matrix; genes of absent blocks may have any value.

        Args:
            space: The space or family that the matrix belongs to.
            matrix: ``(n, n_genes)`` genotypes.

        Returns:
            ``(n, n_inputs)`` zeros and ones.

        Raises:
            FamilyMismatchError: If the genes of the family do not match the encoding.
            InvalidSubnetError: If a resolution has no input.
        """
        if isinstance(space, Family):
            space = SearchSpace(space)
        columns, values = self.layout(space)
        self._check_resolutions(matrix[:, 0])
        inputs = np.empty((len(matrix), len(columns)), dtype=np.float32)
        for start in range(0, len(matrix), _CHUNK):
            rows = space.canonicalize(matrix[start : start + _CHUNK])
            inputs[start : start + _CHUNK] = rows.take(columns, axis=1) == values
        return inputs

    def layout(self, space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
        """Return the gene that each input depends on, and its value at which the input is 1.

        Raises:
            FamilyMismatchError: If the genes of the family do not match the encoding.
        """
        return _layout(self, space.family)

    def _check_resolutions(self, resolutions: NDArray[np.int16]) -> None:
        unknown = np.setdiff1d(resolutions, self.resolutions)
        if len(unknown):
            raise InvalidSubnetError(
                f"`matrix` must have resolutions of encoding {self.name!r}, which are "
                f"{self.resolutions}, but got {int(unknown[0])}."
            )


@cache
def _layout(encoding: OneHotEncoding, family: Family) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """Return the gene that each input depends on, and the integer at which it is 1."""
    columns: list[int] = []
    values: list[int] = []
    for field in encoding.fields:
        genes = [(j, family.genes[j]) for j in _columns(family, field.kind)]
        fits = family.architecture in encoding.architectures and len(genes) == field.n_genes
        if not fits or not all(_offers(field, gene) for _, gene in genes):
            raise FamilyMismatchError(
                f"`space` must be of a {' or '.join(encoding.architectures)} family with the "
                f"{field.n_genes} {field.kind} genes of encoding {encoding.name!r} (choices "
                f"{field.choices}), but got {family.name}."
            )
        for j, gene in genes:
            columns += [j] * len(field.choices)
            values += [gene.integer(choice) for choice in field.choices]
    return np.array(columns), np.array(values, dtype=np.int16)


def _columns(family: Family, kind: GeneKind) -> tuple[int, ...]:
    # the zeros of absent blocks encode the depths of the stages, but not that of the stem
    return tuple(j for j in family.columns(kind) if kind != "depth" or family.genes[j].stage < 0)


def _offers(field: Field, gene: Gene) -> bool:
    choices = {gene.integer(choice) for choice in field.choices}
    return gene.kind == "resolution" or set(gene.choices) <= choices


def tutorial_encoding() -> OneHotEncoding:
    """Return the encoding of ``acc_predictor.pth`` for MobileNetV3: 128 inputs, resolution last.

    From ``spec2feats`` in ``ofa/tutorial/accuracy_predictor.py``.
    """
    return OneHotEncoding(
        "ofa_tutorial",
        ("MobileNetV3",),
        (
            Field("kernel", 20, (3, 5, 7)),
            Field("expand", 20, (3, 4, 6)),
            Field("resolution", 1, tuple(range(112, 225, 16))),
        ),
    )


def mobilenet_encoding(
    resolutions: Sequence[int], *, n_blocks: Literal[20, 21] = 20
) -> OneHotEncoding:
    """Return the encoding of newer predictors of MobileNetV3 and ProxylessNAS, resolution first.

    From ``MobileNetArchEncoder`` in ``ofa/nas/accuracy_predictor/arch_encoder.py``.

    Args:
        resolutions: Input sizes in pixels, in the order used to train the predictor.
        n_blocks: Elastic blocks: 20 for MobileNetV3, 21 for ProxylessNAS.

    Raises:
        InvalidArgumentError: If there is no resolution, or one occurs twice, or ``n_blocks``
            is neither 20 nor 21.
    """
    if not resolutions or len(set(resolutions)) < len(resolutions):
        raise InvalidArgumentError(
            f"`resolutions` must be different, at least one, but got {list(resolutions)}."
        )
    if n_blocks not in (20, 21):
        raise InvalidArgumentError(f"`n_blocks` must be 20 or 21, but got {n_blocks!r}.")
    return OneHotEncoding(
        "ofa_mobilenet",
        ("MobileNetV3",) if n_blocks == 20 else ("ProxylessNASNets",),
        (
            Field("resolution", 1, tuple(resolutions)),
            Field("kernel", n_blocks, (3, 5, 7)),
            Field("expand", n_blocks, (3, 4, 6)),
        ),
    )


def resnet_encoding() -> OneHotEncoding:
    """Return the encoding of ``ofa_resnet50_acc_predictor.pth``: 82 inputs, without resolution 208.

    From ``ResNetArchEncoder`` in ``ofa/nas/accuracy_predictor/arch_encoder.py``.
    """
    return OneHotEncoding(
        "ofa_resnet",
        ("ResNets",),
        (
            Field("resolution", 1, (128, 144, 160, 176, 192, 224, 240, 256)),
            Field("depth", 1, (0, 2)),
            Field("width", 6, (0, 1, 2)),
            Field("expand", 18, (0.2, 0.25, 0.35)),
        ),
    )
