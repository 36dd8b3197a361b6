"""Scripted programs are saved, lowered and run: what the IR computes is what PyTorch computes."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.torchscript.running import Raised, Runner, saved_program


def early_return(x: Tensor, n: int):
    if n > 3:
        return x
    if n > 2:
        for i in range(n):
            if i == 2:
                return x * i
    y = x
    if n == 1:
        y = x + 1
        z = 3
    else:
        z = 4
        n += 1
    return y * z + n


def while_break_continue(x: Tensor, n: int):
    i = 0
    while i < n:
        x = x + i
        i += 1
        if i == 4:
            break
        if i % 2 == 0:
            continue
        x = x * 2
    return x, i


def while_true(x: Tensor, n: int):
    count = 0
    while True:
        if bool(x.sum() > n):
            return x, count
        x = x + 1
        count += 1


def nested_loops(x: Tensor, n: int):
    total = 0
    for i in range(n):
        for j in range(i, 10, 3):
            if j == 7:
                break
            total += i * j
            x = x + j
        while total % 5 != 0:
            total -= 1
    for k in range(5, n, -1):
        total += k
    return x, total


def swapped_in_loop(x: Tensor, n: int):
    a, b = x, x + 1
    for _ in range(n):
        a, b = b, a + b
    return a, b


def containers(x: Tensor, n: int):
    table: dict[str, list[int]] = {}
    table["a"] = [n, 2]
    table["b"] = torch.jit.annotate(list[int], [])
    for key in table:
        table[key].append(len(key))
    pairs = [(i, i * i) for i in range(n)]
    total = 0
    for a, b in pairs:
        total += a * b
    squares = {i: x * i for i in range(n)}
    keep: list[int | None] = [1, None, n]
    first, second = [x, x + 1]
    (p, q), r = (n, 2), "s"
    return table, pairs, total, squares, keep, first + second, p + q, r, pairs[1:], (1, 2.5)[1]


def refinement(x: Tensor, n: int):
    o: int | None = None
    if n > 2:
        o = n
    y = x if o is None else x + o
    u: int | str = 3
    if n > 1:
        u = "text"
    kind = 0
    if isinstance(u, int):
        kind = u
    if o is not None and o > 3:
        kind += o
    return y, kind, o


def constants(x: Tensor, n: int):
    return (
        x * 1.0,
        float("inf"),
        float("-inf"),
        -2.5,
        1e-10,
        9223372036854775807,
        -9223372036854775807,
        complex(1.0, -2.0),
        2j,
        "quote\" ' \n\t\\ ümlaut \x01",
        "",
        None,
        True,
        [[1, -2], [3]],
    )


def writes(x: Tensor, n: int):
    x = x.clone()
    x[0] = 3
    x[1:2] += 1
    x[x > 2] = 5.0
    x[:, 1] *= n
    return x


def any_type(x: Tensor, n: int):
    value: Any = x if n > 2 else n
    if isinstance(value, Tensor):
        return value + 1
    return x


def comparison(x: Tensor, n: int):
    return 1 < n < 3, (n > 1 and bool(x.sum() > 0)) or n == 0, not (n == 2 or n > 4)


def chunks(x: Tensor, n: int):
    a, b = torch.max(x, 0)
    c, d = x.split(1)
    rows, columns = x.shape
    return a, b, c + d, rows * columns, x.max(1)


def raising(x: Tensor, n: int):
    if n < 3:
        y = x + n
    else:
        raise ValueError(f"n is {n}")
    assert n != 2, "not two"
    return y + 1


def formatted(x: Tensor, n: int):
    return f"{n} rows", "{}-{}".format(n, "a"), str(n) + "!"


def no_gradient(x: Tensor, n: int):
    y = x
    with torch.no_grad():
        if n > 2:
            x = x + 1
        y = x * n
    return x + y


def _twice(x: Tensor, n: int = 2) -> Tensor:
    return x * n


def forked(x: Tensor, n: int):
    future = torch.jit.fork(_twice, x, n)
    return torch.jit.wait(future) + _twice(x)


def unused_results(x: Tensor, n: int):
    items = [n]
    items.append(3)
    items.pop() if False else None
    del items[0]
    return items, torch.add(x, x, alpha=n)


class Pair(NamedTuple):
    first: Tensor
    second: int


def named_tuple(x: Tensor, n: int):
    pair = Pair(x, n)
    a, b = pair
    return pair.first + a, pair.second + b


@torch.jit.script
class Counter:
    def __init__(self, start: int):
        self.count = start

    def step(self, by: int = 1) -> int:
        self.count += by
        return self.count


def script_class(x: Tensor, n: int):
    counter = Counter(n)
    counter.step()
    counter.step(5)
    return x * counter.count


PROGRAMS = [
    early_return,
    while_break_continue,
    while_true,
    nested_loops,
    swapped_in_loop,
    containers,
    refinement,
    constants,
    writes,
    any_type,
    comparison,
    chunks,
    raising,
    formatted,
    no_gradient,
    forked,
    unused_results,
    named_tuple,
    script_class,
]


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_function_computes_what_pytorch_computes(function):
    scripted = torch.jit.script(function)
    program, name = saved_program(scripted)
    for n in range(6):
        x = torch.arange(6.0).reshape(2, 3) - 1
        try:
            expected = scripted(x.clone(), n)
        except Exception:
            with pytest.raises(Raised):
                Runner(program).call(program.method(name, "forward"), None, x.clone(), n)
            continue
        found = Runner(program).call(program.method(name, "forward"), None, x.clone(), n)
        assert_same(found, expected)


def assert_same(found, expected):
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for part, other in zip(found, expected, strict=True):
            assert_same(part, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_same(list(found.values()), list(expected.values()))
    else:
        assert type(found) is type(expected)
        assert repr(found) == repr(expected)


class Cell(nn.Module):
    count: int

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.named = nn.ModuleDict({"lambda": nn.ReLU(), "with space": nn.Tanh()})
        self.register_buffer("mean", torch.ones(3))
        self.count = 0
        self.sizes = (1, 2)

    @torch.jit.export
    def shifted(self, x: Tensor, by: float = 0.5) -> Tensor:
        return x + by

    def forward(self, x: Tensor, scale: Tensor | None = None, size: tuple[int, int] = (1, 2)):
        for layer in self.layers:
            x = layer(x)
        for _, activation in self.named.items():
            x = activation(x)
        if scale is not None:
            x = x * scale
        elif self.training:
            x = x * size[1]
        self.count += 1
        self.mean += 1
        return self.shifted(x, 0.25) + self.mean + self.count


def test_module_with_state():
    module = torch.jit.script(Cell())
    twin = torch.jit.script(Cell())
    twin.load_state_dict(module.state_dict())
    program, name = saved_program(module)
    forward = program.method(name, "forward")
    for arguments in [(torch.ones(2, 3),), (torch.ones(1, 3), torch.ones(3))]:
        assert_same(Runner(program).call(forward, twin, *arguments), module(*arguments))


def test_traced_module():
    module = torch.jit.trace(nn.Sequential(nn.Linear(2, 3), nn.GELU()), torch.ones(1, 2))
    program, name = saved_program(module)
    x = torch.randn(4, 2)
    assert_same(Runner(program).call(program.method(name, "forward"), module, x), module(x))
