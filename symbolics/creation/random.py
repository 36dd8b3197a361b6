"""Random numbers of every distribution PyTorch draws from. Dropout is in `dropout`.

The numbers are ONNX's own: same dtype, shape and distribution as PyTorch's, never the same values.
A generator is ignored: ONNX has one seed a node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import make, part_dtype
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.creation.creation import LDP, filled
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    DOUBLE,
    FLOAT,
    INT64,
    is_complex,
    is_float,
    onnx_dtype,
)

__all__ = ["normal_like", "uniform_like"]

MEMORY = "MemoryFormat? memory_format=None"


def uniform_like(
    g: Builder, self: Tensor, dtype: ir.DataType, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Numbers spread evenly over [low, high) in the shape of a tensor."""
    drawn, like = drawn_as(g, self, dtype)
    numbers = g.RandomUniformLike(like, dtype=int(drawn), low=low, high=high)
    return g.cast(numbers, dtype)


def normal_like(g: Builder, self: Tensor, dtype: ir.DataType) -> Tensor:
    """Standard normal numbers in the shape of a tensor."""
    drawn, like = drawn_as(g, self, dtype)
    return g.cast(g.RandomNormalLike(like, dtype=int(drawn)), dtype)


def drawn_as(g: Builder, self: Tensor, dtype: ir.DataType) -> tuple[ir.DataType, Tensor]:
    """The dtype to draw in, float32 or double (others have no kernels), and what has the shape."""
    return dtype if dtype in (FLOAT, DOUBLE) else FLOAT, g.cast(self, FLOAT)


def shaped(g: Builder, size: Sequence[Dim] | Tensor) -> Tensor:
    """A tensor of the given sizes, to draw in its shape."""
    return filled(g, size, 0, FLOAT)


def positive_uniform(g: Builder, self: Tensor, dtype: ir.DataType) -> Tensor:
    """Numbers in (0, 1], whose logarithm is finite."""
    return g.Sub(g.constant(1.0, dtype), uniform_like(g, self, dtype))


def require_float(self: Tensor, name: str) -> Tensor:
    """The tensor, which must be a float one."""
    if not is_float(self.dtype):
        raise Unsupported(f"PyTorch has no {name} of {self.dtype.name.lower()}")
    return self


# ---------------------------------------------------------------- rand, randn, randint, randperm


