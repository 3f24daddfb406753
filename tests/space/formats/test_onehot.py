"""The one-hot encodings against the `ofa` package's own encoders."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space import (
    SearchSpace,
    Subnet,
    get_family,
    mobilenet_encoding,
    resnet_encoding,
    tutorial_encoding,
)


def _padded(subnet: Subnet) -> dict[str, Any]:
    """The subnet as `ofa` writes it, with a value for absent blocks too."""
    family = subnet.family
    return {
        "ks": [k or 3 for k in subnet.kernel],
        "e": [e or family.expands[0] for e in subnet.expand],
        "d": list(subnet.depth),
        "w": list(subnet.width),
        "image_size": subnet.resolution,
    }


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_mbv3_w1.2"])
def test_tutorial_encoding_equals_ofa(ofa: ModuleType, name: str) -> None:
    from ofa.tutorial.accuracy_predictor import AccuracyPredictor

    space = SearchSpace(name, resolution=range(112, 225, 16))
    matrix = space.sample(300, seed=0)
    specs = [_padded(subnet) for subnet in space.from_matrix(matrix)]
    expected = [
        AccuracyPredictor.spec2feats(s["ks"], s["e"], s["d"], s["image_size"]).numpy()
        for s in specs
    ]
    np.testing.assert_array_equal(tutorial_encoding().encode(space, matrix), expected)


@pytest.mark.parametrize(
    ("name", "space_type", "n_blocks"),
    [("ofa_mbv3_w1.0", "mbv3", 20), ("ofa_proxyless_w1.3", "mbv2", 21)],
    ids=["mbv3", "proxyless"],
)
@pytest.mark.parametrize("resolutions", [[224], [224, 128, 200]], ids=["one", "unsorted"])
def test_mobilenet_encoding_equals_ofa(
    ofa: ModuleType, name: str, space_type: str, n_blocks: Any, resolutions: list[int]
) -> None:
    from ofa.nas.accuracy_predictor.arch_encoder import MobileNetArchEncoder

    class Encoder(MobileNetArchEncoder):  # type: ignore[misc]
        SPACE_TYPE = space_type

    encoder = Encoder(image_size_list=resolutions)
    space = SearchSpace(name, resolution=resolutions)
    matrix = space.sample(200, seed=1)
    expected = [encoder.arch2feature(_padded(s)) for s in space.from_matrix(matrix)]
    inputs = mobilenet_encoding(resolutions, n_blocks=n_blocks).encode(space, matrix)
    np.testing.assert_array_equal(inputs, expected)


def test_resnet_encoding_equals_ofa(ofa: ModuleType) -> None:
    from ofa.nas.accuracy_predictor.arch_encoder import ResNetArchEncoder

    encoding = resnet_encoding()
    encoder = ResNetArchEncoder(image_size_list=list(encoding.resolutions))
    space = SearchSpace("ofa_resnet50", resolution=encoding.resolutions)
    matrix = space.sample(300, seed=2)
    expected = [encoder.arch2feature(_padded(s)) for s in space.from_matrix(matrix)]
    np.testing.assert_array_equal(encoding.encode(space, matrix), expected)


@pytest.mark.parametrize(
    ("encoding", "n_inputs"),
    [
        (tutorial_encoding(), 128),
        (mobilenet_encoding([224]), 121),
        (mobilenet_encoding([160, 192, 224], n_blocks=21), 129),
        (resnet_encoding(), 82),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_n_inputs(encoding: Any, n_inputs: int) -> None:
    assert encoding.n_inputs == n_inputs


def test_genes_of_absent_blocks_make_no_difference() -> None:
    space = SearchSpace("ofa_mbv3_w1.2", resolution=[192, 224])
    matrix = space.sample(50, seed=3)
    filled = np.where(matrix == 0, 3, matrix)
    encoding = tutorial_encoding()
    assert not np.array_equal(filled, matrix)
    np.testing.assert_array_equal(encoding.encode(space, filled), encoding.encode(space, matrix))


def test_pieces_equal_the_rows_alone() -> None:
    space = SearchSpace("ofa_resnet50", resolution=[224])
    matrix = space.sample(5000, seed=4)
    inputs = resnet_encoding().encode(space, matrix)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[4096:], resnet_encoding().encode(space, matrix[4096:]))


def test_no_rows() -> None:
    space = SearchSpace("ofa_mbv3_w1.2")
    assert tutorial_encoding().encode(space, space.sample(0)).shape == (0, 128)


def test_a_family_is_taken_for_its_space() -> None:
    space = SearchSpace("ofa_mbv3_w1.2", resolution=224)
    matrix = space.sample(5, seed=5)
    np.testing.assert_array_equal(
        tutorial_encoding().encode(space.family, matrix), tutorial_encoding().encode(space, matrix)
    )


@pytest.mark.parametrize(
    ("encoding", "family", "resolution"),
    [
        (tutorial_encoding(), "ofa_mbv3_w1.2", 164),
        (mobilenet_encoding([224]), "ofa_mbv3_w1.0", 128),
        (resnet_encoding(), "ofa_resnet50", 208),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_resolution_without_input_is_refused(encoding: Any, family: str, resolution: int) -> None:
    space = SearchSpace(family, resolution=[resolution, 224])
    with pytest.raises(InvalidSubnetError, match=rf"`matrix` .* but got {resolution}"):
        encoding.encode(space, space.sample(20, seed=0))


@pytest.mark.parametrize(
    ("encoding", "family"),
    [
        (tutorial_encoding(), "ofa_resnet50"),
        (tutorial_encoding(), "ofa_proxyless_w1.3"),
        (mobilenet_encoding([224]), "ofa_proxyless_w1.3"),
        (resnet_encoding(), "ofa_mbv3_w1.2"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_another_family_is_refused(encoding: Any, family: str) -> None:
    space = SearchSpace(family)
    with pytest.raises(FamilyMismatchError, match=rf"{encoding.name}.* but got {family}"):
        encoding.encode(space, space.sample(1))


def test_family_with_other_kernels_is_refused() -> None:
    family = replace(get_family("ofa_mbv3_w1.2"), name="own", kernels=(3, 9))
    with pytest.raises(FamilyMismatchError, match="20 kernel genes"):
        tutorial_encoding().encode(family, SearchSpace(family).sample(1))


@pytest.mark.parametrize("resolutions", [[], [224, 224]], ids=["none", "twice"])
def test_mobilenet_encoding_needs_different_resolutions(resolutions: list[int]) -> None:
    with pytest.raises(InvalidArgumentError, match="`resolutions` must be different"):
        mobilenet_encoding(resolutions)


def test_mobilenet_encoding_knows_two_numbers_of_blocks() -> None:
    with pytest.raises(InvalidArgumentError, match="`n_blocks` must be 20 or 21, but got 22"):
        mobilenet_encoding([224], n_blocks=22)  # type: ignore[arg-type]
