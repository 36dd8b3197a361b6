"""What PyTorch returned for a model's calls, as arrays that can be kept in a file.

The layout of the `.npz` beside each ready archive:

    input_0_0, input_0_1, ...    the arguments of the first call, flat, in order
    output_0_0, ...              its results, flat, in order; then, for a model with state,
                                 the value of each state attribute after the call
    input_1_0, ...               the second call, and so on
    state_0, ...                 the value of each state attribute before the first call

An argument that is a Python number is recorded as an array without dims; no model has a tensor
argument without dims. The calls of a model with state are a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path

import numpy as np

Arrays = list[np.ndarray]


@dataclass
class RecordedCall:
    """The arguments of one call, and its results followed by the state after it."""

    inputs: Arrays
    outputs: Arrays


@dataclass
class Recording:
    """A model's calls in order, and its state before the first of them."""

    calls: list[RecordedCall] = field(default_factory=list)
    state: Arrays = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a `.npz` of the layout above."""
        with np.load(path) as stored:

            def numbered(prefix: str) -> Arrays:
                names = takewhile(stored.files.__contains__, (f"{prefix}_{i}" for i in count()))
                return [stored[name] for name in names]

            calls = []
            for number in takewhile(lambda n: f"output_{n}_0" in stored.files, count()):
                calls.append(
                    RecordedCall(numbered(f"input_{number}"), numbered(f"output_{number}"))
                )
            return cls(calls, numbered("state"))

    def save(self, path: Path) -> None:
        """Write a `.npz` of the layout above; equal recordings give equal bytes."""
        groups = {"state": self.state}
        for number, call in enumerate(self.calls):
            groups[f"input_{number}"] = call.inputs
            groups[f"output_{number}"] = call.outputs
        named = {
            f"{p}_{i}": array for p, arrays in groups.items() for i, array in enumerate(arrays)
        }
        np.savez_compressed(path, **named)

    def example(self) -> tuple[np.ndarray | int | float, ...]:
        """Return the first call's arguments as `export` takes them, numbers being numbers again."""
        return tuple(array if array.ndim else array.item() for array in self.calls[0].inputs)
