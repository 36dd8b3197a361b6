"""Lists, dicts, tuples, strings, Optional and Union, enums, classes, interfaces."""

from enum import Enum
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.conversion.harness import check, refuses

X = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
POS, NEG = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, -2.0, -3.0])


def test_list_methods() -> None:
    def program(x):
        l = [3, 1, 2]
        l.append(7)
        l.extend([5, 1])
        l.insert(1, 9)
        popped = l.pop(0)
        last = l.pop()
        l.remove(9)
        at = l.index(2)
        n = l.count(1)
        m = l.copy()
        m.reverse()
        l.sort()
        k = sorted(m)
        m.clear()
        del l[0]
        s = [1, 2] * 2 + [0]
        has = 7 in l and 8 not in l
        return (
            x,
            popped,
            last,
            at,
            n,
            l,
            k,
            len(m),
            s,
            has,
            min(s),
            max(s),
            sum(s),
            l == k,
            l != k,
        )

    check(program, (X,))


def test_list_slices() -> None:
    def program(x):
        l = [0, 1, 2, 3, 4, 5]
        l2 = l[1:5:2]
        l[0] = l[-1]
        l3 = l[::2]
        return x, l[1:3], l2, l[-2:], l[:-4], l3, l[10:], l

    check(program, (X,))


def test_sorting_strings_and_descending() -> None:
    def program(x):
        names = ["b", "c", "a"]
        names.sort()
        values = [1.5, -2.0, 3.0]
        values.sort(reverse=True)
        return x * len(names[0]), values, ",".join(names) == "a,b,c"

    check(program, (X,))


def test_aliases_of_lists() -> None:
    def program(x):
        a = [x, x + 1]
        b = a
        c = list(a)
        b.append(x * 2)
        a[0] = x * 3
        return a, b, c

    check(program, (X,))


def test_a_tensor_in_a_list_is_written() -> None:
    def program(x):
        y = x * 1
        l = [y, x + 1]
        l[0].add_(1)
        l[1][0] = 5.0
        y.mul_(2)
        d = {"y": y}
        d["y"][1] = 7.0
        t = (y, 1)
        t[0].sub_(1)
        return l, y, d["y"]

    check(program, (X,))


def test_dict_methods() -> None:
    def program(x):
        d = {"a": 1, "b": 2}
        d["c"] = 3
        d.update({"a": 10, "z": 26})
        got = d.get("nope", -1)
        first = d.setdefault("q", 5)
        again = d.setdefault("a", 5)
        p = d.pop("b")
        q = d.pop("gone", 99)
        del d["z"]
        e = d.copy()
        e["a"] = 0
        keys = len(list(d.keys()))
        total = 0
        for v in d.values():
            total += v
        has = "c" in d and "b" not in d
        e.clear()
        return x, got, first, again, p, q, keys, total, has, len(e), d

    check(program, (X,))


def test_dicts_with_other_keys() -> None:
    def program(x):
        d: dict[int, Tensor] = {1: x, 2: x + 1}
        f: dict[float, int] = {0.5: 3}
        total = torch.zeros(2)
        for k, v in d.items():
            total = total + v.sum(0) * k
        pairs = dict([("a", 1), ("b", 2)])
        return total, f[0.5], pairs["b"], 2 in d

    check(program, (X,))


class Point(NamedTuple):
    x: Tensor
    n: int
    name: str = "p"


def test_named_tuples() -> None:
    def shift(p: Point, by: int) -> Point:
        return Point(p.x + by, p.n + by, p.name)

    def program(x):
        p = shift(Point(x, 2), 3)
        a, n, _ = p
        return p, a * n, p[1], p.name == "p", len(p)

    check(program, (X,))


def test_tuples() -> None:
    def program(x):
        t = (x, 1, (2.5, "s"))
        a, b, (c, d) = t
        u = t + (3,)
        return a * b + c, u[-1], t[2][0], d, (1, 2) == (1, 2), t[1:][0]

    check(program, (X,))


def test_strings() -> None:
    def program(x, s: str):
        n = 0
        if s.lower().startswith("hello") and s.endswith("ld"):
            n += 1
        n += s.find("o") * 10 + s.rfind("o") * 100 + s.count("l") * 1000
        parts = s.split(" ")
        n += len(parts) * 10000
        if "-".join(parts).replace("-", "+") == "Hello+World":
            n += 7
        if s[0] == "H" and s[-1] == "d" and s[1:3] == "el" and s.upper() == "HELLO WORLD":
            n += 9
        if f"{s.strip()} is {3}" == "Hello World is 3" and "%d%s" % (3, "x") == "3x":
            n += 11
        if s.isalpha() or not "12".isdigit() or s.title() != s:
            n += 13
        if f"{n}" == str(n) and int("12") == 12 and float("1.5") == 1.5:
            n += 17
        for c in s:
            if c == "o":
                n += 1
        return (
            x * n,
            n,
            len(s),
            ord("a"),
            s.partition(" ")[0] == "Hello",
            s == "Hello World",
            "a" < "b",
        )

    check(program, (X, "Hello World"))


