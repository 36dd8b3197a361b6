"""Expressions of random programs: tensors by views, arithmetic, indexing and gathering; numbers."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from tests.conversion.random_programs import Leave, Setting

__all__ = ["Expressions", "Scope"]

DTYPES = ("float32", "int64", "float64", "int32", "bool")


@dataclass
class Scope:
    """The names that are visible, by kind (the keys of `random_programs.RETURNED`)."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def inner(self) -> "Scope":
        return Scope({kind: list(names) for kind, names in self.names.items()})

    def leave(self) -> Leave:
        return Leave({kind: tuple(names) for kind, names in self.names.items()})

    def of(self, kind: str) -> list[str]:
        return self.names.setdefault(kind, [])


@dataclass
class Expressions:
    """Writes expressions over the visible names, with an eye on their current values.

    `top` says that this is no branch or loop, where what is less well known is refused more often.
    """

    rng: random.Random
    scope: Scope
    state: dict[str, Any]
    fresh: Callable[[str], str]
    setting: Setting
    top: bool = False
    # How a helper is called, if there is one.
    helper: str = ""

    # ------------------------------------------------------------ names and arguments

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def tensor(self) -> str:
        return self.rng.choice(self.scope.of("tensor"))

    def tensors(self) -> str:
        return self.rng.choice(self.scope.of("list"))

    def value(self, name: str) -> Any:
        """What a name holds, attributes of the module included."""
        if name.startswith("self."):
            return getattr(self.state.get("self"), name[5:], None)
        return self.state.get(name)

    def shape(self, name: str) -> tuple[int, ...]:
        value = self.value(name)
        return tuple(value.shape) if isinstance(value, torch.Tensor) else ()

    def dim(self, name: str, extra: int = 0) -> int:
        rank = len(self.shape(name)) + extra
        return self.rng.randint(-rank, rank - 1) if rank else 0

    def size(self, name: str, dim: int) -> int:
        shape = self.shape(name)
        return shape[dim] if shape else 0

    def integer(self) -> str:
        if self.maybe(0.3):
            return self.rng.choice(self.scope.of("int"))
        return str(self.rng.randint(-2, 4))

    def index(self, size: int) -> str:
        if self.maybe(0.15):
            return self.rng.choice(self.scope.of("int"))
        return str(self.rng.randint(-size, size - 1) if size else 0)

    def bound(self, size: int) -> str:
        """The bound of a slice."""
        if self.maybe(0.15):
            return self.rng.choice(self.scope.of("int"))
        return str(self.rng.randint(-size - 1, size + 1))

    def target(self, kind: str, chance: float = 0.5) -> str:
        """A variable to assign to: one that is there, or a new one."""
        names = self.scope.of(kind)
        # In a branch or loop another tensor for an outer variable often leaves its rank open.
        if names and self.maybe(chance if self.top else chance * 0.6):
            return self.rng.choice(names)
        name = self.fresh(kind)
        names.append(name)
        return name

    def places(self, a: str, b: str, dim: int) -> str:
        """Indices into a dim, as many as `b` has elements.

        Of an empty tensor PyTorch doesn't look at the divisor, onnxruntime does.
        """
        return f"{b}.long().abs() % max({a}.size({dim}), 1)"

    def pieces(self, a: str, dim: int) -> str:
        """A tensor in pieces. Where sizes vary, `chunk` fails if PyTorch gives fewer pieces."""
        fixed = not self.setting.dynamic and not self.setting.state
        ways = [
            f"{a}.unbind({dim})",
            f"{a}.split(1, {dim})",
            f"{a}.split(2, {dim})",
            f"{a}.tensor_split(2, {dim})",
        ]
        return self.rng.choice(
            ways + [f"{a}.chunk(2, {dim})", f"{a}.unsafe_chunk(2, {dim})"] * fixed
        )

    def own(self, value: str) -> str:
        """In a branch or loop mostly a tensor of its own.

        A variable that is another tensor's alias on one path only may be refused where either is
        written.
        """
        return value if self.top or self.maybe(0.2) else f"({value}).clone()"

    # ------------------------------------------------------------ tensors

    def any_tensor(self) -> str:
        kinds = [
            self.pointwise, self.typed, self.view, self.view, self.sized_view, self.reduced,
            self.indexed, self.joined, self.made, self.copied,
        ]  # fmt: skip
        return self.rng.choice(kinds)()

    def pointwise(self) -> str:
        a, b = self.tensor(), self.tensor()
        return self.rng.choice([
            f"{a} + {b}", f"{a} - {b}", f"{a} * {self.integer()}", f"-{a}", f"{a}.abs()", f"{a}.relu()",
            f"torch.maximum({a}, {b})", f"{a}.clamp({self.rng.randint(-3, 0)}, 3)", f"{a}.clone()", f"{a}",
            f"torch.where({a} > {b}, {a}, {b})", f"{a}.masked_fill({a} < 0, 2.0)", f"{a} + {self.integer()}",
            f"{a} // 2", f"{a}.sign()", f"({a} > {b}).to({a}.dtype)", f"{a}.contiguous()", f"{a} % 3",
            f"{a}.clamp(min={self.integer()})", f"torch.where({a} > 0, {a}, {self.integer()})",
            f"torch.minimum({a}, {b}) * {b}", f"{self.integer()} - {a}", f"torch.fmod({a}, 3)",
            f"{a}.floor_divide(2)", f"{a}.square()", f"{a}.tril()", f"{a}.triu(1)", f"{a}.flip([{self.dim(a)}])",
        ])  # fmt: skip

    def typed(self) -> str:
        """Other dtypes: comparisons, conversions and what promotion gives."""
        a, b, r = self.tensor(), self.tensor(), self.rng.choice(self.scope.of("float"))
        return self.rng.choice([
            f"{a} > {b}", f"{a} == {self.integer()}", f"{a} * {r}", f"{a} / 2", f"{a}.long()", f"{a}.to({b}.dtype)",
            f"{a}.to(torch.{self.rng.choice(DTYPES)})", f"{a}.type_as({b})", f"{a}.to(torch.bool)", f"~({a} > 0)",
            f"({a} > 0) & ({b} > 0)", f"({a} != 0) | ({b} < 1)", f"{a}.long() ^ 3", f"{a}.half()", f"{a}.double() - {b}",
            f"{a}.long() << 1", f"{a} + {r}", f"torch.logical_and({a}, {b})", f"{a}.long() >> 1",
            f"torch.where({a} > {b}, {a}, {r})", f"{a} ** 2", f"{r} * {a}", f"{a}.eq({b})", f"torch.isin({a}, {b})",
        ])  # fmt: skip

    def copied(self) -> str:
        """Copies, or not, in this or another order in memory: what is the tensor itself, what a view."""
        a = self.tensor()
        order = self.rng.choice(["contiguous_format", "preserve_format"])
        if len(self.shape(a)) == 4:  # noqa: PLR2004  images alone have it
            order = "channels_last"
        turned = self.rng.choice([a, f"{a}.transpose({self.dim(a)}, 0)", f"{a}[..., ::2]"])
        return self.rng.choice([
            f"{turned}.to({a}.dtype, copy=True)", f"{turned}.clone(memory_format=torch.{order})",
            f"{turned}.to({self.tensor()}.dtype)", f"{turned}.clone().flatten()", f"{turned}.contiguous()",
            f"{turned}.double().flatten()", f"torch.zeros_like({turned}).flatten()", f"{turned}.to({a}.dtype)",
            f"{a}.to({a}.dtype, memory_format=torch.{order})", f"{a}.nonzero().flatten()", f"({turned} + 1).flatten()",
        ])  # fmt: skip

    def view(self) -> str:
        a = self.tensor()
        rank, dim = len(self.shape(a)), self.dim(a)
        size = self.size(a, dim)
        step = self.rng.choice(["", "", ":2", ":3"])
        permuted = list(range(rank))
        self.rng.shuffle(permuted)
        first = self.size(a, 0)
        low, high = sorted((self.rng.randint(0, size), self.rng.randint(0, size)))
        if self.maybe(0.1):
            return self.rng.choice([
                f"{self.pieces(a, dim)}[{self.rng.choice([0, -1])}]", f"torch.cat({self.pieces(a, dim)}, {dim})", f"torch.stack({self.pieces(a, 0)}[::-1])",
            ])  # fmt: skip
        if self.top and self.maybe(0.05):
            # Where the size is not known, how many dims there are afterwards is not, either.
            return self.rng.choice([f"{a}.squeeze()", f"{a}.squeeze({dim})"])
        return self.rng.choice([
            f"{a}.select({dim}, {self.index(size)})", f"{a}[{self.index(first)}]",
            f"{a}[{self.bound(first)}:{self.bound(first)}{step}]", f"{a}[{self.bound(first)}:{step}]",
            f"{a}[:{self.bound(first)}{step}]", f"{a}[..., {self.bound(2)}:]", f"{a}[-3:-1]",
            f"{a}.narrow({dim}, {low}, {high - low})", f"{a}[..., ::2]", f"{a}[:, {self.bound(2)}:]",
            f"{a}.transpose({dim}, {self.dim(a)})", f"{a}.permute({permuted})", f"{a}.unsqueeze({self.dim(a, 1)})",
            f"{a}.view(-1)", f"{a}.reshape(-1)", f"{a}.flatten()", f"{a}.ravel()", f"{a}.mT", f"{a}.flatten(0, 1)",
            f"{a}.diagonal()", f"{a}.diagonal({self.rng.randint(-1, 1)}, {dim}, {self.dim(a)})", f"{a}.unbind({dim})[0]",
            f"{a}.t()", f"{a}[None]", f"{a}[:, None]", f"{a}.view_as({self.tensor()})", f"{a}.movedim({dim}, {self.dim(a)})",
            f"{a}[:, {self.index(2)}]", f"{a}.swapaxes({dim}, 0)", f"{a}.detach()",
            f"{a}.adjoint()",

        ])  # fmt: skip

    def sized_view(self) -> str:
        """Views to sizes: known ones, and those that the program computes."""
        a, b = self.tensor(), self.tensor()
        shape, dim = self.shape(a), self.dim(a)
        size, numel = self.size(a, dim), math.prod(shape)
        known = [
            f"{a}.view([{numel // max(size, 1)}, {size}])", f"{a}.reshape([{size}, -1])",
            f"{a}.reshape({list(shape[::-1])})", self.own(f"{a}.unsqueeze(0).expand({[2, *shape]})"),
            f"torch.as_strided({a}, [{max(numel // 2, 1)}], [2])", f"torch.as_strided({a}, [2, {size}], [1, 1]).clone()",
            f"torch.as_strided({a}, [{max(size, 1)}], [1], {self.rng.randint(0, 1)})",
        ]  # fmt: skip
        if not self.setting.dynamic and self.maybe(0.4):
            return self.rng.choice(known)
        return self.rng.choice([
            f"{a}.view({a}.size(0), -1)", f"{a}.reshape(-1, {a}.size({dim}))", f"{a}.view({a}.shape)", f"{a}.reshape({b}.shape)",
            f"{a}.reshape({a}.size(0) * {a}.size(1), -1)", self.own(f"{a}.expand_as({b})"), f"{a}.view(-1, 1)",
            self.own(f"{a}.unsqueeze(0).expand([{self.integer()}] + list({a}.shape))"),
            self.own(f"{a}.expand(2, -1, -1)"), f"{a}.unflatten({dim}, [-1, 1])", f"{a}.unflatten({dim}, [1, {a}.size({dim})])",
            f"{a}.unfold({dim}, {min(size, 2)}, 1).clone()", self.own(f"{a}.unfold({dim}, 1, 2)"),
            f"{a}.repeat({[1] * max(len(shape) - 1, 0) + [2]})", f"{a}.tile([2])", f"{a}.reshape([{a}.numel()])",
            f"{a}.repeat_interleave(2, {dim})", f"{a}.new_zeros({b}.shape)", f"{a}.roll({self.integer()}, {dim})",
            f"{a}.rot90()", f"torch.broadcast_to({a}, {b}.shape).clone()", f"{a}[:{b}.size(0)]", f"{a}[{b}.size(0) - 1:]",
        ])  # fmt: skip

    def reduced(self) -> str:
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        keep = self.rng.choice(["", ", keepdim=True"])
        # How equal values are ordered is not defined, and so their places are not compared.
        return self.rng.choice([
            f"{a}.sum({dim}{keep})", f"{a}.sum()", f"{a}.amax({dim}{keep})", f"{a}.cumsum({dim})", f"{a}.max({dim}{keep})[0]",
            f"{a}.sort({dim})[0]", f"{a}.sort({dim}, descending=True)[0]", f"{a}.argmax({dim}) * 0", f"{a}.any({dim}{keep})",
            f"({a} > 0).all({dim})", f"{a}.prod({dim})", f"{a}.amin([{dim}])", f"{a}.topk(1, {dim})[0]", f"{a}.min()",
            f"torch.argsort({a}, {dim}, stable=True)", f"{a}.cummax({dim})[0]", f"({a} > 0).sum({dim})", f"{a}.diff()",
            f"torch.matmul({a}, {b})", f"{a}.count_nonzero()", f"{a}.sum([0, -1])", f"torch.unique({a})", f"{a}.sum(0, dtype=torch.float64)",
        ])  # fmt: skip

    def indexed(self) -> str:
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        size = self.size(a, dim)
        places = self.places(a, b, dim)
        picked = [self.rng.randint(-size, max(size - 1, 0)) for _ in range(self.rng.randint(1, 3))]
        return self.rng.choice([
            f"{a}.index_select({dim}, i)", f"{a}[i]", f"{a}[torch.tensor({picked})]", f"{a}[{a} > 0]", f"{a}[i, i]", f"{a}[:, i]",
            f"{a}[i, 0]", f"{a}[i[:1], i]", f"{a}[{self.index(2)}, i]", f"{a}[i[:, None], i]",
            f"{a}.gather({dim}, {places})", f"{a}.take_along_dim({places}, {dim})", f"{a}.take(i)", f"{a}.masked_select({a} > {b})",
            f"{a}.nonzero()", f"torch.where({a} > 0)[0]", f"{a}.scatter_add({dim}, {places}, {b})", f"{a}[{a} > 0][:2]",
            f"{a}.scatter({dim}, {places}, {self.rng.randint(0, 3)})", f"{a}.index_fill({dim}, i, 2)", f"{a}[[0, -1]]",
            f"{a}.index_add({dim}, i, {b})", f"{a}.index_put([i], {b}.sum().to({a}.dtype))", f"{a}[({a} > 0).any(-1)]", f"{a}[-i]",
            f"{a}.select_scatter({b}, {dim}, {self.index(size)})", f"{a}.slice_scatter({b}, {dim}, 0, 1)", f"{a}[None, i, None]",
        ])  # fmt: skip

    def joined(self) -> str:
        a, b, values = self.tensor(), self.tensor(), self.tensors()
        dim = self.dim(a)
        return self.rng.choice([
            f"torch.cat([{a}, {b}], {dim})", f"torch.cat([{a}, {b}, {a}])", f"torch.stack([{a}, {b}], {self.dim(a, 1)})",
            f"torch.cat({values})", f"torch.stack({values})", f"torch.cat({values}, -1)",
            f"torch.stack([t * 2 for t in {values}])", f"torch.hstack([{a}, {b}])",
            f"torch.cat([t.reshape(-1) for t in {values}])", f"{values}[0] + {a}",
            f"torch.cat([torch.zeros(0), {a}])", f"torch.cat([{a}, {b}[:0]], {dim})", f"torch.cat([torch.zeros(0)] + {values}, -1)",
        ])  # fmt: skip

    def made(self) -> str:
        a = self.tensor()
        k = self.integer()
        r = self.rng.choice(self.scope.of("float"))
        return self.rng.choice([
            f"torch.zeros({a}.shape)", f"torch.zeros_like({a})", f"torch.ones([{k}])", f"torch.full_like({a}, {k})",
            f"{a}.new_zeros([{k}, 2])", f"torch.arange({k})", f"torch.arange({a}.size(0), dtype={a}.dtype)", f"torch.tensor([{k}, {k}])",
            f"torch.full([2, {k}], {r})", f"torch.eye({k})", f"torch.tensor({r}) + {a}", f"torch.empty([0, {k}])", f"{a}.new_full([2], {k})",
            "torch.zeros(0)", f"{a}.new_zeros([0])",
            f"torch.ones([{a}.size(0), {k}])", f"torch.arange(0, {k}, 2)", f"torch.arange({k}, -1, -1)",
        ])  # fmt: skip

    # ------------------------------------------------------------ numbers

    def number(self) -> str:
        """An int."""
        a, n = self.tensor(), self.rng.choice(self.scope.of("int"))
        r, m = self.rng.choice(self.scope.of("float")), self.rng.choice(self.scope.of("int"))
        choices = [
            f"{a}.size({self.dim(a)})", f"{n} + 1", f"{n} // 2", f"len({self.tensors()})", f"{n} * 2 - 1", f"{n} % 3",
            f"int({a}.sum())", f"{a}.dim()", f"min({n}, 2)", f"-{n}", f"abs({n} - 2)", f"{a}.numel()", f"1 if flag else {n}",
            f"int({a}.sum().item())", f"int({r})", f"max({n}, {m})", f"{n} - {m}", f"{a}.shape[{self.dim(a)}] * {n}",
            f"-{n} // 2", f"-{n} % 3", f"len({a})", f"{a}.size(0) // 2", f"int(flag) + {n}", f"int(round({r}))", f"{n} & 1",
            f"{n} if {n} > {m} else {m}", f"int({a}.max())", f"{n} << 1",
        ]  # fmt: skip
        for values in self.scope.of("ints"):
            choices += [
                f"len({values})",
                f"{values}[0]",
                f"sum({values})",
                f"max({values})",
                f"{values}[-1]",
                f"{values}.count({n})",
            ]
        for pair in self.scope.of("pair"):
            choices += [f"{pair}.count", f"{pair}.count + {n}"]
        for mapping in self.scope.of("dict"):
            choices += [f"len({mapping})", f"{mapping}['a'].size(0)"]
        return self.rng.choice(choices)

    def real(self) -> str:
        """A float."""
        a, n = self.tensor(), self.rng.choice(self.scope.of("int"))
        r = self.rng.choice(self.scope.of("float"))
        return self.rng.choice([
            f"{r} * 2", f"{r} + {n}", f"{n} / 2", f"float({n})", f"float({a}.sum())", f"-{r}", f"abs({r})", f"max({r}, 0.5)",
            f"{r} if flag else 1.5", f"{r} // 1", f"{r} % 2.0", f"float(round({r}))", f"{r} * {r}", f"{r} - 0.5",
        ])  # fmt: skip

    def condition(self) -> str:
        """A bool."""
        a, b = self.tensor(), self.tensor()
        n, r = self.rng.choice(self.scope.of("int")), self.rng.choice(self.scope.of("float"))
        choices = [
            f"bool({a}.sum() > 0)", "flag", "not flag", f"{n} > 2", f"{n} == 1", f"{a}.size(0) > 1", f"{a}.numel() > {n}",
            f"len({self.tensors()}) > 2", f"bool({a}.sum() < {self.integer()}) and flag", f"bool(({a} > 1).any())",
            f"{n} < 2 or flag", f"{r} > 0", f"{n} % 2 == 0", f"{a}.dim() == 2", f"{a}.shape == {b}.shape", f"torch.equal({a}, {b})",
            f"0 <= {n} < 3", f"{a}.size(0) == {b}.size(0) and {n} > 0", f"{r} != 1.0 and not flag", f"{n} == int({r})",
            *self.scope.of("bool"), *(f"not {c}" for c in self.scope.of("bool")),
        ]  # fmt: skip
        for values in self.scope.of("ints"):
            choices += [f"{n} in {values}", f"len({values}) > 1"]
        for mapping in self.scope.of("dict"):
            choices += [f"'c' in {mapping}", f"len({mapping}) > 2"]
        return self.rng.choice(choices)
