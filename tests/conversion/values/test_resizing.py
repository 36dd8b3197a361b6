"""Tensors whose size or storage is changed in place: `resize_`, `set_` and `out=`."""

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, converted, loaded, refuses, run, script

X = torch.arange(9.0).reshape(3, 3) - 3


def smaller(x: Tensor):
    """The first elements of the storage; a view of before sees it as it did."""
    y = x + 0
    v = y[1]
    y.resize_([2, 2])
    y[0] += 10
    v[0] = -1
    return y, v, y.stride(0)


def back_again(x: Tensor):
    """The storage does not shrink."""
    y = x + 0
    y.resize_(0)
    count = y.numel()
    y.resize_([9])
    return y, count


def row(x: Tensor):
    """A view grows past its own end, within the storage."""
    y = x + 0
    v = y[1]
    v.resize_([2, 2])
    v += 1
    return y, v


def transposed(x: Tensor):
    """Other places, where the shape is another one."""
    y = (x + 0).t()
    y.resize_([9])
    z = (x + 0).t()
    z.resize_([2])
    return y, z


def like_another(x: Tensor):
    """The shape of another tensor."""
    y = x + 0
    y.resize_as_(x[:2])
    y *= 2
    return y


def same_count(x: Tensor):
    """As many elements in other shapes."""
    y = x + 0
    y.resize_([9])
    y.resize_([1, 9])
    y += 1
    return y, torch.tensor(2.0).resize_([1])


def from_nothing(x: Tensor):
    """Nothing was in it, and what is in it then is written."""
    y = torch.empty(0)
    y.resize_([3, 3])
    y.copy_(x)
    z = torch.zeros(0)
    z.resize_as_(x).fill_(1)
    return y + z


def results(x: Tensor):
    """`out=` takes on the shape of the result, within its storage or not."""
    y = x + 0
    y.resize_(0)
    torch.add(x, 1, out=y)
    z = torch.empty(0)
    torch.cat([x, x], out=z)
    z.resize_(0)
    torch.mul(x, 2, out=z)
    w = x + 0
    w.resize_(0)
    torch.cat([x, x], out=w)
    w += 1
    return y, z, w


def names(x: Tensor):
    """Other names of the tensor see it resized."""
    a = x + 0
    b = a
    c = [a]
    a.resize_([4])
    return b, c[0], a.dim()


def another(x: Tensor):
    """`set_` makes a tensor another one; its views stay with its storage."""
    y = x + 0
    z = torch.zeros(2)
    v = z[0:1]
    z.set_(y)
    z += 1
    v += 5
    z.t_()
    return y, z, v


def part_of_itself(x: Tensor):
    """A view of itself, nothing, a part of another storage."""
    y = x + 0
    y.set_(y[1])
    y += 1
    z = x * 1
    z.set_()
    source = x * 2
    w = torch.zeros(1)
    w.set_(source, 1, [2, 2], [3, 1])
    w += 1
    return y, z, source, w


def in_branches(x: Tensor):
    """In branches, and by a name for one of several."""
    y = x + 0
    z = x * 2
    if bool(x.sum() > 0):
        y.set_(z)
    else:
        y.resize_([1, 9])
    y += 1
    w = y if bool(x[0, 0] > -3) else z
    w.resize_([2])
    w += 1
    return y.reshape(-1), z, w


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize(
    "program",
    [
        smaller, back_again, row, transposed, like_another, same_count, from_nothing, results,
        names, another, part_of_itself, in_branches,
    ],
)  # fmt: skip
def test_resized(program: object, dynamic: bool) -> None:
    """The tensor and what shares its storage, as in PyTorch."""
    check(program, (X,), (X - 8,), (X + 1,), dynamic=dynamic)


def test_the_shape_that_it_has() -> None:
    """Then the elements stay where they are, in whatever order."""

    def program(x: Tensor):
        y = (x + 0).t()
        y.resize_([3, 3])
        return y

    check(program, (X,))
    refuses(program, X, match="a shape that may be its own", dynamic=True)


def test_resized_in_a_loop() -> None:
    """A loop that is unrolled; in another the elements' places would depend on the trip."""

    def program(x: Tensor, n: int):
        y = x.flatten() + 0
        for _ in range(3):
            y.resize_([9])
            y.resize_([3, 3])
            y += 1
        return y

    def counted(x: Tensor, n: int):
        y = x + 0
        for _ in range(n):
            y.resize_([2, 2])
            y.t_()
        return y

    check(program, (X, 3))
    refuses(counted, X, 3, match="place in memory is not known")


def grown(x: Tensor):
    """The storage grows, and what else sees it goes on to."""
    y = x + 0
    v, w = y[0], y.t()[1:]
    y.resize_([2, y.size(0) + 3])
    y.view(-1)[x.numel() :] = 7
    v += 10
    w *= 2
    y[1, 0] -= 1
    return y, v, w, y.stride(0)


def grown_from_a_part(x: Tensor):
    """A view grows past the end of the storage of the tensor that it is a view of."""
    y = x + 0
    v = y.view(-1)[2:]
    u = y[:, 0]
    v.resize_([y.numel() + 1])
    v[y.numel() - 2 :] = 4
    v[0] += 5
    y[0] += 1
    return y, v, u, y.shape


