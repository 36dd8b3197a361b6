"""Random TorchScript programs: views, in-place writes, lists, branches and loops.

A program is grown statement by statement; each candidate is first run by eager PyTorch at the point
where it would stand, and dropped if that fails, so that most programs are valid and mean something.
All tensors hold small whole numbers, so that results agree exactly whatever the order of sums.
`Program.without` gives the smaller programs that a failing one is reduced to.
"""

import linecache
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Union

import torch

__all__ = ["Program", "random_program"]

MAX_STATEMENTS = 12
LARGEST = 1e5
# Of numbers, which sizes and trip counts are made of.
LARGEST_NUMBER = 40

FIRST = "l = [x * 2, y + 1]"

Inputs = dict[str, Any]


# ---------------------------------------------------------------- programs


@dataclass(frozen=True)
class Line:
    """One statement."""

    text: str


@dataclass(frozen=True)
class Leave:
    """`return` of what is visible there, as many values as the program returns."""

    tensors: tuple[str, ...]
    lists: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Compound:
    """`if` with one or two bodies, or a loop with one."""

    header: str
    bodies: tuple[tuple["Statement", ...], ...]


Statement = Union[Line, Leave, Compound]


@dataclass(frozen=True)
class Program:
    """The statements, what is returned, and the calls it is tried with."""

    statements: tuple[Statement, ...]
    result: Leave
    calls: tuple[Inputs, ...]
    dynamic: bool

    def source(self) -> str:
        """The text of the function."""
        head = "def program(x, y, n: int, flag: bool):"
        body = [*self._lines(self.statements, 1), *self._lines((self.result,), 1)]
        return "\n".join([head, f"    {FIRST}", *body, ""])

    def _lines(self, statements: tuple[Statement, ...], depth: int) -> Iterator[str]:
        indent = "    " * depth
        for statement in statements:
            if isinstance(statement, Line):
                yield indent + statement.text
            elif isinstance(statement, Leave):
                yield f"{indent}return {', '.join(self._returned(statement))}"
            else:
                for i, body in enumerate(statement.bodies):
                    yield f"{indent}{'else:' if i else statement.header}"
                    yield from self._lines(body, depth + 1) if body else (f"{indent}    pass",)

    def _returned(self, leave: Leave) -> Iterator[str]:
        for given, wanted in (
            (leave.tensors, self.result.tensors),
            (leave.lists, self.result.lists),
            (leave.numbers, self.result.numbers),
        ):
            yield from (given[i % len(given)] for i in range(len(wanted)))

    def function(self) -> Any:
        """The Python function, with its source where `torch.jit.script` finds it."""
        source = self.source()
        filename = f"<random program {abs(hash(source))}>"
        lines = source.splitlines(keepends=True)
        linecache.cache[filename] = (len(source), None, lines, filename)
        env: dict[str, Any] = {"torch": torch, "__name__": "random_program"}
        exec(compile(source, filename, "exec"), env)
        return env["program"]

    def without(self) -> Iterator["Program"]:
        """Programs with one statement or call less, or one returned value less."""
        for statements in _smaller(self.statements):
            yield replace(self, statements=statements)
        tensors = self.result.tensors
        for i in range(len(tensors)):
            if len(tensors) > 1:
                yield replace(
                    self, result=replace(self.result, tensors=tensors[:i] + tensors[i + 1 :])
                )
        for i in range(len(self.calls)):
            if len(self.calls) > 1:
                yield replace(self, calls=self.calls[:i] + self.calls[i + 1 :])
        if self.dynamic:
            yield replace(self, dynamic=False)


def _smaller(statements: tuple[Statement, ...]) -> Iterator[tuple[Statement, ...]]:
    for i, statement in enumerate(statements):
        yield statements[:i] + statements[i + 1 :]
        if isinstance(statement, Compound):
            for body in statement.bodies:
                yield statements[:i] + body + statements[i + 1 :]
            for k, body in enumerate(statement.bodies):
                for smaller in _smaller(body):
                    bodies = statement.bodies[:k] + (smaller,) + statement.bodies[k + 1 :]
                    yield (
                        statements[:i] + (replace(statement, bodies=bodies),) + statements[i + 1 :]
                    )


