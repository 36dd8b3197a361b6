"""Names that stand for one of several tensors: what a write through them reaches."""

from typing import Optional

import pytest
import torch
from torch import Tensor, nn

from tests.conversion.harness import check, check_loop, check_state, operators, refuses

M = torch.arange(6.0).reshape(2, 3) + 1
N = -torch.arange(6.0).reshape(2, 3) * 10
TALL = torch.arange(12.0).reshape(4, 3)
FLAT = torch.arange(4.0)
ROWS = torch.arange(6.0).reshape(3, 2)
BOTH = ((M, N, True), (M, N, False))
TRIPS = tuple((ROWS, n) for n in (0, 1, 3))

# Each is run on `y = a if c else b`, two tensors of float[2, 3].
WRITES = {
    "add_": "y += 1",
    "rows and elements": "y[0] = 0; y[1, 1] = 7",
    "slices": "y[..., ::2] += 1; y[:, -1] *= 2; y[-1, 1:] = 4; y[1:, :-1].fill_(3)",
    "the tensors themselves": "a += 1; b *= 2",
    "all of them in turn": "y.mul_(3); a += 1; y.sub_(2); b *= 2",
    "index_put_": "y[torch.tensor([0, 1]), torch.tensor([2, 0])] = torch.tensor([8.0, 9.0])",
    "a mask": "y[y > 5] = 0",
    "accumulate": "y.index_put_([torch.tensor([0, 0])], torch.ones(3), accumulate=True)",
    "copy_": "y.copy_(torch.tensor([1, 2, 3])); y[0].copy_(b[1])",
    "masked_fill_": "y.masked_fill_(y > 3, 1.5)",
    "scatter_": "y.scatter_(1, torch.tensor([[0], [1]]), 9.0)",
    "fill_diagonal_": "y.fill_diagonal_(-1.0)",
    "zero_": "y.zero_()",
    "out": "torch.add(a, b, out=y)",
    "a view": "z = y.reshape(3, 2); z += 1; y.t().mul_(2)",
    "other dims": "y.unsqueeze_(0); y.add_(1)",
    "from one into the other": "z = y[0]; b.add_(z.clone()); z.add_(b[1])",
}


