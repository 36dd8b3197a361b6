"""Archives that PyTorch runs, on arrays: what a converted model is compared with."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import torch

from exporter.archive import Device
from exporter.live.arrays import flat_arrays, mapped, tensor_of
from exporter.verification.results import Part

__all__ = ["ArchiveProgram"]


def _parts(value: Any) -> Iterator[Part]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list) and all(
        isinstance(item, (torch.Tensor, bool, int, float)) for item in value
    ):
        yield flat_arrays(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    else:
        yield from flat_arrays(value)


class ArchiveProgram:
    """An archive that PyTorch runs: a fresh copy, whose state changes from call to call."""

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | memoryview | BinaryIO,
        method: str = "forward",
        training: str = "eval",
    ) -> None:
        """Load the archive onto the CPU."""
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = BytesIO(source)
        elif isinstance(source, os.PathLike):
            source = os.fspath(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._module = torch.jit.load(source, map_location="cpu")
        if training != "preserve":
            self._module.train(training == "train")
        self._method = method
        # A program that asks for gradients runs only where they are recorded.
        graph = getattr(self._module, method).inlined_graph
        self._differentiates = bool(graph.findAllNodes("aten::grad"))

    def __call__(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[np.ndarray[Any, Any]]:
        """Run the method on arrays and numbers; the result's tensors in order."""
        return flat_arrays(self._run(args, kwargs))

    def parts(self, arguments: Mapping[str, Any]) -> list[Part]:
        """Run the method; the result's tensors in order, those of a list together."""
        return list(_parts(self._run((), arguments)))

    def _run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with torch.set_grad_enabled(self._differentiates):
            return getattr(self._module, self._method)(
                *(_run_argument(value) for value in args),
                **{name: _run_argument(value) for name, value in kwargs.items()},
            )

    def state(self, name: str) -> list[Part]:
        """The tensors of an attribute, by what the model calls it; those of a list together.

        There are none where it is None or a string, or in something that is None.
        """
        value: Any = self._module
        for part in name.removeprefix("self.").split("."):
            if value is None and part != "present":
                return []
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, (list, tuple)) and part.isdecimal():
                value = value[int(part)]
            elif part == "present" and not hasattr(value, part):
                value = value is not None
            else:
                value = getattr(value, part)
        return list(_parts(value))


def _run_argument(value: Any) -> Any:
    """Arrays as tensors; numbers stay numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        return tensor_of(np.asarray(value))
    if isinstance(value, Device):
        return torch.device(value.name)
    return mapped(_run_argument, value)
