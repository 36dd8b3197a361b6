"""Window functions of signal processing: Bartlett, Blackman, Hamming, Hann, Kaiser.

Their lengths are known when a model is written, so each is a constant, computed in doubles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import LDP
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT, is_float, onnx_dtype

__all__ = ["cosine_window", "window"]

Shape = Callable[[np.ndarray, int], np.ndarray]


def window(g: Builder, length: int, periodic: bool, dtype: int | None, shape: Shape) -> Tensor:
    """A window of `shape(positions, last position)`; a periodic one leaves out its last element."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    if not is_float(target):
        raise Unsupported(f"a window function of dtype {target.name.lower()}")
    length = int(length)
    count = length + 1 if periodic else length
    if length <= 1:
        return g.constant(np.ones(length), target)
    return g.constant(shape(np.arange(count, dtype=np.float64), count - 1)[:length], target)


def cosine_window(*weights: float) -> Shape:
    """An alternating sum of cosines of rising frequency."""

    def shape(n: np.ndarray, last: int) -> np.ndarray:
        angle = 2 * np.pi * n / last
        total = np.zeros_like(n)
        for k, weight in enumerate(weights):
            total += (-1) ** k * weight * np.cos(k * angle)
        return total

    return shape


def kaiser(beta: float) -> Shape:
    """The Kaiser window; a larger beta makes it narrower."""

    def shape(n: np.ndarray, last: int) -> np.ndarray:
        half = last / 2
        inside = np.maximum(0.0, 1 - ((n - half) / half) ** 2)
        return np.asarray(np.i0(beta * np.sqrt(inside)) / np.i0(beta))

    return shape


def bartlett(n: np.ndarray, last: int) -> np.ndarray:
    """A triangle."""
    return 1 - np.abs(2 * n / last - 1)


def _register(name: str, shape: Shape) -> None:
    """A window without parameters of its own: periodic, if nothing else is said."""

    @symbolic(f"aten::{name}(int window_length, *, ScalarType? dtype=None, {LDP}) -> Tensor")
    def plain(
        g: Builder,
        window_length: int,
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
        window_length: int,
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
    window_length: int,
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
    window_length: int,
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
    window_length: int,
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