def _register(name: str, normal: bool) -> None:
    """`rand` and `randn` in all forms. Both parts of complex normal numbers have half the variance."""

    def draw(g: Builder, like: Tensor, dtype: ir.DataType) -> Tensor:
        if is_complex(dtype):
            both = [draw(g, like, part_dtype(dtype)) for _ in range(2)]
            return make(g, *(g.Mul(part, math.sqrt(0.5)) if normal else part for part in both))
        if not is_float(dtype):
            raise Unsupported(f"{name} of dtype {dtype.name.lower()}")
        return normal_like(g, like, dtype) if normal else uniform_like(g, like, dtype)

    @symbolic(f"aten::{name}(SymInt[] size, *, ScalarType? dtype=None, {LDP}) -> Tensor")
    def plain(
        g: Builder,
        size: Sequence[Dim] | Tensor,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return draw(g, shaped(g, size), FLOAT if dtype is None else onnx_dtype(dtype))

    @symbolic(
        f"aten::{name}.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, {LDP}) -> Tensor"
    )
    def with_generator(
        g: Builder,
        size: Sequence[Dim] | Tensor,
        *,
        generator: object,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return draw(g, shaped(g, size), FLOAT if dtype is None else onnx_dtype(dtype))

    @symbolic(
        f"aten::{name}_like(Tensor self, *, ScalarType? dtype=None, {LDP}, {MEMORY}) -> Tensor"
    )
    def like(
        g: Builder,
        self: Tensor,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
        memory_format: object = None,
    ) -> Tensor:
        return draw(g, self, self.dtype if dtype is None else onnx_dtype(dtype))


_register("rand", False)
_register("randn", True)


def integers_like(
    g: Builder, self: Tensor, low: Number | Tensor, high: Number | Tensor, dtype: ir.DataType
) -> Tensor:
    """Integers spread evenly over low, ..., high - 1, drawn in doubles."""
    first = g.constant(low, DOUBLE)
    span = g.Sub(g.constant(high, DOUBLE), first)
    drawn = g.Floor(g.Mul(uniform_like(g, self, DOUBLE), span))
    return g.cast(g.Add(drawn, first), dtype)


@symbolic(f"aten::randint(SymInt high, SymInt[] size, *, ScalarType? dtype=4, {LDP}) -> Tensor")
def randint(
    g: Builder,
    high: Dim,
    size: Sequence[Dim] | Tensor,
    *,
    dtype: int | None = 4,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Integers below `high`."""
    return randint_low(g, 0, high, size, dtype=dtype)


@symbolic(
    f"aten::randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=4, {LDP}) -> Tensor"
)
def randint_low(
    g: Builder,
    low: Dim,
    high: Dim,
    size: Sequence[Dim] | Tensor,
    *,
    dtype: int | None = 4,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Integers from `low` to below `high`."""
    target = INT64 if dtype is None else onnx_dtype(dtype)
    return integers_like(g, shaped(g, size), low, high, target)


@symbolic(
    f"aten::randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, {LDP}, {MEMORY}) -> Tensor"
)
@symbolic(
    f"aten::randint_like.Tensor(Tensor self, Tensor high, *, ScalarType? dtype=None, {LDP}, {MEMORY}) -> Tensor"
)
def randint_like(
    g: Builder,
    self: Tensor,
    high: Dim | Tensor,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    memory_format: object = None,
) -> Tensor:
    """Integers below `high` in the shape of `self`."""
    target = self.dtype if dtype is None else onnx_dtype(dtype)
    return integers_like(g, self, 0, high, target)


@symbolic(
    f"aten::randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None, {LDP}, {MEMORY}) -> Tensor"
)
def randint_like_low_dtype(
    g: Builder,
    self: Tensor,
    low: Dim,
    high: Dim,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    memory_format: object = None,
) -> Tensor:
    """Integers from `low` to below `high` in the shape of `self`."""
    target = self.dtype if dtype is None else onnx_dtype(dtype)
    return integers_like(g, self, low, high, target)


@symbolic(f"aten::randperm(SymInt n, *, ScalarType? dtype=4, {LDP}) -> Tensor")
def randperm(
    g: Builder,
    n: Dim,
    *,
    dtype: int | None = 4,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """0, ..., n - 1 in a random order: where random numbers go when they are sorted."""
    target = INT64 if dtype is None else onnx_dtype(dtype)
    keys = uniform_like(g, shaped(g, [n]), FLOAT)
    _, order = g.TopK(keys, g.constant([n], INT64), outputs=2)
    return g.cast(order, target)


# ---------------------------------------------------------------- distributions


@symbolic("aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor")
def bernoulli(g: Builder, self: Tensor, *, generator: object = None) -> Tensor:
    """1 with the probability that each element gives, else 0."""
    require_float(self, "bernoulli")
    return g.cast(g.Less(uniform_like(g, self, self.dtype), self), self.dtype)


@symbolic("aten::bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor")
@symbolic("aten::bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor")
def bernoulli_p(
    g: Builder, self: Tensor, p: Number | Tensor, *, generator: object = None
) -> Tensor:
    """1 with probability p, else 0, in the shape and dtype of `self`."""
    return g.cast(g.Less(uniform_like(g, self, FLOAT), g.constant(p, FLOAT)), self.dtype)


@symbolic(
    "aten::multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor"
)
def multinomial(
    g: Builder,
    self: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: object = None,
) -> Tensor:
    """Positions in each row, drawn with the weights that it holds.

    Without replacement: the largest of log(weight) plus Gumbel noise are such a draw, in order.
    """
    require_float(self, "multinomial")
    scores = g.Log(self)
    if replacement:
        rows = scores if self.require_rank() == 2 else g.reshape(scores, [1, g.size(self, 0)])
        rows = g.cast(rows, FLOAT)
        drawn = g.Multinomial(rows, sample_size=int(num_samples), dtype=int(INT64))
        return drawn if self.rank == 2 else g.reshape(drawn, [num_samples])
    noise = g.Neg(g.Log(g.Neg(g.Log(positive_uniform(g, self, self.dtype)))))
    _, positions = g.TopK(g.Add(scores, noise), g.constant([num_samples], INT64), outputs=2)
    return positions


@symbolic("aten::normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) -> Tensor")  # fmt: skip
def normal_tensor_float(
    g: Builder, mean: Tensor, std: Number = 1.0, *, generator: object = None
) -> Tensor:
    """Normal numbers with a mean for each."""
    return g.Add(g.Mul(normal_like(g, mean, mean.dtype), g.constant(std, mean.dtype)), mean)


@symbolic("aten::normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor")  # fmt: skip
def normal_float_tensor(
    g: Builder, mean: Number, std: Tensor, *, generator: object = None
) -> Tensor:
    """Normal numbers with a deviation for each."""
    return g.Add(g.Mul(normal_like(g, std, std.dtype), std), g.constant(mean, std.dtype))


@symbolic("aten::normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor")  # fmt: skip
def normal_tensor_tensor(
    g: Builder, mean: Tensor, std: Tensor, *, generator: object = None
) -> Tensor:
    """Normal numbers with a mean and a deviation for each."""
    like = g.Add(mean, g.cast(std, mean.dtype))
    return g.Add(g.Mul(normal_like(g, like, mean.dtype), g.cast(std, mean.dtype)), mean)


@symbolic(
    f"aten::normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? dtype=None, {LDP}) -> Tensor"
)
def normal_float_float(
    g: Builder,
    mean: Number,
    std: Number,
    size: Sequence[Dim] | Tensor,
    *,
    generator: object = None,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Normal numbers of one mean and deviation."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    drawn = normal_like(g, shaped(g, size), target)
    return g.Add(g.Mul(drawn, g.constant(std, target)), g.constant(mean, target))


@symbolic(
    "aten::normal_functional(Tensor self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor"
)
def normal_functional(
    g: Builder,
    self: Tensor,
    mean: Number = 0.0,
    std: Number = 1.0,
    *,
    generator: object = None,
) -> Tensor:
    """Normal numbers in the shape and dtype of `self`."""
    drawn = normal_like(g, self, self.dtype)
    return g.Add(g.Mul(drawn, g.constant(std, self.dtype)), g.constant(mean, self.dtype))


@symbolic(
    "aten::uniform(Tensor self, float from=0., float to=1., *, Generator? generator=None) -> Tensor"
)
def uniform(
    g: Builder,
    self: Tensor,
    from_: Number = 0.0,
    to: Number = 1.0,
    *,
    generator: object = None,
) -> Tensor:
    """Numbers spread evenly over [from, to) in the shape and dtype of `self`."""
    low, high = g.constant(from_, self.dtype), g.constant(to, self.dtype)
    return g.Add(g.Mul(uniform_like(g, self, self.dtype), g.Sub(high, low)), low)


@symbolic("aten::exponential(Tensor self, float lambd=1., *, Generator? generator=None) -> Tensor")
def exponential(
    g: Builder, self: Tensor, lambd: Number = 1.0, *, generator: object = None
) -> Tensor:
    """-log(u) / lambd, u being spread evenly over (0, 1]."""
    drawn = g.Neg(g.Log(positive_uniform(g, self, self.dtype)))
    return g.Div(drawn, g.constant(lambd, self.dtype))


@symbolic("aten::geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor")
def geometric(g: Builder, self: Tensor, p: float, *, generator: object = None) -> Tensor:
    """How many trials it takes to succeed, each with probability p."""
    drawn = g.Log(positive_uniform(g, self, DOUBLE))
    trials = g.Max(g.Ceil(g.Div(drawn, math.log1p(-float(p)))), 1)
    return g.cast(trials, self.dtype)


@symbolic(
    "aten::log_normal(Tensor self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor"
)
def log_normal(
    g: Builder,
    self: Tensor,
    mean: Number = 1.0,
    std: Number = 2.0,
    *,
    generator: object = None,
) -> Tensor:
    """The exponential of normal numbers."""
    return g.Exp(normal_functional(g, self, mean, std))


@symbolic(
    "aten::cauchy(Tensor self, float median=0., float sigma=1., *, Generator? generator=None) -> Tensor"
)
def cauchy(
    g: Builder,
    self: Tensor,
    median: Number = 0.0,
    sigma: Number = 1.0,
    *,
    generator: object = None,
) -> Tensor:
    """median + sigma * tan(pi * (u - 1/2)), u being spread evenly over [0, 1)."""
    angle = g.Mul(g.Sub(uniform_like(g, self, self.dtype), 0.5), math.pi)
    spread = g.Mul(g.Tan(angle), g.constant(sigma, self.dtype))
    return g.Add(spread, g.constant(median, self.dtype))


def discrete(g: Builder, self: Tensor, low: Number, high: Number) -> Tensor:
    """Integers over [low, high) in the shape and dtype of `self`."""
    return integers_like(g, self, low, high, self.dtype)


@symbolic("aten::random(Tensor self, *, Generator? generator=None) -> Tensor")
def random(g: Builder, self: Tensor, *, generator: object = None) -> Tensor:
    """Any number that the dtype can hold exactly, from 0 on."""
    digits = {"FLOAT": 24, "DOUBLE": 53, "FLOAT16": 11, "BFLOAT16": 8, "BOOL": 1, "UINT8": 8}
    bits = digits.get(self.dtype.name, self.dtype.itemsize * 8 - 1)
    # Doubles, in which these are drawn, count to 2 ** 53.
    return discrete(g, self, 0, 2.0 ** min(int(bits), 53))


@symbolic("aten::random.to(Tensor self, int to, *, Generator? generator=None) -> Tensor")
def random_to(g: Builder, self: Tensor, to: Dim, *, generator: object = None) -> Tensor:
    """Integers below `to` in the shape and dtype of `self`."""
    return discrete(g, self, 0, to)


@symbolic(
    "aten::random.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor"
)
def random_from(
    g: Builder, self: Tensor, from_: Dim, to: Dim | None, *, generator: object = None
) -> Tensor:
    """Integers from `from` to below `to` in the shape and dtype of `self`."""
    if to is None:
        raise Unsupported("random numbers without an upper end")
    return discrete(g, self, from_, to)
