"""Window functions of signal processing: Bartlett, Blackman, Hamming, Hann, Kaiser.

They are computed in doubles. One of a known length is a constant, for the builder folds what it is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import LDP
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, FLOAT, INT64, is_float, onnx_dtype

__all__ = ["cosine_window", "window"]

Shape = Callable[[Builder, Tensor, Tensor], Tensor]


def window(g: Builder, length: Dim, periodic: bool, dtype: int | None, shape: Shape) -> Tensor:
    """A window of `shape(positions, last position)`; a periodic one leaves out its last element."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    if not is_float(target):
        raise Unsupported(f"a window function of dtype {target.name.lower()}")
    last = length if periodic else length - 1
    if isinstance(length, int):
        if length <= 1:
            return g.constant(np.ones(length), target)
        return g.cast(
            shape(g, g.constant(np.arange(length), DOUBLE), g.constant(last, DOUBLE)), target
        )
    g.at_least(length, 0)
    values = shape(g, consecutive(g, length, DOUBLE), g.constant(sym_max(last, 1), DOUBLE))
    alone = g.Equal(g.constant(length, INT64), 1)
    return g.cast(g.Where(alone, g.constant(1.0, DOUBLE), values), target)


def cosine_window(*weights: float) -> Shape:
    """An alternating sum of cosines of rising frequency."""

    def shape(g: Builder, n: Tensor, last: Tensor) -> Tensor:
        angle = g.Div(g.Mul(n, 2 * math.pi), last)
        total = g.constant(weights[0], DOUBLE)
        for k, weight in enumerate(weights[1:], 1):
            total = g.Add(total, g.Mul(g.Cos(g.Mul(angle, float(k))), (-1) ** k * weight))
        return total

    return shape


def kaiser(beta: float) -> Shape:
    """The Kaiser window; a larger beta makes it narrower."""

    def shape(g: Builder, n: Tensor, last: Tensor) -> Tensor:
        if n.array is None or last.array is None:
            raise Unsupported("a Kaiser window of a length that is only known at run time")
        half = last.array / 2
        inside = np.maximum(0.0, 1 - ((n.array - half) / half) ** 2)
        return g.constant(np.i0(beta * np.sqrt(inside)) / np.i0(beta), DOUBLE)

    return shape


def bartlett(g: Builder, n: Tensor, last: Tensor) -> Tensor:
    """A triangle."""
    return g.Sub(g.constant(1.0, DOUBLE), g.Abs(g.Sub(g.Div(g.Mul(n, 2.0), last), 1.0)))


def _register(name: str, shape: Shape) -> None:
    """A window without parameters of its own: periodic, if nothing else is said."""

    @symbolic(f"aten::{name}(int window_length, *, ScalarType? dtype=None, {LDP}) -> Tensor")
    def plain(
        g: Builder,
        window_length: Dim,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return window(g, window_length, True, dtype, shape)

    @symbolic(
        f"aten::{name}.periodic(int window_length, bool periodic, *, ScalarType? dtype=None, {LDP}) -> Tensor"
    )
    def either(
        g: Builder,
        window_length: Dim,
        periodic: bool,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return window(g, window_length, periodic, dtype, shape)


for _name, _shape in (
    ("hann_window", cosine_window(0.5, 0.5)),
    ("hamming_window", cosine_window(0.54, 0.46)),
    ("blackman_window", cosine_window(0.42, 0.5, 0.08)),
    ("bartlett_window", bartlett),
    ("kaiser_window", kaiser(12.0)),
):
    _register(_name, _shape)


@symbolic(
    f"aten::hamming_window.periodic_alpha(int window_length, bool periodic, float alpha, *, ScalarType? dtype=None, {LDP}) -> Tensor"
)
def hamming_window_periodic_alpha(
    g: Builder,
    window_length: Dim,
    periodic: bool,
    alpha: float,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """alpha - 0.46 cos."""
    return window(g, window_length, periodic, dtype, cosine_window(alpha, 0.46))


@symbolic(
    f"aten::hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta, *, ScalarType? dtype=None, {LDP}) -> Tensor"
)
def hamming_window_periodic_alpha_beta(
    g: Builder,
    window_length: Dim,
    periodic: bool,
    alpha: float,
    beta: float,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """alpha - beta cos."""
    return window(g, window_length, periodic, dtype, cosine_window(alpha, beta))


@symbolic(
    f"aten::kaiser_window.beta(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, {LDP}) -> Tensor"
)
def kaiser_window_beta(
    g: Builder,
    window_length: Dim,
    periodic: bool,
    beta: float,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """A Kaiser window of the given beta."""
    return window(g, window_length, periodic, dtype, kaiser(beta))
