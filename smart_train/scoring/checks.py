"""Conditions on numbers that a device still computes, read together: every reading waits for all work before it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Checks:
    """Conditions that are collected while work is queued, and read once.

    What follows a condition is queued before it is known to hold. Reading each at its place was rejected: a training
    step then waited for its device six times, and the device for the step.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[Tensor, Callable[[], None]]] = []

    def add(self, holds: Tensor, complain: Callable[[], None]) -> None:
        """A condition, bool and without dimensions; all of them are on one device.

        Args:
            complain: raises what the user is told. Called where any condition fails, so it must look for itself, and
                return where its own holds.
        """
        self._pending.append((holds, complain))

    def read(self) -> None:
        """Waits once. Raises what the first condition that does not hold complains of; then there are none."""
        pending, self._pending = self._pending, []
        if pending and not bool(torch.stack([holds for holds, _ in pending]).all()):
            for _, complain in pending:
                complain()