def test_optional_refinement() -> None:
    def inner(x: Tensor, scale: float | None, bias: Tensor | None) -> Tensor:
        if scale is not None:
            x = x * scale
        if bias is None:
            bias = torch.ones(2)
        assert bias is not None
        return x + bias

    def program(x):
        return inner(x, None, None), inner(x, 2.0, None), inner(x, None, x[0])

    check(program, (X,))


def test_union_refinement() -> None:
    def size_of(v: int | float | Tensor | list[int]) -> int:
        if isinstance(v, int):
            return v
        if isinstance(v, Tensor):
            return v.size(0)
        if isinstance(v, list):
            return len(v)
        return 100

    def program(x):
        return x, size_of(3), size_of(2.5), size_of(x), size_of([1, 2])

    check(program, (X,))


def test_isinstance_of_containers() -> None:
    def kind(v: list[Tensor] | dict[str, Tensor] | tuple[int, int] | str) -> int:
        if isinstance(v, str):
            return 4
        if torch.jit.isinstance(v, dict[str, Tensor]):
            return 2
        if torch.jit.isinstance(v, tuple[int, int]):
            return 3
        return 1

    def program(x):
        a, b = kind([x]), kind({"a": x})
        return x, a, b, kind((1, 2)), kind("s")

    check(program, (X,))


class Color(Enum):
    RED = 1
    GREEN = 2


def test_enums() -> None:
    def value(c: Color) -> int:
        if c == Color.RED:
            return c.value * 10
        return c.value

    def program(x):
        return (
            x,
            value(Color.RED),
            value(Color.GREEN),
            Color.RED.name == "RED",
            Color.RED == Color.GREEN,
        )

    check(program, (X,))


@torch.jit.script
class Accumulator:
    def __init__(self, start: Tensor, step: int = 1) -> None:
        self.total = start
        self.count = 0
        self.step = step
        self.log: list[Tensor] = []

    def add(self, x: Tensor) -> "Accumulator":
        self.total = self.total + x * self.step
        self.count += 1
        self.log.append(x)
        return self

    @property
    def mean(self) -> Tensor:
        return self.total / self.count

    def __len__(self) -> int:
        return self.count

    def __contains__(self, n: int) -> bool:
        return n < self.count

    def __add__(self, other: Tensor) -> Tensor:
        return self.total + other


def test_script_classes() -> None:
    def program(x):
        a = Accumulator(x, 2)
        b = a
        a.add(x).add(x + 1)
        b.total[0] = 0.0
        return a.total, a.mean, len(a), 1 in a, a + x, torch.stack(b.log), b is a

    check(program, (X,))


def test_a_class_object_changed_in_a_branch_and_a_loop() -> None:
    def program(x, n: int):
        a = Accumulator(x)
        if bool(x.sum() > 0):
            a.add(x * 2)
        else:
            a.total = x - 1
        for i in range(n):
            a.total = a.total * 0.5 + i
            a.count += 1
        return a.total, a.count

    check(program, (POS, 2), (NEG, 0), (NEG, 3))


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Scale(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class Shift(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Containers(nn.Module):
    first: Layer

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Scale(2.0), Shift(), Scale(0.5)])
        self.named = nn.ModuleDict({"a": Shift(), "b": Scale(3.0)})
        self.chain = nn.Sequential(Scale(-1.0), Shift())
        self.first = Scale(5.0)
        self.params = nn.ParameterList([nn.Parameter(torch.ones(2) * i) for i in range(3)])
        self.sizes = [1, 2]
        self.table = {"k": 3}

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x) + i
        for name, layer in self.named.items():
            if name == "b":
                x = layer(x)
        x = self.chain(x)
        x = self.first.forward(x)
        for p in self.params:
            x = x + p
        return x * self.sizes[1] + self.table["k"], len(self.layers)


def test_module_containers_and_interfaces() -> None:
    check(Containers(), (X,))


def test_tolist() -> None:
    def program(x, k):
        values: list[list[float]] = x.tolist()
        ks: list[int] = k.tolist()
        total = 0
        for n in ks:
            total += n
        return values[0][1], len(values), total, ks

    check(program, (X, torch.tensor([1, 2, 3])))