@pytest.mark.parametrize("statements", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("opset", [11, 13, 17, 20, 23])
def test_writes_to_one_of_two(statements: str, opset: int) -> None:
    lines = [
        "def program(a, b, c: bool):",
        "    y = a if c else b",
        *(f"    {statement}" for statement in statements.split("; ")),
        "    return a, b, y",
        "",
    ]
    unit = torch.jit.CompilationUnit("\n".join(lines))
    check(unit.program, *BOTH, opset_version=opset)


def test_nothing_is_told_apart_where_nothing_is_written() -> None:
    def program(x, n: int):
        y = x
        for _ in range(n):
            y = y * 2
        return y

    result = check(program, (M, 3), (M, 0), unroll_trips=0)
    assert operators(result) <= {"Loop", "Mul", "Max", "Identity"}


def test_tensors_of_other_shapes_and_ranks() -> None:
    def shapes(a, b, c: bool):
        y = a if c else b
        y[:, 1] = -5
        y[-1].add_(2)
        return a, b, y

    def ranks(a, b, c: bool):
        y = a if c else b
        y[0] = 9
        y += 1
        return a, b, y

    def dims(a, b, c: bool):
        y = a if c else b
        y.unsqueeze_(0)
        return a, b, y

    def dims_and_parts(a, b, c: bool):
        y = a
        if c:
            y = b
        y.unsqueeze_(2)
        y[:, :1].mul_(2)
        return a, b, y

    for flag in (True, False):
        check(dims_and_parts, (M, N, flag), (M, N, not flag))
        check(shapes, (M, TALL, flag), (M, TALL, not flag))
        check(ranks, (M, FLAT, flag), (M, FLAT, not flag))
        check(dims, (M, FLAT, flag), (M, FLAT, not flag))


def test_views_of_the_same_and_of_other_tensors() -> None:
    def program(a, b, c: bool, i: int):
        y = a[0] if c else b[i]
        y += 1
        z = a[:, 1:] if c else a[:, :2]
        z *= 2
        w = a[int(a.sum()) % 2] if c else a[i - 1]
        w -= 3
        return a, b, y, z, w

    check(program, (M, N, True, 1), (M, N, False, 1), (M, N, False, 0), dynamic=True)


def test_a_tensor_or_a_new_one() -> None:
    def program(a, b, c: bool):
        y = a
        if c:
            y = a.clone()
        y += 1
        z = b if c else b * 2
        z[0] = 7
        return a, b, y, z

    check(program, *BOTH)


def test_choices_among_choices() -> None:
    def program(a, c: bool, d: bool):
        b = a + 1
        e = a * 2
        if c:
            y = a
        elif d:
            y = b
        else:
            y = e
        z = y if d else e
        z += 1
        y *= 2
        y += z
        return a, b, e, y, z

    check(program, *[(M, c, d) for c in (True, False) for d in (True, False)])


def test_a_choice_is_known_in_a_branch_on_its_condition() -> None:
    def program(a, b, c: bool):
        y = a if c else b
        if c:
            y.add_(1)
            a.mul_(2)
        else:
            b.sub_(4)
            y[0] = 2
        return a, b, y

    check(program, (M, TALL, True), (M, TALL, False))


def test_an_absent_tensor() -> None:
    def program(a, b, c: bool):
        y: Tensor | None = None
        if c:
            y = a
        a += 1
        if y is not None:
            y *= 2
            b = b + y
        return a, b

    check(program, *BOTH)


def test_items_of_a_list_at_an_index_of_run_time() -> None:
    def write(a, i: int):
        xs = [a, a + 1, a * 2, a]
        xs[i].add_(1)
        xs[i][0] = 5
        y = xs[i]
        y *= 2
        return xs, a, y

    def store(a, i: int):
        xs = [a, a + 1, a * 3]
        t = a - 1
        xs[i] = t
        t += 100
        xs[0][1] = 0
        return xs, a, t

    def views(a, i: int):
        xs = [a[0], a[1]]
        xs[i] += 1
        return xs, a

    check(write, *[(M, i) for i in (0, 1, 2, 3, -1, -4)])
    check(store, *[(M, i) for i in (0, 1, 2, -1, -3)])
    check(views, *[(M, i) for i in (0, 1, -1, -2)])


def test_items_of_containers_replaced_in_a_branch() -> None:
    def program(a, b, c: bool):
        d = {"a": a}
        xs = [a, b]
        if c:
            d["a"] = b
            xs[0] = xs[1]
        d["a"].add_(5)
        xs[0].mul_(2)
        return d["a"], xs, a, b

    check(program, *BOTH)


def test_what_a_branch_leaves_alone_was_written_under_another_name() -> None:
    """The list is the same in the second branch, but the tensor that it may hold is not."""

    def program(a, b, i: int, c: bool):
        xs = [a + 1, b]
        if c:
            xs[1] = a
        if i == 1:
            xs[1] = b
        else:
            b.add_(1)
        return xs[1]

    check(program, *[(M, N, i, c) for i in (0, 1) for c in (True, False)])


def test_carried_names() -> None:
    def picked(x, z, n: int, c: bool):
        y = x
        for i in range(n):
            if c and i == 1:
                y = z
            y.add_(1)
        return x, y, z

    def fresh(x, n: int):
        y = x
        for _ in range(n):
            y = y + 1
        y.mul_(3)
        x.add_(1)
        return x, y

    def swapped(x, n: int):
        a, b = x + 1, x * 2
        c, d = a, b
        for i in range(n):
            a, b = b, a
            a.add_(i + 1)
        return a, b, c, d

    def absent(x, n: int):
        y: Optional[Tensor] = None
        for _ in range(n):
            y = x if y is None else y + 1
        if y is not None:
            y.mul_(3)
        return x, y is None

    def in_a_tuple(x, n: int):
        y = x * 2
        pair = (x, y)
        for _ in range(n):
            a, b = pair
            pair = (b, a)
            pair[0].add_(1)
        return pair, x, y

    check_loop(in_a_tuple, *TRIPS)
    check_loop(absent, *TRIPS)
    check_loop(picked, *[(M, N, n, c) for n in (0, 1, 3) for c in (True, False)])
    check_loop(fresh, *TRIPS)
    check_loop(swapped, *TRIPS)


def test_carried_views() -> None:
    def program(x, n: int):
        v = x[0]
        for i in range(n):
            v.add_(1)
            v = x[i]
        v.mul_(2)
        return x, v

    check_loop(program, *TRIPS)


def test_carried_containers() -> None:
    def program(x, n: int):
        xs = [x, x + 1]
        d = {"x": x, "y": x * 2}
        for i in range(n):
            t = xs[0]
            xs[0] = xs[1]
            xs[1] = t
            xs[0].add_(1)
            if i == 1:
                d["y"] = d["x"]
            d["y"].mul_(2)
        return xs, d["x"], d["y"], x

    check_loop(program, *TRIPS)


def test_the_items_of_a_list_are_written_in_a_loop() -> None:
    def program(x, n: int):
        xs = [x, x + 1, x + 2]
        for i in range(n):
            xs[i].add_(i + 1)
        for t in xs:
            t.mul_(2)
        return xs, x

    check_loop(program, *TRIPS)


def test_while_with_copies() -> None:
    def program(x, n: int):
        y = x
        i = 0
        while i < n:
            y[i] = i
            if i % 2 == 0:
                y = y.clone()
            i += 1
        y += 1
        return x, y

    check_loop(program, *TRIPS)


def test_state_that_is_one_of_two() -> None:
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("s", torch.zeros(3))
            self.register_buffer("t", torch.ones(3))
            self.kept = [torch.zeros(3), torch.ones(3)]

        def forward(self, x, c: bool, i: int):
            y = self.s if c else self.t
            y.add_(x)
            self.kept[i].sub_(x)
            if not c:
                self.t = self.s + 1
            return y, self.s, self.t

    x = torch.arange(3.0)
    check_state(Buffers(), (x, True, 0), (x, False, 1), (x * 2, True, -1), (x, True, 1))


def test_dims_changed_in_a_branch() -> None:
    def program(a, b, c: bool):
        v = a[0]
        xs = [b]
        if c:
            a.t_()
            v.add_(2)
            b.unsqueeze_(0)
        else:
            v.unsqueeze_(1)
            xs[0] = b + 1
        a += 1
        return a, b, v, xs, a.dim()

    def nested(a, b, c: bool):
        if c:
            a.unsqueeze_(0)
            if bool(a.sum() > 0):
                a.squeeze_(0)
            else:
                a.transpose_(1, 2)
        a[0] = 5
        return a, b

    def strided(a, b, c: bool):
        x = a + 1
        if c:
            x.as_strided_([3, 2], [1, 3])
        x += 1
        return x

    check(program, *BOTH)
    check(nested, (M, N, True), (M, N, False), (-M, N, True))
    check(strided, *BOTH)


def test_dims_changed_where_two_conditions_hold() -> None:
    """In a branch where not both hold it is known which of the two the tensor is."""

    def program(x, n: int):
        if 0 <= n < 3:
            x.unsqueeze_(-1)
        x.index_put_([x > 1], torch.tensor(7.0))
        return x

    check(program, (M, 1), (M, 4), (M, -1))


def test_dims_of_what_other_names_stand_for_are_refused() -> None:
    """`y` and `z` are one tensor where c holds: changed dims of one are seen in the other."""

    def program(a, b, c: bool):
        if c:
            y = a[0]
            z = y
        else:
            y = a[1]
            z = b[0]
        y.unsqueeze_(0)
        a.add_(1)
        return y, z

    refuses(program, M, N, True, match="may share memory|taken in a branch")


def test_one_of_two_is_an_expanded_tensor() -> None:
    """All its rows are one, and change together; by value alone that could not be told."""

    def picked(a, b, c: bool):
        y = a[0].expand(3, 4) if c else b
        y[0] = 1
        return y, a

    def carried(a, b, n: int):
        y = b
        for _ in range(n):
            y = a[0].expand(3, 4)
        y[0] = 1
        return y, a

    def made_on_a_path(a, b, c: bool):
        y = (a[0] + 1).expand(3, 4) if c else b
        y[0] = 1
        return y + 0

    a, b = torch.randn(3, 4), torch.randn(3, 4)
    check(picked, (a, b, True), (a, b, False))
    check(carried, (a, b, 0), (a, b, 1), (a, b, 2))
    refuses(made_on_a_path, a, b, True, match="may share memory")


def test_one_of_two_again_and_again() -> None:
    """The choices of a long row of branches stay a choice of two, and do not double each time."""

    def program(a, b, c: bool):
        kept, t = a * 2, b + 1
        for i in range(40):
            if a[i % 2, i % 3] > 0:
                kept = t
            t = kept if c else t
            t.add_(1)
        return kept + 0, t + 0

    calls = [(x, y, c) for x, y in ((M, N), (-M, N), (M - 4, N)) for c in (True, False)]
    check(program, *calls)
