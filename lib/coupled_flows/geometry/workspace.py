"""Scratch memory of one block of walkers."""

from __future__ import annotations

import numpy as np

from coupled_flows.geometry.errors import Array


class Workspace:
    """Scratch arrays of one block of walkers, allocated once and found again by name."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """Return the array of that name and shape; its content is whatever was left in it."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            array = self._arrays[name] = np.empty(shape)
        return array