def test_tolist_of_a_dynamic_size() -> None:
    def program(k):
        ks: list[int] = k.tolist()
        total = 0
        for n in ks:
            total = total * 2 + n
        return total, len(ks)

    check(program, (torch.tensor([1, 2, 3]),), (torch.tensor([4]),), dynamic=True)


def test_tolist_of_one_number() -> None:
    def program(x):
        value: float = x.sum().tolist()
        return value * 2

    check(program, (X,))


def test_membership_in_a_list_of_run_time() -> None:
    def program(x, n: int):
        l: list[int] = []
        for i in range(n):
            l.append(i * 2)
        return 4 in l, 5 in l, n in l, x

    check(program, (X, 3), (X, 0), (X, 6))


def test_fork_and_wait() -> None:
    def twice(x: Tensor, n: int) -> Tensor:
        return x * n

    def program(x):
        a = torch.jit.fork(twice, x, 2)
        b = torch.jit.fork(twice, x, 3)
        return torch.jit.wait(a) + torch.jit.wait(b)

    check(program, (X,))


def test_a_missing_key_says_so() -> None:
    def program(x):
        d = {"a": x}
        return d["b"]

    refuses(program, X, match="no key 'b'")


def test_lists_of_lists_and_tuples() -> None:
    def program(x):
        ll = [[1, 2], [3]]
        ll[1].append(4)
        pairs: list[tuple[str, Tensor]] = [("a", x), ("b", x + 1)]
        out = torch.zeros(2)
        for name, t in pairs:
            if name == "b":
                out = out + t.sum(0)
        return out, ll[1][1], len(ll), [len(l) for l in ll], {"k": [x]}

    check(program, (X,))


def test_lists_of_lists_changed_at_a_run_time_index() -> None:
    """Their length stays known: no run-time list could hold the items."""

    def program(x, i: int):
        hyps = [([0], x.sum()), ([1], x.max()), ([2, 3], x.min())]
        groups = [[1, 2], [3, 4], [5, i]]
        seq, score = hyps.pop(i)
        scores = [s for _, s in hyps]
        groups.insert(i, [7, 8])
        first = groups[0][0] + 10 * groups[1][0]
        del groups[i]
        groups.insert(i - 5, [9, 9])
        groups.insert(i + 7, [6, 0])
        digits = 0
        for group in groups:
            digits = 10 * digits + group[0]
        return score, torch.stack(scores), len(hyps), first, digits, seq[0]

    check(program, (X, 0), (X, 1), (X, 2), (X, -1), (X, -3))


def test_modules_as_an_interface_by_name_and_by_index() -> None:
    @torch.jit.interface
    class Step(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pass

    class Twice(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    class Less(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - 1

    class Steps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.listed = torch.nn.ModuleList([Twice(), Less()])
            self.named = torch.nn.ModuleDict({"twice": Twice(), "less": Less()})

        def forward(self, x: torch.Tensor, name: str) -> torch.Tensor:
            for i in range(2):
                step: Step = self.listed[i]
                x = step.forward(x)
            last: Step = self.listed[-1]
            named: Step = self.named[name]
            return named.forward(last.forward(x))

    check(Steps(), (torch.ones(2), "less"))
    check(Steps(), (torch.ones(2), "twice"))


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float16, torch.int16])
def test_lists_of_run_time_length_keep_any_dtype(dtype: torch.dtype, opset: int) -> None:
    """onnxruntime splits tensors of few dtypes into a sequence."""

    def program(x):
        parts = list(x.unbind(0))
        parts.append(x[0])
        return parts

    x = torch.arange(6).reshape(3, 2).to(dtype)
    check(program, (x,), (x[:1],), dynamic=True, opset_version=opset)


def test_parts_of_a_tensor_whose_dims_change_in_place() -> None:
    def program(x):
        rows, pieces = list(x.unbind(0)), list(x.split(2))
        x.unsqueeze_(0)
        rows[0].add_(1)
        pieces[0].mul_(2)
        return rows, pieces, x

    check(program, *((torch.rand(size, 2),) for size in (3, 1, 4)), dynamic=True)


def test_sizes_made_of_numbers() -> None:
    def program(x, n: int):
        size = torch.Size([n, x.size(0)])
        shape = torch.Size(x.size())
        return x.new_zeros(size), torch.ones(shape), len(size), shape == x.size(), size[-1]

    check(program, (torch.ones(3, 2), 4), (torch.ones(3, 2), 0))
