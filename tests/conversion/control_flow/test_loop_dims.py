"""Tensors that a loop gives other dims in place, as `unsqueeze_` and `t_` do."""

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, check_loop, refuses

X = torch.arange(9.0).reshape(3, 3) - 3
CALLS = [(X, 3), (X, 0), (X, 1), (X + 4, 2)]


def grow(x: Tensor, n: int):
    """One dim more each trip."""
    y = x + 0
    for _ in range(n):
        y.unsqueeze_(0)
        y.add_(1)
    return y, y.sum()


def grow_at_the_end(x: Tensor, n: int):
    """One dim more each trip, which counts from the end."""
    y = x + 0
    for _ in range(n):
        y.unsqueeze_(-1)
        y.mul_(y)
    return y


def grow_carried(x: Tensor, n: int):
    """The very tensor, which the loop also assigns."""
    for _ in range(n):
        x = x.unsqueeze_(0)
        x += 1
    return x


def square(x: Tensor, n: int):
    """The same shape after each trip, other places."""
    y = x + 0
    s = torch.zeros_like(x)
    for _ in range(n):
        y.t_()
        s = s * 2 + y
    return y, s


def turned(x: Tensor, n: int):
    """Sizes that swap."""
    y = x[:2] + 0
    for _ in range(n):
        y.transpose_(0, 1)
    return y


def there_and_back(x: Tensor, n: int):
    """The dims of before at the end of each trip."""
    y = x + 0
    v = y[0]
    for _ in range(n):
        y.unsqueeze_(0)
        y.add_(1)
        y.squeeze_(0)
        y[0] *= 2
    return y, v


def view(x: Tensor, n: int):
    """A view of a tensor, and another name of the view."""
    y = x + 0
    v = y[0]
    w = v
    for _ in range(n):
        v.unsqueeze_(0)
        v.add_(1)
    return y, v, w


def views(x: Tensor, n: int):
    """Views of before and within a trip see the storage, whatever dims the tensor has."""
    y = x + 0
    v = y[0]
    w = y.t()
    s = torch.zeros(3)
    for _ in range(n):
        s = s + v + w[1]
        y.t_()
        u = y[1]
        u.mul_(3)
        y[0].add_(v)
        v += 1
    y += 1
    return s, v, w, y


def nested(x: Tensor, n: int):
    """A loop in a loop."""
    y = x + 0
    for i in range(n):
        for _ in range(i):
            y.t_()
            y[0] += 1
        y[0] *= 2
    return y


def branch(x: Tensor, n: int):
    """Only where a condition of the trip holds."""
    y = x + 0
    for _ in range(n):
        if bool(y.sum() > 3):
            y.t_()
        y[0] *= 2
    return y


def in_branch(x: Tensor, n: int):
    """A loop in a branch; the other branch gives other dims, too."""
    y = x + 0
    if n > 1:
        for _ in range(n):
            y.t_()
            y[0] += 1
    else:
        y.transpose_(0, 1)
    y[0] *= 2
    return y


def whiled(x: Tensor, n: int):
    """A `while` with a break; the number of dims is asked for."""
    y = x + 0
    i = 0
    while i < n:
        y.unsqueeze_(0)
        i += 1
        if bool(y.sum() > 100):
            break
    return y.dim(), y


def listed(x: Tensor, n: int):
    """Tensors of a list."""
    y = x + 0
    ys = [y, y[0]]
    for _ in range(n):
        ys[0].t_()
        ys[1] += 1
    return ys, y


def either(x: Tensor, n: int):
    """A name for one of two tensors."""
    y = x + 0
    z = x * 2
    a = y if bool(x.sum() > 1) else z
    for _ in range(n):
        a.t_()
        a[0] += 1
    return y, z, a


def swapped(x: Tensor, n: int):
    """Names that swap."""
    a = x + 0
    b = x * 2
    c = a
    for _ in range(n):
        a, b = b, a
        a.unsqueeze_(0)
    return a, b, c


def expanded(x: Tensor, n: int):
    """A tensor that sees an element in several places."""
    y = x[0].clone()
    v = y.expand(2, 3)
    for _ in range(n):
        v.t_()
        y += v.sum()
    return y, v


def other_dtypes(x: Tensor, n: int):
    """Bools and integers."""
    a = x > 0
    b = (x * 2).int()
    for _ in range(n):
        a.t_()
        a[0] = True
        b.transpose_(0, 1)
        b[1] += 1
    return a, b


def appended(x: Tensor, n: int):
    """What is made of it is gathered in a list."""
    y = x + 0
    ys = [y + 0]
    for _ in range(n):
        y.t_()
        ys.append(y + 1)
    return ys, y


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize(
    "program",
    [
        grow, grow_at_the_end, grow_carried, square, turned, there_and_back, view, views, nested,
        branch, in_branch, whiled, listed, either, swapped, expanded, other_dtypes, appended,
    ],
)  # fmt: skip
def test_dims_changed_in_a_loop(program: object, dynamic: bool) -> None:
    """The dims, and what other names and views see, after any number of trips."""
    check_loop(program, *CALLS, dynamic=dynamic)


def test_a_tensor_appended_and_turned() -> None:
    """The list holds one tensor, which later trips turn: its rows would be copies."""

    def program(x: Tensor, n: int):
        y = x + 0
        ys = [y]
        for _ in range(n):
            y.t_()
            ys.append(y)
        return ys

    refuses(program, X, 3, match="appended to a list and written in place", unroll_trips=0)


def test_views_that_are_more_than_places() -> None:
    """Of a complex tensor a view may be conjugated: its elements are not those of the storage."""

    def program(x: Tensor, n: int):
        y = torch.view_as_complex(torch.stack([x, x], -1)).conj()
        for _ in range(n):
            y.t_()
        return torch.view_as_real(y.resolve_conj())

    refuses(program, X, 3, match="more than move elements", unroll_trips=0)


def test_what_a_later_trip_reads_after_a_write() -> None:
    """Another name of a tensor, read before the tensor is written: the next trip reads it after."""

    def program(x: Tensor, n: int):
        y = x + 0
        v = y.t()
        if n > 2:
            v = y
        z = v * 0
        for _ in range(n):
            z = z + v
            y += 1
        return z

    check_loop(program, *CALLS)


def test_what_may_share_memory_in_a_later_trip() -> None:
    """Whether `contiguous` copied depends on the size; then the second trip can't be told."""

    def program(x: Tensor, n: int):
        y = x + 0
        v = y.t().contiguous()
        z = torch.zeros_like(v)
        for _ in range(n):
            z = z + v
            y += 1
        return z

    refuses(program, X, 3, match="may share memory", dynamic=True)


EMPTY, ALSO_EMPTY = torch.zeros(2, 0), torch.zeros(2, 0)


def test_tensors_without_elements_that_get_other_dims() -> None:
    """One of two tensors, both empty, is either of them only while neither changes its dims."""

    def turned(x: Tensor, y: Tensor, n: int):
        if n > 1:
            for _ in range(n):
                y.transpose_(1, 0).add_(1)
            return x
        return y

    for trips in (64, 0):
        check(turned, *((EMPTY, ALSO_EMPTY, n) for n in (3, 1, 2)), unroll_trips=trips)

    def turned_after(x: Tensor, y: Tensor, n: int):
        z = x if n > 1 else y
        z.unsqueeze_(0)
        return z, x, y

    refuses(turned_after, EMPTY, ALSO_EMPTY, 2, match="dims of a view are changed in place")
