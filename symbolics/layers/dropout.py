"""Dropout: nothing in evaluation, random zeros in training."""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import filled, filled_like
from symbolics.creation.random import uniform_like
from symbolics.registry import symbolic
from symbolics.rules import BOOL, FLOAT

__all__ = ["dropout"]


@symbolic("aten::dropout(Tensor input, float p, bool train) -> Tensor")
def dropout(g: Builder, input: Tensor, p: float, train: bool) -> Tensor:
    """Each element is 0 with probability p, and the others grow to keep the mean."""
    if not train or p == 0:
        return input
    if p == 1:
        return g.Mul(input, 0)
    return g.Dropout(input, ratio=g.constant(p, FLOAT), training_mode=g.constant(True))


@symbolic("aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)")
def native_dropout(
    g: Builder, input: Tensor, p: float, train: bool | None
) -> tuple[Tensor, Tensor]:
    """`dropout`, and where elements were kept. No word on training means training."""
    if train is False or p == 0:
        return input, filled_like(g, input, True, BOOL)
    if p == 1:
        return g.Mul(input, 0), filled_like(g, input, False, BOOL)
    ratio, training = g.constant(p, FLOAT), g.constant(True)
    result, mask = g.Dropout(input, ratio=ratio, training_mode=training, outputs=2)
    return result, mask


def channel_like(g: Builder, input: Tensor) -> Tensor:
    """Ones for each batch and channel, 1 in the other dims: what feature dropout decides about."""
    shape = input.require_shape()
    return filled(g, [*shape[:2], *[1] * (len(shape) - 2)], 1, input.dtype)


@symbolic("aten::feature_dropout(Tensor input, float p, bool train) -> Tensor")
def feature_dropout(g: Builder, input: Tensor, p: float, train: bool) -> Tensor:
    """`dropout` of whole channels."""
    if not train or p == 0:
        return input
    return g.Mul(input, dropout(g, channel_like(g, input), p, train))


def kept_mean_and_variance(g: Builder, input: Tensor, like: Tensor, p: float) -> Tensor:
    """Alpha dropout: elements become SELU's lowest value, then all are scaled and shifted."""
    lowest = -1.7580993408473766
    scale = 1 / math.sqrt((1 - p) * (1 + p * lowest**2))
    keep = g.GreaterOrEqual(uniform_like(g, like, FLOAT), g.constant(p, FLOAT))
    mixed = g.Where(keep, input, g.constant(lowest, input.dtype))
    return g.Add(g.Mul(mixed, scale), -lowest * p * scale)


@symbolic("aten::alpha_dropout(Tensor input, float p, bool train) -> Tensor")
def alpha_dropout(g: Builder, input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout for SELU networks: mean and variance stay."""
    if not train or p == 0:
        return input
    if p == 1:
        return g.Mul(input, 0)
    return kept_mean_and_variance(g, input, input, p)


@symbolic("aten::feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor")
def feature_alpha_dropout(g: Builder, input: Tensor, p: float, train: bool) -> Tensor:
    """`alpha_dropout` of whole channels."""
    if not train or p == 0:
        return input
    if p == 1:
        return g.Mul(input, 0)
    return kept_mean_and_variance(g, input, channel_like(g, input), p)


@symbolic("aten::_masked_scale(Tensor self, Tensor mask, float scale) -> Tensor")
def _masked_scale(g: Builder, self: Tensor, mask: Tensor, scale: float) -> Tensor:
    """What dropout kept, scaled."""
    return g.Mul(g.Mul(self, g.cast(mask, self.dtype)), scale)
