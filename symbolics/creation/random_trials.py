"""Random numbers of distributions that ONNX has not and that no formula gives: loops of trials.

Poisson, binomial, gamma and Dirichlet numbers. Those with a formula are in `random`. All is drawn
in doubles; the loops end when each element has its number.
"""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop, loop_while
from exporter.onnx_graph.values import Tensor
from symbolics.creation.random import normal_like, positive_uniform, require_float, uniform_like
from symbolics.reductions.reduction import any_along, sum_dim
from symbolics.registry import symbolic
from symbolics.rules import DOUBLE, INT64

__all__: list[str] = []


def any_of(g: Builder, flags: Tensor) -> Tensor:
    """Whether one is true, as a 0-d bool."""
    return any_along(g, g.reshape(flags, [-1]), [0], False)


def unusual(g: Builder, value: Tensor) -> Tensor:
    """Where a parameter is NaN or infinite: so is the result, and no trial would end."""
    return g.Or(g.IsNaN(value), g.IsInf(value))


@symbolic("aten::poisson(Tensor self, Generator? generator=None) -> Tensor")
def poisson(g: Builder, self: Tensor, generator: object = None) -> Tensor:
    """How many exponential waiting times after one another fit into `self`."""
    rate = g.cast(require_float(self, "poisson"), DOUBLE)
    skipped = unusual(g, rate)
    zero = g.Expand(g.constant(0.0, DOUBLE), g.shape(rate))
    end = g.Where(skipped, zero, rate)

    def step(states: list[Tensor]) -> list[Tensor]:
        time, count = states
        time = g.Sub(time, g.Log(positive_uniform(g, time, DOUBLE)))
        return [time, g.Add(count, g.cast(g.LessOrEqual(time, end), DOUBLE))]

    def going(states: list[Tensor]) -> Tensor:
        return any_of(g, g.Less(states[0], end))

    count = loop_while(g, going, step, [zero, zero])[1]
    return g.cast(g.Where(skipped, rate, count), self.dtype)


@symbolic("aten::binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor")
def binomial(g: Builder, count: Tensor, prob: Tensor, generator: object = None) -> Tensor:
    """How many of `count` trials succeed, each drawn by itself."""
    trials = g.cast(require_float(count, "binomial"), DOUBLE)
    chance = g.cast(prob, DOUBLE)
    start = g.Mul(g.Add(trials, chance), 0.0)
    flat = g.Concat(g.reshape(g.cast(trials, INT64), [-1]), [0], axis=0)
    most = g.integer(g.ReduceMax(flat, keepdims=False))

    def step(index: Tensor, states: list[Tensor]) -> list[Tensor]:
        drawn = uniform_like(g, states[0], DOUBLE)
        succeeds = g.And(g.Less(drawn, chance), g.Less(g.cast(index, DOUBLE), trials))
        return [g.Add(states[0], g.cast(succeeds, DOUBLE))]

    return g.cast(loop(g, most, step, [start])[0], count.dtype)


@symbolic("aten::_standard_gamma(Tensor self, Generator? generator=None) -> Tensor")
def _standard_gamma(g: Builder, self: Tensor, generator: object = None) -> Tensor:
    """Gamma numbers of the shape parameter `self` and scale 1.

    1. From 1 on (Marsaglia, Tsang): d (1 + c x)^3 of a normal x, with d = a - 1/3 and
       c = 1 / sqrt(9 d), is taken if log u < x^2 / 2 + d - d v + d log v for v = (1 + c x)^3.
    2. Below 1: such a number for a + 1, times u^(1 / a).
    """
    alpha = g.cast(require_float(self, "gamma numbers"), DOUBLE)
    small = g.Less(alpha, 1.0)
    shift = g.Sub(g.Where(small, g.Add(alpha, 1.0), alpha), 1 / 3)
    spread = g.Reciprocal(g.Sqrt(g.Mul(shift, 9.0)))

    def step(states: list[Tensor]) -> list[Tensor]:
        found, done = states
        x = normal_like(g, found, DOUBLE)
        base = g.Add(g.Mul(spread, x), 1.0)
        v = g.Mul(g.Mul(base, base), base)
        positive = g.Greater(v, 0.0)
        logarithm = g.Log(g.Where(positive, v, g.constant(1.0, DOUBLE)))
        bound = g.Add(g.Mul(g.Mul(x, x), 0.5), g.Mul(shift, g.Add(g.Sub(logarithm, v), 1.0)))
        taken = g.And(positive, g.Less(g.Log(positive_uniform(g, found, DOUBLE)), bound))
        return [g.Where(done, found, g.Mul(shift, v)), g.Or(done, taken)]

    def going(states: list[Tensor]) -> Tensor:
        return any_of(g, g.Not(states[1]))

    skipped = unusual(g, alpha)
    found = loop_while(g, going, step, [alpha, skipped])[0]
    factor = g.Pow(positive_uniform(g, alpha, DOUBLE), g.Reciprocal(alpha))
    scaled = g.Where(g.And(small, g.Not(skipped)), g.Mul(found, factor), found)
    return g.cast(scaled, self.dtype)


@symbolic("aten::_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor")
def _sample_dirichlet(g: Builder, self: Tensor, generator: object = None) -> Tensor:
    """Gamma numbers as shares of their sum over the last dim."""
    numbers = _standard_gamma(g, g.cast(require_float(self, "dirichlet numbers"), DOUBLE))
    return g.cast(g.Div(numbers, sum_dim(g, numbers, -1, True)), self.dtype)
