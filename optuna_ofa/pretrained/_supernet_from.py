"""A supernet whose largest subnet is a pretrained network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from optuna_ofa._arguments import AnyPath, Positive, Seed, argument_called, checked
from optuna_ofa._rules import Instead
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.pretrained._calibrate import calibrate
from optuna_ofa.pretrained._matching import Match, match, own_state, require_match
from optuna_ofa.pretrained._recognise import recognise
from optuna_ofa.pretrained._state import read_state
from optuna_ofa.pretrained._verify import require_same
from optuna_ofa.space import Family, find_family
from optuna_ofa.supernet import Supernet, check_images
from optuna_ofa.training import seeded, sort_channels

# of their networks timm also has ports from TensorFlow, with the same keys
_WITH_TWINS = ("EfficientNet", "MobileNetV3")

Pretrained = Annotated[
    str | os.PathLike[str] | Mapping[str, Any] | nn.Module,
    Instead(
        "a path, a state dict or a module",
        lambda weights: (
            isinstance(weights, Mapping | nn.Module)
            or (isinstance(weights, str | os.PathLike) and str(weights) != "")
        ),
    ),
]


@checked
def supernet_from(
    weights: Pretrained,
    family: Family | AnyPath | None = None,
    *,
    calibration: Tensor | None = None,
    n_classes: Positive | None = None,
    seed: Seed = 0,
    progress: bool | None = None,
) -> Supernet:
    """Make a supernet of a pretrained network: its largest subnet is the network itself.

    Smaller subnets share its weights. With images, their kernels and projections are fitted to the
    whole network, block after block, without training (`Supernet` with ``own_projections``).
    Without images, their blocks have the middle channels that are read most (L1 norm), and the
    centres of the kernels, which costs far more accuracy.

    The names of the layers are those of torchvision, timm, ``efficientnet_pytorch``,
    ``efficientnet_lite_pytorch``, ``pytorch_resnet_cifar10``, the static networks of ``ofa`` or
    this package's own; which of them is found out by the keys. Every tensor must be used once.
    A state dict does not tell the activations, the padding or the epsilon of the batch
    normalisations: they are the family's. If a module is given, it is run once, and must give the
    same logits.

    Keys may all begin with ``module.``, ``model.`` or ``_orig_mod.``, and the state dict may be an
    entry of a training checkpoint: ``state_dict_ema``, ``model_ema``, ``ema``, ``state_dict``,
    ``model_state_dict``, ``model`` or ``net``, the first of these. Half precision becomes float32.
    If all weights have float64, so has the supernet.

    Args:
        weights: The network's weights: the path of a state dict (``torch.save``, or
            ``.safetensors``), the state dict, or the module.
        family: The network as the largest subnet of a family, or the name of one; None finds the
            known family that the keys and shapes fit.
        calibration: Training images, ``(n, channels, size, size)``, normalised as the network
            needs them, of the size that it was trained for; some hundreds.
        n_classes: Outputs of the classifier. If the network has another number of them, the
            classifier is replaced by a new one, and the family's name gets the number as a suffix.
            None means that it must have as many as the family.
        seed: Seed of a new classifier.
        progress: Whether to show a progress bar while the images are used, which stays with the
            time that it took; None shows it on a terminal only.

    Returns:
        The supernet on the CPU, in training mode like any new module.

    Raises:
        InvalidArgumentError: If no family has that name, or the images do not fit it.
        FormatError: If the weights are no state dict of finite numbers; with the key.
        FamilyMismatchError: If a tensor is missing, is not used, or has another shape; with the
            keys. If no known family fits. If a module gives other logits.

    Warns:
        CalibrationWarning: There are fewer than 32 images.
        UserWarning: The weights are a state dict whose keys fit two networks of timm, which pad or
            normalise differently.
    """
    wanted = None if family is None else find_family(family, "family")
    state, where = read_state(weights)
    found = recognise(state, where) if wanted is None else match(wanted, state)
    classes = _classes(found, n_classes, where)
    target = _with_classes(found.family, classes)
    if found.fits:
        found = match(_with_classes(found.family, found.classes or classes), state)
    require_match(found, state, where)
    if calibration is not None:
        channels = found.family.in_channels
        check_images(calibration, "`calibration` must be", channels=channels, weights=_dtype(state))
    with seeded(seed):
        supernet = _loaded(found, state, own_projections=calibration is not None)
        if isinstance(weights, nn.Module):
            require_same(supernet, weights)
        else:
            _warn_of_twins(found)
        if calibration is None:
            sort_channels(supernet)
        else:
            with argument_called("calibration", "images"):
                calibrate(supernet, calibration, progress=progress)
        return supernet if target == supernet.family else _with_classifier(supernet, target)


def _classes(found: Match, n_classes: int | None, where: str) -> int:
    """Return the number of classes that the supernet must have."""
    n = n_classes or found.family.head.n_classes
    if n_classes is None and found.fits and found.classes not in (None, n):
        raise FamilyMismatchError(
            f"`weights` must have {n} classes as {found.family.name}, but `{found.classifier}` of "
            f"{where} has {found.classes}; `n_classes={found.classes}` keeps them, and "
            f"`n_classes={n}` replaces the classifier by a new one."
        )
    return n


def _with_classes(family: Family, n_classes: int) -> Family:
    """Return the family with another number of classes, under a name of its own."""
    if n_classes == family.head.n_classes:
        return family
    head = replace(family.head, n_classes=n_classes)
    return replace(family, name=f"{family.name}_{n_classes}_classes", aliases=(), head=head)


def _loaded(found: Match, state: Mapping[str, Tensor], *, own_projections: bool) -> Supernet:
    """Return a supernet with the weights, whose middle channels are not sorted yet."""
    supernet = Supernet(found.family, own_projections=own_projections).to(_dtype(state))
    tensors = own_state(found, state)
    own = supernet.state_dict()
    # a linear layer stands for a 1x1 convolution
    own |= {key: tensor.reshape(own[key].shape) for key, tensor in tensors.items()}
    supernet.load_state_dict(own)
    return supernet


def _warn_of_twins(found: Match) -> None:
    """Warn that timm has two networks with these keys, its own and that of TensorFlow."""
    family = found.family
    if found.source.name != "timm" or family.architecture not in _WITH_TWINS:
        return
    warn(
        f"The keys of `weights` fit two networks of timm, one of its own and a `tf_` one with "
        f"TensorFlow's padding: {family.name} has padding {family.padding!r} and a batch "
        f"normalisation epsilon of {family.bn_eps:g}. If yours is the other one, pass a family "
        "with its `padding` and `bn_eps`; if you pass the module, this is checked."
    )


def _dtype(state: Mapping[str, Tensor]) -> torch.dtype:
    """Return the type of the weights, float32 or float64."""
    return next(tensor.dtype for tensor in state.values() if tensor.is_floating_point())


def _with_classifier(supernet: Supernet, family: Family) -> Supernet:
    """Return a supernet of a family with another number of classes, with a new classifier."""
    old = supernet.state_dict()
    new = Supernet(family, own_projections=supernet.own_projections).to(_dtype(old))
    own = new.state_dict()
    kept = {key: tensor for key, tensor in old.items() if tensor.shape == own[key].shape}
    new.load_state_dict(own | kept)
    return new