# ---------------------------------------------------------------- growing


def random_program(rng: random.Random) -> Program | None:
    """A program that eager PyTorch runs on its first call; None if none was found."""
    return _Grower(rng).grow()


def _inputs(rng: random.Random, shapes: tuple[tuple[int, ...], ...]) -> Inputs:
    def tensor(shape: tuple[int, ...]) -> torch.Tensor:
        count = int(torch.tensor(shape).prod()) if shape else 1
        values = [float(rng.randint(-4, 4)) for _ in range(count)]
        return torch.tensor(values).reshape(shape)

    x, y = map(tensor, shapes)
    return {"x": x, "y": y, "n": rng.randint(0, 4), "flag": rng.random() < 0.5}


@dataclass
class _Scope:
    """The names that are visible, by kind."""

    tensors: list[str] = field(default_factory=lambda: ["x", "y"])
    lists: list[str] = field(default_factory=lambda: ["l"])
    numbers: list[str] = field(default_factory=lambda: ["n"])

    def inner(self) -> "_Scope":
        return _Scope(list(self.tensors), list(self.lists), list(self.numbers))

    def leave(self) -> Leave:
        return Leave(tuple(self.tensors), tuple(self.lists), tuple(self.numbers))


class _Grower:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        rank = rng.choice([1, 1, 2, 2, 2, 3])
        first = tuple(rng.choice([0, 1, 2, 3, 3, 4, 5]) for _ in range(rank))
        second = first if rng.random() < 0.7 else first[1:]
        self.shapes = (first, second)
        self.samples = [_inputs(rng, self.shapes) for _ in range(2)]
        self.dynamic = rng.random() < 0.3
        self.budget = rng.randint(3, MAX_STATEMENTS)
        self.names = 0
        # What runs, straight on, before the point where the next statement will stand.
        self.before = [FIRST]
        self.state: dict[str, Any] = {}

    def grow(self) -> Program | None:
        rng = self.rng
        scope = _Scope()
        if not self.runs([]):
            return None
        statements = self.body(scope, depth=0)
        program = Program(tuple(statements), self.some(scope), (), self.dynamic)
        candidates = [*self.samples, _inputs(rng, self.shapes)]
        candidates.append({**candidates[0], "flag": not candidates[0]["flag"], "n": 1})
        if self.dynamic:
            others = {size: rng.randint(0, 5) for size in range(6)}
            shapes = tuple(tuple(others[d] for d in shape) for shape in self.shapes)
            candidates.append(_inputs(rng, shapes))
        function = program.function()
        calls = [c for c in candidates if accepted(function, c)]
        if not calls or calls[0] is not candidates[0]:
            return None
        return replace(program, calls=tuple(calls))

    def some(self, scope: _Scope) -> Leave:
        """Most of what is visible in the end, as results."""
        kinds = (scope.tensors, scope.lists, scope.numbers)
        kept = [tuple(v for v in names if self.rng.random() < 0.7) for names in kinds]
        return Leave(kept[0] or ("y",), kept[1], kept[2])

    def runs(self, lines: list[str]) -> bool:
        """Whether eager PyTorch runs this here; notes the variables afterwards."""
        source = "\n".join([*self.before, *lines])
        for sample in reversed(self.samples):
            env = {"torch": torch, **{k: _copy(v) for k, v in sample.items()}}
            try:
                exec(compile(source, "<candidate>", "exec"), env)
            except Exception:
                return False
            if not all(_bounded(v) for v in env.values()):
                return False
        self.state = env
        return True

    def body(self, scope: _Scope, depth: int) -> list[Statement]:
        statements: list[Statement] = []
        count = self.budget if depth == 0 else self.rng.randint(1, 3)
        for _ in range(count):
            if self.budget <= 0:
                break
            for _ in range(6):
                found = self.statement(scope, depth)
                if found is not None:
                    statements.append(found)
                    break
        return statements

    def statement(self, scope: _Scope, depth: int) -> Statement | None:
        self.runs([])
        if self.rng.random() < 0.25 and depth < 2 and self.budget > 1:
            return self.compound(scope, depth)
        inner = scope.inner()
        writer = _Writer(
            self.rng, inner, self.state, self.fresh, top=depth == 0, dynamic=self.dynamic
        )
        text = writer.line()
        if text is None:
            return None
        kinds = _dtypes(self.state)
        if not self.runs([text]) or any(
            kinds.get(k, v) != v for k, v in _dtypes(self.state).items()
        ):
            return None
        self.before.append(text)
        self.budget -= 1
        scope.tensors, scope.lists, scope.numbers = inner.tensors, inner.lists, inner.numbers
        return Line(text)

    def compound(self, scope: _Scope, depth: int) -> Statement | None:
        rng = self.rng
        writer = _Writer(rng, scope.inner(), self.state, self.fresh)
        budget, mark = self.budget, len(self.before)
        self.budget -= 1
        if rng.random() < 0.5:
            header, sides, setup = f"if {writer.condition()}:", rng.choice([1, 2]), []
        else:
            header, setup = writer.loop()
            sides = 1
        bodies = []
        for _ in range(sides):
            inner = scope.inner()
            inner.tensors += [s.split(" = ")[0] for s in setup if s.startswith("t")]
            inner.numbers += [s.split(" = ")[0] for s in setup if s.startswith("k")]
            del self.before[mark:]
            self.before += setup
            if not self.runs([]):
                break
            body = self.body(inner, depth + 1)
            if header.startswith("if") and depth < 2 and rng.random() < 0.1:
                body.append(inner.leave())
            bodies.append(tuple(body))
        del self.before[mark:]
        found = Compound(header, tuple(bodies)) if bodies and bodies[0] else None
        if found is not None and not any(isinstance(b[-1], Leave) for b in bodies if b):
            lines = list(Program((), scope.leave(), (), False)._lines((found,), 0))
            if self.runs(lines):
                self.before += lines
                return found
        elif found is not None and len(bodies) == 1:
            return found
        self.budget = budget
        return None

    def fresh(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"


def accepted(function: Any, call: Inputs) -> bool:
    """Whether eager PyTorch runs the call, with results of a size that floats hold exactly."""
    try:
        result = function(**{k: _copy(v) for k, v in call.items()})
    except Exception:
        return False
    return all(map(_bounded, result if isinstance(result, tuple) else (result,)))


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _bounded(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) < 30 and all(map(_bounded, value))
    if isinstance(value, torch.Tensor):
        return value.numel() < 500 and (value.numel() == 0 or bool(value.abs().max() < LARGEST))
    return not isinstance(value, int) or abs(value) < LARGEST_NUMBER


def _dtypes(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.dtype for k, v in state.items() if isinstance(v, torch.Tensor)}


# ---------------------------------------------------------------- statements


class _Writer:
    """Writes one statement over the visible names, with an eye on their current values."""

    def __init__(
        self,
        rng: random.Random,
        scope: _Scope,
        state: dict[str, Any],
        fresh: Callable[[str], str],
        *,
        top: bool = False,
        dynamic: bool = False,
    ) -> None:
        self.rng = rng
        self.top = top
        self.dynamic = dynamic
        self.scope = scope
        self.state = state
        self.fresh = fresh

    def line(self) -> str | None:
        kinds = [self.assign] * 5 + [self.write] * 5 + [self.on_list] * 3 + [self.number]
        return self.rng.choice(kinds)()

    # names and arguments

    def tensor(self) -> str:
        return self.rng.choice(self.scope.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        value = self.state.get(name)
        return tuple(value.shape) if isinstance(value, torch.Tensor) else ()

    def dim(self, name: str, extra: int = 0) -> int:
        rank = len(self.shape(name)) + extra
        return self.rng.randint(-rank, rank - 1) if rank else 0

    def size(self, name: str, dim: int) -> int:
        shape = self.shape(name)
        return shape[dim] if shape else 0

    def integer(self) -> str:
        if self.rng.random() < 0.3:
            return self.rng.choice(self.scope.numbers)
        return str(self.rng.randint(-2, 4))

    def index(self, size: int) -> str:
        if self.rng.random() < 0.15:
            return self.rng.choice(self.scope.numbers)
        return str(self.rng.randint(-size, size - 1) if size else 0)

    def target(self) -> str:
        # In a branch or loop another tensor for an outer variable often leaves its rank open.
        if self.rng.random() < (0.5 if self.top else 0.3):
            return self.tensor()
        name = self.fresh("t")
        self.scope.tensors.append(name)
        return name

    # expressions

    def assign(self) -> str:
        value = self.rng.choice([self.pointwise, self.view, self.view, self.view, self.other])()
        return f"{self.target()} = {self.own(value)}"

    def own(self, value: str) -> str:
        """In a branch or loop mostly a tensor of its own.

        A variable that is another tensor's alias on one path only is refused where either is written.
        """
        return value if self.top or self.rng.random() < 0.1 else f"({value}).clone()"

    def pointwise(self) -> str:
        a, b = self.tensor(), self.tensor()
        return self.rng.choice([
            f"{a} + {b}", f"{a} - {b}", f"{a} * {self.integer()}", f"-{a}", f"{a}.abs()", f"{a}.relu()",
            f"torch.maximum({a}, {b})", f"{a}.clamp({self.rng.randint(-3, 0)}, 3)", f"{a}.clone()", f"{a}",
            f"torch.where({a} > {b}, {a}, {b})", f"{a}.masked_fill({a} < 0, 2.0)", f"{a} + {self.integer()}",
            f"{a} // 2", f"{a}.sign()", f"({a} > {b}).float()", f"{a}.contiguous()", f"{a}.to(torch.float32)",
        ])  # fmt: skip

    def view(self) -> str:
        a = self.tensor()
        rank, dim = len(self.shape(a)), self.dim(a)
        size = self.size(a, dim)
        numel = math.prod(self.shape(a))
        step = self.rng.choice(["", "", ":2"])
        permuted = list(range(rank))
        self.rng.shuffle(permuted)
        low, high = sorted((self.rng.randint(0, size), self.rng.randint(0, size)))
        pieces = [
            f"{a}.chunk(2, {dim})[{self.rng.choice([0, -1])}]", f"{a}.split(2, {dim})[0]",
            f"{a}.squeeze()", f"{a}.squeeze({dim})",
        ]  # fmt: skip
        if self.top and not self.dynamic and self.rng.random() < 0.15:
            # How many pieces or dims there are must be known.
            return self.rng.choice(pieces)
        return self.rng.choice([
            f"{a}.select({dim}, {self.index(size)})", f"{a}[{self.index(self.size(a, 0))}]",
            f"{a}[{self.rng.randint(-2, 2)}:{step}]", f"{a}[:{self.rng.randint(-2, 4)}{step}]",
            f"{a}[..., {self.rng.randint(0, 2)}:]", f"{a}.narrow({dim}, {low}, {high - low})",
            f"{a}.transpose({dim}, {self.dim(a)})", f"{a}.permute({permuted})", f"{a}.unsqueeze({self.dim(a, 1)})",
            f"{a}.view(-1)", f"{a}.reshape(-1)", f"{a}.flatten()",
            f"{a}.view([{numel // max(size, 1)}, {size}])", f"{a}.reshape([{size}, -1])", f"{a}.diagonal()",
            self.own(f"{a}.unsqueeze(0).expand({[2, *self.shape(a)]})"),
            f"{a}.unbind({dim})[0]", f"{a}.t()", f"{a}[None]", f"{a}.view_as({self.tensor()})",
            self.own(f"{a}.expand_as({self.tensor()})"), f"{a}.movedim({dim}, {self.dim(a)})", f"{a}[:, {self.index(2)}]",
            f"{a}.reshape({list(self.shape(a)[::-1])})", f"{a}.swapaxes({dim}, 0)",
        ])  # fmt: skip

    def other(self) -> str:
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        size = self.size(a, dim)
        picked = [self.rng.randint(0, max(size - 1, 0)) for _ in range(self.rng.randint(1, 3))]
        return self.rng.choice([
            f"torch.cat([{a}, {b}], {dim})", f"torch.stack([{a}, {b}], {self.dim(a, 1)})",
            f"{a}.sum({dim})", f"{a}.sum()", f"{a}.amax({dim}, keepdim=True)", f"{a}.flip([{dim}])",
            f"{a}.cumsum({dim})", f"{a}.roll(1, {dim})", f"{a}.index_select({dim}, torch.tensor({picked}))",
            f"{a}[torch.tensor({picked})]", f"{a}[{a} > 0]", f"{a}.repeat({[1] * (len(self.shape(a)) - 1) + [2]})",
            f"torch.zeros({list(self.shape(a))})", f"torch.zeros_like({a})", f"torch.ones([{self.integer()}])",
            # onnxruntime leaves the result undefined where the inner dim is 0 at run time.
            f"torch.matmul({a}, {b})" if not self.dynamic else f"{a} * {b}", f"{a}.max({dim})[0]", f"{a}.sort({dim})[0]",
            f"{a}.argmax({dim}).float() * 0", f"torch.full_like({a}, {self.integer()})",
            f"{a}.tril()", f"{a}.new_zeros([{self.integer()}, 2])", f"torch.cat({self.rng.choice(self.scope.lists)})",
            f"torch.stack({self.rng.choice(self.scope.lists)})",
        ])  # fmt: skip

    # writes

    def write(self) -> str:
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        size = self.size(a, dim)
        numel = math.prod(self.shape(a))
        k = self.integer()
        place = self.rng.choice([
            f"{a}[{self.index(self.size(a, 0))}]", f"{a}[{self.rng.randint(-2, 2)}:]", f"{a}[::2]",
            f"{a}[..., 0]", f"{a}[:, {self.rng.randint(0, 1)}:]", f"{a}[{a} > {k}]",
            f"{a}[torch.tensor([{self.index(self.size(a, 0))}, 0])]", f"{a}[:]", f"{a}[..., :1]",
        ])  # fmt: skip
        if self.top and self.rng.random() < 0.1:
            # Other dims in place: where a branch or a Loop does that to an outer tensor, it is refused.
            return self.rng.choice([
                f"{a}.unsqueeze_({self.dim(a, 1)})", f"{a}.squeeze_({dim})", f"{a}.transpose_({dim}, 0)",
                f"{a}.t_()",
            ])  # fmt: skip
        return self.rng.choice([
            f"{a}.add_({b})", f"{a}.sub_({k})", f"{a}.mul_({b})", f"{a}.neg_()", f"{a}.zero_()", f"{a}.fill_({k})",
            f"{a}.relu_()", f"{a}.clamp_(-2, 2)", f"{a}.copy_({b})", f"{a}.masked_fill_({a} < {k}, 3.0)",
            f"{a} += {b}", f"{a} *= {k}", f"{a}.abs_()", f"{a}.add_({k})",
            f"{place} = {k}", f"{place} = {k}", f"{place} = {b}", f"{place} += {k}", f"{place} *= {k}",
            f"{place} = {b}[:1]",
            # Of an empty tensor PyTorch doesn't look at the index, onnxruntime does.
            f"{a}.index_fill_({dim}, torch.tensor([{self.index(size)}]), {k})" if numel and not self.dynamic else f"{a}.zero_()",
            f"{a}.index_add_({dim}, torch.tensor([{self.index(size)}]), {b})" if numel and not self.dynamic else f"{a}.neg_()",
            f"{a}.select({dim}, {self.index(size)}).add_({k})", f"{a}.transpose({dim}, 0)[0] = {k}",
            f"{a}.diagonal().fill_({k})", f"{a}.view(-1)[0] = {k}", f"{a}.unsqueeze({dim}).mul_({k})",
            f"{a}.t().copy_({b})", f"{a}.narrow({dim}, 0, {self.rng.randint(0, size)}).sub_({k})",
            f"{a}.masked_scatter_({a} > 0, {b}.clone())", f"torch.add({a}, {k}, out={a})",
            f"{a}.flatten()[:1] = {k}", f"{a}.unbind({dim})[0].mul_({k})",
        ])  # fmt: skip

    # lists and numbers

    def on_list(self) -> str:
        values = self.rng.choice(self.scope.lists)
        a = self.own(self.tensor())
        held = self.state.get(values)
        count = len(held) if isinstance(held, list) else 0
        index = self.rng.randint(-count, count - 1) if count else 0
        k = self.rng.randint(0, 5)
        if k == 0:
            return f"{self.target()} = {self.own(f'{values}[{index}]')}"
        if k == 1:
            name = self.fresh("l")
            self.scope.lists.append(name)
            return self.rng.choice([
                f"{name} = {values}", f"{name} = {values}[:{self.rng.randint(1, 3)}]", f"{name} = [{a}, {a} + 1]",
                f"{name} = {values} + [{a}]", f"{name} = list({values})", f"{name} = list({a}.unbind(0))",
                f"{name} = {values} * 2", f"{name} = [t * 2 for t in {values}]",
            ])  # fmt: skip
        return self.rng.choice([
            f"{values}.append({a})", f"{values}.append({a})", f"{values}[{index}] = {a}", f"{values}.insert(0, {a})",
            f"{values}.reverse()", f"{values}.pop()", f"{values}.pop({index})", f"{values}.extend([{a}, {a}])",
            f"{values}[{index}].add_(1)", f"{values}[{index}] = {values}[{index}] + 1", f"{values} += [{a}]",
            f"{values}[{index}][0] = 5",
        ])  # fmt: skip

    def number(self) -> str:
        a = self.tensor()
        target = self.rng.choice(self.scope.numbers)
        if self.rng.random() < 0.5:
            target = self.fresh("k")
            self.scope.numbers.append(target)
        n = self.rng.choice(self.scope.numbers[:1])
        return self.rng.choice([
            f"{target} = {a}.size({self.dim(a)})", f"{target} = {n} + 1", f"{target} = {n} // 2",
            f"{target} = len({self.rng.choice(self.scope.lists)})", f"{target} = {n} * 2 - 1", f"{target} = {n} % 3",
            f"{target} = int({a}.sum())", f"{target} = {a}.dim()", f"{target} = min({n}, 2)", f"{target} = -{n}",
            f"{target} = abs({n} - 2)", f"{target} = {a}.numel()", f"{target} = 1 if flag else {n}",
        ])  # fmt: skip

    def condition(self) -> str:
        a = self.tensor()
        n = self.rng.choice(self.scope.numbers)
        return self.rng.choice([
            f"bool({a}.sum() > 0)", "flag", "not flag", f"{n} > 2", f"{n} == 1", f"{a}.size(0) > 1",
            f"len({self.rng.choice(self.scope.lists)}) > 2", f"bool({a}.sum() < {self.integer()}) and flag",
            f"bool(({a} > 1).any())", f"{n} < 2 or flag",
        ])  # fmt: skip

    def loop(self) -> tuple[str, list[str]]:
        """The header of a loop, and what its first trip assigns."""
        k, t = self.fresh("k"), self.fresh("t")
        a, values = self.tensor(), self.rng.choice(self.scope.lists)
        n = self.rng.choice(self.scope.numbers)
        return self.rng.choice([
            (f"for {k} in range({n}):", [f"{k} = 0"]), (f"for {k} in range({self.rng.randint(0, 3)}):", [f"{k} = 0"]),
            (f"for {k} in range({a}.size(0)):", [f"{k} = 0"]), (f"for {t} in {a}:", [f"{t} = {a}[0]"]),
            (f"for {t} in list({values}):", [f"{t} = {values}[0]"]), (f"for {k} in range(3, {n}, -1):", [f"{k} = 3"]),
            (f"for {k}, {t} in enumerate({a}):", [f"{k} = 0", f"{t} = {a}[0]"]),
        ])  # fmt: skip
