"""One ONNX model in onnxruntime's CPU provider: typed inputs, outputs by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporter.conversion.boundary.specs import numpy_dtype
from exporter.errors import VerificationError
from exporter.onnx_graph.complex_numbers import pairs_of
from exporter.verification.samples import Sample

__all__ = ["Port", "Session", "first_line"]


@dataclass(frozen=True)
class Port:
    """An input or output: its name, its type as onnxruntime writes it, and its dims.

    A dim is a size, a name, or None where it has neither. An open rank shows as no dims.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype of a tensor, None for a sequence or an optional."""
        inner = self.type.removeprefix("tensor(").removesuffix(")")
        if not self.type.startswith("tensor(") or inner == "string":
            return None
        return numpy_dtype(inner)

    @property
    def is_sequence(self) -> bool:
        """Whether it takes a list."""
        return "seq(" in self.type

    @property
    def is_optional(self) -> bool:
        """Whether it takes None."""
        return self.type.startswith("optional(")


class Session:
    """A loaded model, by default optimized as onnxruntime does it.

    onnxruntime is imported here, when the first one is made.
    """

    def __init__(self, path: str | os.PathLike[str], *, optimized: bool = True) -> None:
        import onnxruntime  # noqa: PLC0415  here: it is slow to import

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is an error is raised as well
        if not optimized:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.path = path
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, ["CPUExecutionProvider"]
            )
        except Exception as error:
            raise VerificationError(
                f"onnxruntime {onnxruntime.__version__} can't load the model: {first_line(error)}"
            ) from error
        self.inputs = [_port(node) for node in self._session.get_inputs()]
        self.outputs = [_port(node) for node in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, Sample]) -> dict[str, Any]:
        """Run the model; the outputs by name, sequences being lists. Complex arrays go as pairs."""
        try:
            values = self._session.run(
                None,
                {k: pairs_of(v) if isinstance(v, np.ndarray) else v for k, v in feeds.items()},
            )
        except Exception as error:
            sizes = ", ".join(f"{k} {_size(v)}" for k, v in feeds.items())
            raise VerificationError(
                f"onnxruntime can't run the model: {first_line(error)}", (f"inputs: {sizes}",)
            ) from error
        return dict(zip((port.name for port in self.outputs), values, strict=True))


def _size(value: Sample) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_size, value))})"
    return "None" if value is None else str(list(value.shape))


def _port(node: Any) -> Port:
    return Port(node.name, node.type, tuple(node.shape))


def first_line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