def grown_maybe(x: Tensor):
    """Whether it grows may only show at run time."""
    y = x + 0
    v = y[:1]
    y.resize_([y.size(1), 3])
    y[x.size(0) :] = 2
    y += 1
    return y, v


def grown_by_results(x: Tensor):
    """Results that are larger or smaller than the tensor of which there are views."""
    y = x + 0
    v = y[0]
    torch.cat([x, x], out=y)
    z = x * 2
    w = z.t()
    torch.add(x[:2, :2], 1, out=z)
    v += 1
    w[0] *= 3
    return y, v, z, w


def grown_twice(x: Tensor):
    """Also of integers and complex numbers."""
    y = x.to(torch.int64)
    z = torch.complex(x, x + 1)
    for _ in range(2):
        n = y.numel()
        v = y.view(-1)[1:3]
        y.resize_([n + 2])
        y[n:] = 5
        v += 1
        z.resize_([n + 2])[n:] = 1
    return y, torch.view_as_real(z)


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize(
    "program", [grown, grown_from_a_part, grown_maybe, grown_by_results, grown_twice]
)
def test_grown_past_the_storage(program: object, dynamic: bool) -> None:
    """What is written to the new elements is there, for all that sees them."""
    inputs = [(X,), (X - 8,)]
    if dynamic:
        inputs += [(torch.rand(2, 3),), (torch.rand(5, 3),)]
    check(program, *inputs, dynamic=dynamic)


def test_grown_from_nothing_at_run_time() -> None:
    """An empty tensor of run-time size grows where the sizes are swapped, and only then."""

    def program(x: Tensor):
        y = x + 0
        v = y.t()
        y.resize_([y.size(1), 1])
        y.fill_(3)
        return y, v

    check(
        program, (X,), (torch.rand(0, 2),), (torch.rand(2, 0),), (torch.rand(0, 0),), dynamic=True
    )


def test_grown_in_a_block() -> None:
    """A block can't give an outer tensor another storage: what grows there fails at run time."""

    def maybe(x: Tensor, c: bool):
        y = x + 0
        if c:
            y.resize_([4])
        return y.sum()

    def certainly(x: Tensor, c: bool):
        y = x + 0
        if c:
            y.resize_([4, 4])
        return y.sum()

    def inner(x: Tensor, c: bool):
        z = x.clone()
        if c:
            y = x + 0
            y.resize_([4])
            y[-1] = 1
            z = y * 2
        return z.sum()

    check(inner, (torch.rand(3), True), (torch.rand(5), True), (torch.rand(2), False), dynamic=True)
    refuses(certainly, X, True, match="another storage")
    check(maybe, (torch.rand(5), True), (torch.rand(5), False), dynamic=True)
    result = converted(script(maybe), (torch.rand(5), True), dynamic=True)
    assert "to more elements" in result.report.preconditions[0]
    with pytest.raises(Exception, match="out of data bounds|indices element"):
        run(loaded(result), {"x": torch.rand(3), "c": True})


def test_another_storage_in_a_loop() -> None:
    """Which storage it is would depend on the trip."""

    def program(x: Tensor, n: int):
        y = x + 0
        for i in range(n):
            y.set_(x[i])
        return y

    def in_both_branches(x: Tensor, n: int):
        y = x + 0
        z = x * 2
        for _ in range(n):
            if bool(y.sum() > 0):
                y.set_(z)
            else:
                y.set_(z.t())
            y += 1
        return y, z

    def in_one_branch(x: Tensor, n: int):
        y = x + 0
        z = x * 2
        if n > 2:
            y.set_(z)
        else:
            for _ in range(n):
                y.t_()
        y[0] += 1
        return y, z

    for each in (program, in_both_branches, in_one_branch):
        refuses(each, X, 2, match="another storage", unroll_trips=0)


def test_a_transposed_tensor_that_may_be_empty() -> None:
    """Where its elements start does not depend on whether there are any."""

    def program(x: Tensor, c: bool):
        y = x[:, 3:].clone() if c else x + 0
        y.t_()
        y.resize_([y.numel()])
        return y

    check(program, (X, True), (X, False))


def test_a_part_that_may_be_empty() -> None:
    def program(x: Tensor):
        y = x[1::2]
        y.resize_([y.numel()])
        return y

    check(program, (X,), (X[:1],), (X[:0],), dynamic=True)


def test_refused() -> None:
    """Other dtypes, memory formats, and a name that may be the tensor itself."""

    def other_dtype(x: Tensor):
        return torch.zeros(1, dtype=torch.int64).set_(x)

    def channels_last(x: Tensor):
        return (x + 0).resize_([1, 1, 3, 3], memory_format=torch.channels_last)

    def itself(x: Tensor):
        y = x + 0
        z = x * 2
        w = y if bool(x.sum() > 0) else z
        w.add_(1)
        y.set_(w)
        return y + z

    refuses(other_dtype, X, match="another dtype")
    refuses(channels_last, X, match="memory format")
    refuses(itself, X, match="may share memory")
