"""Small programs in the part of Python that TorchScript knows: loops, containers, numbers, None.

Each is converted live and from an archive, at an old and the default opset, its numbers inputs of
the model, and compared with the scripted program on calls that take its different ways.
"""

# ruff: noqa: B007, B905, C406, E741, F841, SIM108  programs as people write them

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conversion.harness import converted, leaves, loaded, run, script

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def while_complex(x: Tensor, n: int) -> tuple[Tensor, int]:
    i = 0
    s = 0
    while i < n and not (s > 20 or i == 9):
        s += i * 2
        i += 1
        if i % 3 == 0:
            continue
        x = x + i
    return x, s


def nested_break(n: int, m: int) -> int:
    c = 0
    for i in range(n):
        for j in range(m):
            if j > i:
                break
            if (i + j) % 2 == 0:
                continue
            c += i * 10 + j
        if c > 60:
            break
    return c


def nested_return(n: int, m: int) -> int:
    for i in range(n):
        for j in range(m):
            if i * j > 6:
                return i * 100 + j
        while m > 5:
            m -= 1
            if m == 6 and i == 1:
                return -1
    return n + m


def ranges(a: int, b: int, s: int) -> tuple[int, int, int]:
    t = 0
    for i in range(a, b, s):
        t = t * 3 + i
    u = 0
    for i in range(b):
        u += i
    w = 0
    for i in range(a, b):
        w += i * i
    return t, u, w


def unpack(x: Tensor) -> tuple[Tensor, int]:
    a, (b, c) = (1, (2, 3))
    d, *e = (1, 2, 3)
    f, g, h = [4, 5, 6]
    p, q = x.unbind(0)
    m, n = x.shape
    v, i = x.max(dim=1)
    (s, t), u = (1, 2), 3
    return p + q + v.sum() + i.sum(), a + b + c + d + e[0] + f * g * h + m + n + s + t + u


