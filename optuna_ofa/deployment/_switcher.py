"""Several subnets of one supernet in memory, one of them in use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import torch
from torch import Tensor

from optuna_ofa._arguments import Positive, checked, not_empty
from optuna_ofa.deployment._deployable import calibrated_net
from optuna_ofa.deployment._shared_weights import own_bytes, share_weights, stored_bytes
from optuna_ofa.evaluation import Calibration, Loader
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet, check_images, require_finite, resize_images

Modes = Annotated[Mapping[str, Subnet], not_empty("a mapping of at least one mode to its subnet")]


class SubnetSwitcher:
    """Several subnets of one supernet, for example for a full and a low battery; one is active.

    The weights that they have in common are stored once. Each mode has its own batch-normalisation
    statistics, computed when the switcher is created, so switching only changes one reference.
    Every mode gives the same logits as the extracted and recalibrated subnet.

    The switcher has a copy of the weights, without those that no mode uses: the supernet is not
    modified, and can be trained further or deleted. The switcher is on the device of the supernet,
    in evaluation mode, and takes no gradients. The first mode is active at the start.

    Args:
        supernet: The supernet.
        modes: The subnet of each mode, by name; several modes may have the same subnet.
        calibration: Images for the statistics, as in `evaluate`. None keeps those of the
            supernet, which are not valid for any subnet.
        n_calibration: Number of images to use, from the first on.

    Raises:
        InvalidArgumentError: If there is no mode, the weights are not finite, or the images do not
            fit the family.
        InvalidSubnetError: If a subnet is of another family.
    """

    @checked
    def __init__(
        self,
        supernet: Supernet,
        modes: Annotated[
            Mapping[str, Subnet], not_empty("a mapping of at least one mode to its subnet")
        ],
        *,
        calibration: Loader | Tensor | None,
        n_calibration: Positive = 2000,
    ) -> None:
        if not modes:
            raise InvalidArgumentError("`modes` must have at least one mode, but is empty.")
        require_finite(supernet, "supernet")
        images = Calibration(calibration, supernet.family, n_calibration)
        subnets = sorted(set(modes.values()), key=lambda subnet: subnet.resolution)
        nets = {subnet: calibrated_net(supernet, subnet, images) for subnet in subnets}
        share_weights(supernet, nets)
        self._subnets = dict(modes)
        self._nets = {mode: nets[subnet] for mode, subnet in modes.items()}
        self.switch(next(iter(modes)))

    @property
    def modes(self) -> Mapping[str, Subnet]:
        """The subnet of each mode."""
        return MappingProxyType(self._subnets)

    @property
    def mode(self) -> str:
        """The active mode."""
        return self._mode

    @property
    def active(self) -> Subnet:
        """The subnet of the active mode."""
        return self._subnets[self._mode]

    @checked
    def switch(self, mode: str) -> None:
        """Activate another mode; a forward pass already running finishes in its own mode.

        Raises:
            InvalidArgumentError: If there is no such mode.
        """
        if mode not in self._nets:
            raise InvalidArgumentError(
                f"`mode` must be one of {', '.join(self._nets)}, but got {mode!r}."
            )
        self._mode = mode

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute the active subnet.

        Args:
            images: ``(n, in_channels, size, size)``; if the size differs from the resolution of
                the subnet, they are resized as in `evaluate`.

        Returns:
            Logits, ``(n, n_classes)``.

        Raises:
            InvalidArgumentError: If there are no images, or they are not square, not finite, or
                neither float32 nor of the type of the weights.
        """
        mode = self._mode  # read once: another thread may switch
        net, subnet = self._nets[mode], self._subnets[mode]
        weights = next(net.parameters()).dtype
        channels = subnet.family.in_channels
        check_images(images, "`images` must be", channels=channels, weights=weights)
        logits: Tensor = net(resize_images(images, subnet.resolution).to(weights))
        return logits

    __call__ = forward

    def memory_bytes(self) -> int:
        """Return the bytes of all weights and statistics; shared ones count once."""
        return stored_bytes(list(self._nets.values()))

    def separate_memory_bytes(self) -> int:
        """Return the bytes of the subnets as separate models; equal ones count once."""
        return sum(own_bytes(net) for net in set(self._nets.values()))

    def __repr__(self) -> str:
        return f"SubnetSwitcher({', '.join(self._nets)}; active: {self._mode})"
