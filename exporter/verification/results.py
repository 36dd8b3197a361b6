"""Which output of a model answers to which part of what the program returned.

The model's outputs are the tensors and numbers of the result in order. Lists are what differs: one
of known length is as many outputs, one of run-time length is one, a sequence or a 1-D tensor. What
is None is an output that is None, or none at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from exporter.errors import VerificationError
from exporter.verification.samples import Array

__all__ = ["Part", "flat_outputs", "paired"]

Part: TypeAlias = "Array | list[Array]"
"""A tensor or number of a result, or a list of them."""


def flat_outputs(outputs: Mapping[str, Any]) -> dict[str, Array]:
    """The tensors by name; those of a sequence are numbered, and None drops out."""
    found: dict[str, Array] = {}
    for name, value in outputs.items():
        if isinstance(value, list):
            found.update((f"{name}.{i}", item) for i, item in enumerate(value))
        elif value is not None:
            found[name] = value
    return found


def paired(result: Sequence[Part], outputs: Mapping[str, Any], what: str) -> dict[str, Array]:
    """The program's tensors by the names that `flat_outputs` gives the model's."""
    pending = [(name, value) for name, value in outputs.items() if value is not None]
    expected: dict[str, Array] = {}
    for part in result:
        name, value = pending[0] if pending else ("", None)
        if not isinstance(part, list):
            parts = [part]
        elif isinstance(value, list) and (part or not value):
            pending.pop(0)
            if len(part) != len(value):
                raise VerificationError(
                    f"the ONNX model gives a list of {len(value)} as {name}, "
                    f"PyTorch one of {len(part)} ({what})"
                )
            expected.update((f"{name}.{i}", item) for i, item in enumerate(part))
            continue
        elif isinstance(value, np.ndarray) and _is_list_of_numbers(value, part):
            parts = [np.array(part, None if part else value.dtype)]
        else:
            parts = part
        for one in parts:
            name = pending.pop(0)[0] if pending else f"output {len(expected)} of PyTorch"
            expected[name] = one
    if pending or not expected.keys() <= flat_outputs(outputs).keys():
        raise VerificationError(
            f"the ONNX model gives {len(flat_outputs(outputs))} tensors, "
            f"PyTorch {len(expected)} ({what})"
        )
    return expected


def _is_list_of_numbers(value: Array, part: list[Array]) -> bool:
    """Whether an output is a list of numbers of run-time length: as a 1-D tensor."""
    return value.ndim == 1 and not any(p.ndim for p in part) and bool(part or not value.size)