def index_rt(x: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return x[n], x[:, n], x[..., n:], x[[0, n]]


def aug_targets(x: Tensor, n: int) -> tuple[Tensor, int, list[int], Tensor]:
    y = x.clone()
    y[n] += 1
    y[:, 0] *= 2
    y[y > 2] -= 5
    l = [1, 2]
    l[n] += 10
    l += [n]
    t = n
    t += 3
    d = {"a": x}
    d["a"] += 1
    y += n
    y /= 2
    return y, t, l, d["a"]


def forked(x: Tensor, n: int) -> tuple[Tensor, int]:
    return x + n, n * 2


def fork_loop(x: Tensor, n: int) -> Tensor:
    fs: list[torch.jit.Future[tuple[Tensor, int]]] = []
    for i in range(3):
        fs.append(torch.jit.fork(forked, x, i * n))
    y = x
    for f in fs:
        a, b = f.wait()
        y = y + a * b
    return y


def dict_ops(x: Tensor, n: int) -> tuple[int, int, Tensor]:
    d = {1: x, 2: x + 1}
    d.update({3: x * n})
    k = list(d.keys())
    v = list(d.values())
    e = d.copy()
    e.clear()
    g = d.get(9)
    h = d.get(1, x)
    d.setdefault(5, x)
    z = dict([("a", 1), ("b", 2)])
    t = 0
    for q in sorted(z.keys()):
        t += z[q]
    return len(k) + len(v) + len(e) + t, sum(k), h + d[5] + d.pop(3)


def while_true(x: Tensor, n: int) -> tuple[Tensor, int]:
    i = 0
    while True:
        if i >= n:
            break
        i += 1
        if i == 5:
            return x * 100, i
        x = x + i
    return x, i


def dict_of_lists(x: Tensor, n: int) -> Tensor:
    d: dict[str, list[Tensor]] = {"a": [], "b": [x]}
    for i in range(n):
        d["a"].append(x * i)
    d["b"].append(x + 1)
    y = x
    for k, v in d.items():
        for t in v:
            y = y + t
    return y


def dict_of_dicts(x: Tensor, n: int) -> Tensor:
    d: dict[int, dict[str, Tensor]] = {1: {"a": x}, 2: {"a": x * 2}}
    d[1]["b"] = x * n
    if n > 1:
        d[2]["a"] = x * 7
    return d[1]["a"] + d[1]["b"] + d[2]["a"]


def list_of_tuples(x: Tensor, n: int) -> Tensor:
    l: list[tuple[str, int]] = [("a", 1), ("b", n)]
    l.append(("c", 5))
    for k, v in l:
        if k == "b":
            x = x + v
        else:
            x = x - v
    return x


def opt_tuple(x: Tensor, n: int) -> Tensor:
    t: tuple[Tensor, int] | None = None
    if n > 0:
        t = (x, n)
    if t is not None:
        a, b = t
        return a * b
    return x - 1


def tuple_opt(x: Tensor, n: int) -> Tensor:
    t: tuple[Tensor | None, int] = (None, 3)
    if n > 0:
        t = (x, n)
    a = t[0]
    if a is not None:
        return a * t[1]
    return x - t[1]


def opt_in_list(x: Tensor, n: int) -> Tensor:
    l: list[Tensor | None] = [None, x]
    if n > 0:
        l[0] = x * n
    for t in l:
        if t is not None:
            x = x + t
    return x


def opt_in_dict(x: Tensor, n: int) -> Tensor:
    l: dict[str, Tensor | None] = {"a": None}
    if n > 0:
        l["a"] = x * n
    t = l["a"]
    if t is not None:
        x = x + t
    return x


def fact(n: int) -> int:
    r = 1
    for i in range(1, n + 1):
        r *= i
    return r


def comb(n: int, k: int) -> int:
    return fact(n) // (fact(k) * fact(n - k))


def nested_calls(n: int, k: int) -> int:
    return comb(n, k)


def compound_bool(n: int) -> tuple[bool, bool, bool, int]:
    a = n > 2 or n / n > 0 if n != 0 else False
    b = not (n == 3 and not n < 2)
    c = bool(n) and (n % 2 == 0 or n == 3)
    d = (n > 1) + (n > 2)
    return a, b, c, int(d)


def iter_rt(x: Tensor, n: int) -> Tensor:
    s = torch.zeros(2)
    for i, r in enumerate(x):
        if i == n:
            continue
        s = s + r * i
    for r, q in zip(x, x * 2):
        s = s + r * q
    rows = [r * 2 for r in x]
    return s + len(rows)


def comp_rt(x: Tensor, n: int) -> Tensor:
    rows = [r.sum() + i for i, r in enumerate(x)]
    sq = [i * i for i in range(x.size(0))]
    return torch.stack(rows) + torch.tensor(sq)


def list_assign(x: Tensor, n: int) -> tuple[int, int, int]:
    l = [1, 2, 3]
    l[-1], l[0] = l[0], n
    a = b = c = 5
    a += 1
    m = [0] * 3
    for i in range(3):
        m[i] = l[i] * n
    return sum(l), a + b + c, sum(m)


def swap(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    a, b = x, x * 2
    for i in range(n):
        a, b = b, a + b
    return a, b


def collatz(n: int) -> tuple[int, int]:
    c = 0
    m = n
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        c += 1
        m = max(m, n)
    return c, m


def prime(n: int) -> bool:
    if n < 2:
        return False
    i = 2
    while i * i <= n:
        if n % i == 0:
            return False
        i += 1
    return True


def euclid(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def sieve(n: int) -> int:
    p = [True] * (n + 1)
    c = 0
    for i in range(2, n + 1):
        if p[i]:
            c += 1
            for j in range(i * i, n + 1, i):
                p[j] = False
    return c


def bubble(x: Tensor) -> Tensor:
    l: list[int] = x.tolist()
    n = len(l)
    for i in range(n):
        for j in range(n - 1 - i):
            if l[j] > l[j + 1]:
                l[j], l[j + 1] = l[j + 1], l[j]
    return torch.tensor(l)


def digits(n: int) -> int:
    n = abs(n)
    s = 0
    while n > 0:
        s = s * 10 + n % 10
        n = n // 10
    return s


def newton(a: float) -> float:
    x = a
    for i in range(30):
        y = 0.5 * (x + a / x)
        if abs(y - x) < 1e-12:
            break
        x = y
    return x


def tensor_bools(x: Tensor, c: Tensor) -> Tensor:
    if c and x.size(0) == 2:
        x = x + 1
    if not c or bool(x.sum() > 100):
        x = x * 2
    y = x if c else -x
    b = bool(c)
    while b:
        x = x + 1
        b = bool(x.sum() < 30)
    return x + y


def setitem_forms(x: Tensor, n: int) -> Tensor:
    y = x.clone()
    y[0, n] = 5
    y[1] = y[0] * 2
    y[..., 0] = n
    y[:, 1:] += 1
    y[y < 0] = 0
    y[torch.tensor([0]), torch.tensor([1])] = 9
    y[None, 0, :2] = y[0, :2] + 1
    return y


def inplace_alias(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    l = [x.clone(), x.clone()]
    a = l[0]
    a.add_(n)
    l[1].mul_(2)
    b = l[1][0]
    b += 1
    return l[0], l[1]


PROGRAMS = [
    (while_complex, [(X, 5), (X, 0), (X, 12)], False),
    (nested_break, [(5, 3), (0, 0), (7, 9)], False),
    (nested_return, [(5, 3), (0, 0), (7, 9)], False),
    (ranges, [(2, 10, 3), (10, 0, -2), (0, 0, 1), (5, 2, 1)], False),
    (unpack, [(X,)], False),
    (index_rt, [(X, 1), (X, 0), (X, -1)], False),
    (aug_targets, [(X, 1), (X, 0)], False),
    (fork_loop, [(X, 3), (X, 0)], False),
    (dict_ops, [(X, 3), (X, 0)], False),
    (while_true, [(X, 3), (X, 0), (X, 7)], False),
    (dict_of_lists, [(X, 3), (X, 0)], False),
    (dict_of_dicts, [(X, 3), (X, 0)], False),
    (list_of_tuples, [(X, 3), (X, 0)], False),
    (opt_tuple, [(X, 3), (X, 0)], False),
    (tuple_opt, [(X, 3), (X, 0)], False),
    (opt_in_list, [(X, 3), (X, 0)], False),
    (opt_in_dict, [(X, 3), (X, 0)], False),
    (nested_calls, [(5, 2), (6, 3), (0, 0)], False),
    (compound_bool, [(3,), (0,), (6,)], False),
    (iter_rt, [(torch.randn(3, 2), 3), (torch.randn(5, 2), 1), (torch.randn(0, 2), 1)], True),
    (comp_rt, [(torch.randn(3, 2), 3), (torch.randn(5, 2), 1)], True),
    (list_assign, [(X, 3), (X, 1)], False),
    (swap, [(X, 3), (X, 1)], False),
    (collatz, [(27,), (1,), (6,)], False),
    (prime, [(97,), (1,), (15,)], False),
    (euclid, [(48, 18), (7, 13), (0, 5)], False),
    (sieve, [(10,), (0,), (1,)], False),
    (bubble, [(torch.tensor([3, 1, 2, 5, 4]),), (torch.tensor([1]),)], True),
    (digits, [(1234,), (0,), (-56,)], False),
    (newton, [(2.0,), (10.0,), (0.25,)], False),
    (tensor_bools, [(X, torch.tensor(True)), (X, torch.tensor(False))], False),
    (setitem_forms, [(X, 2), (X, 0)], False),
    (inplace_alias, [(X, 2), (X, 1)], False),
]


def flat(values: Any) -> list[Any]:
    """The numbers of results, with the dtype of each."""
    arrays = [v.numpy() if isinstance(v, Tensor) else np.asarray(v) for v in leaves(values)]
    return [(a.dtype.kind, x) for a in arrays for x in a.reshape(-1).tolist()]


@pytest.mark.parametrize(
    ("program", "calls", "dynamic"), PROGRAMS, ids=[row[0].__name__ for row in PROGRAMS]
)
def test_program(program: Any, calls: list[Any], dynamic: bool, tmp_path: Path) -> None:
    """Live and archived, at two opsets, on every call."""
    scripted = script(program)
    path = tmp_path / "program.pt"
    scripted.save(str(path))
    for source, opset in ((scripted, 13), (scripted, 20), (str(path), 20)):
        session = loaded(converted(source, calls[0], dynamic=dynamic, opset_version=opset))
        for call in calls:
            wanted = flat(scripted(*[v.clone() if isinstance(v, Tensor) else v for v in call]))
            found = flat(run(session, call))
            assert [kind for kind, _ in found] == [kind for kind, _ in wanted]
            np.testing.assert_allclose(
                [x for _, x in found], [x for _, x in wanted], 1e-5, 1e-6, err_msg=str(call)
            )
