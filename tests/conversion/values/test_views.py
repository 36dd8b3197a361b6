"""Views, writes through them, and aliases: what a write reaches and what it does not."""

import pytest
import torch

from tests.conversion import harness
from tests.conversion.harness import check, check_loop, refuses

X = torch.arange(24.0).reshape(2, 3, 4) - 7
M = torch.arange(12.0).reshape(3, 4) - 5
FLAT = torch.tensor([1.0, -2.0, 3.0, 0.5])

WRITES = {
    "select": "y.select(1, -1).add_(1)",
    "slice": "y[:, 1:].mul_(2)",
    "slice with step": "y[::2, ::3] = 9",
    "narrow": "y.narrow(1, 1, 2).sub_(3)",
    "transpose": "y.t()[0] = 1",
    "permute": "y.permute(1, 0)[1:].zero_()",
    "view": "y.view(-1)[::5] = 7",
    "view of other dims": "y.view(2, 6)[1] = 7",
    "reshape": "y.reshape(2, 6)[0].neg_()",
    "flatten": "y.flatten()[2:4] = -1",
    "unflatten": "y.unflatten(1, [2, 2])[:, 1].add_(10)",
    "unsqueeze": "y.unsqueeze(1).add_(1)",
    "squeeze": "y[:1].squeeze(0).add_(1)",
    "expand of no dims": "y.expand(3, 4).add_(1)",
    "diagonal": "y.diagonal(1).fill_(3)",
    "unbind": "y.unbind(1)[2].mul_(0)",
    "chunk": "y.chunk(2, 1)[1].add_(1)",
    "split": "y.split([1, 2])[1].mul_(3)",
    "unsafe_chunk": "y.unsafe_chunk(2, 1)[1].add_(1)",
    "unsafe_split_with_sizes": "y.unsafe_split_with_sizes([1, 2])[1].mul_(3)",
    "as_strided": "torch.as_strided(y, [2, 2], [5, 2], 1).add_(1)",
    "as_strided of a view": "torch.as_strided(y[1:, 1], [3], [2]).add_(1)",
    "tensor_split": "y.tensor_split(2)[1].add_(1)",
    "hsplit": "y.hsplit(2)[0].add_(1)",
    "movedim": "y.movedim(0, 1)[0].add_(5)",
    "swapaxes": "y.swapaxes(0, 1)[3].add_(5)",
    "T": "y.T[2] = 0",
    "mT": "y.mT[2] = 0",
    "view_as": "y.view_as(x)[0] = 2",
    "detach": "y.detach().add_(1)",
    "chain": "y[1:].t()[::2][1].add_(1)",
    "chain with unsqueeze": "y.unsqueeze(0)[:, 1].transpose(0, 1)[2:].fill_(6)",
    "index by a list": "y[[0, 2]] = 1",
    "index by tensors": "y[torch.tensor([0, 2]), torch.tensor([1, 1])] = 5",
    "index by tensor and slice": "y[:, torch.tensor([0, 3])] = x[:, :2]",
    "mask": "y[y > 0] = -1",
    "mask with values": "y[y > 3] = torch.arange(3.0)",
    "row mask": "y[torch.tensor([True, False, True])] *= 2",
    "None and ellipsis": "y[None, ..., 1] = 4",
    "augmented": "y[1:, 1] += x[1:, 0]",
    "augmented by itself": "y[1] -= y[1].clone()",
    "index_put_": "y.index_put_((torch.tensor([0, 0, 2]),), torch.ones(4), accumulate=True)",
    "copy_ broadcasts": "y.copy_(x[0])",
    "copy_ converts": "y[0].copy_(torch.arange(4))",
    "fill_ by a tensor": "y[2].fill_(x[0, 0])",
    "masked_fill_": "y[:2].masked_fill_(x[:2] > 0, 9.0)",
    "masked_scatter_": "y.masked_scatter_(x > 0, torch.arange(12.0))",
    "scatter_": "y.scatter_(1, torch.tensor([[0], [1], [2]]), 5.0)",
    "scatter_add_": "y.scatter_add_(0, torch.tensor([[0, 1, 2, 0]]), torch.ones(1, 4))",
    "index_fill_": "y.index_fill_(1, torch.tensor([1, 3]), 2)",
    "index_add_": "y.index_add_(0, torch.tensor([0, 0]), x[:2])",
    "index_copy_": "y.index_copy_(0, torch.tensor([2, 0]), x[:2])",
    "clamp_": "y.clamp_(min=0)",
    "addcmul_": "y.addcmul_(x, x, value=0.5)",
    "lerp_": "y.lerp_(x * 2, 0.5)",
    "tril_": "y.tril_()",
    "cumsum_": "y.cumsum_(1)",
    "pow_": "y.pow_(2)",
    "bernoulli without chance": "y.bernoulli_(1.0)",
    "relu in place": "torch.relu_(y)",
    "functional in place": "torch.nn.functional.relu(y, inplace=True)",
    "out": "torch.add(x, 1, out=y)",
    "unsqueeze_": "y.unsqueeze_(1)",
    "transpose_": "y.transpose_(0, 1)",
    "t_": "y.t_()",
    "squeeze_": "y.unsqueeze_(0).squeeze_(0)",
    "zero size": "y[3:].add_(1)",
    "set by a bool": "y[:] = 1",
    "logical": "y.gt_(0)",
    "sort of out": "y.sub_(x.max(1, keepdim=True)[0])",
}


def program_of(statement: str):
    """A program that writes to y, a copy of x, while there are views of it."""
    lines = [
        "def program(x):",
        "    y = x.clone()",
        "    row, column, turned, flat = y[1], y[:, 1], y.t(), y.view(-1)",
        f"    {statement}",
        "    return y, row, column, turned, flat, x",
        "",
    ]
    unit = torch.jit.CompilationUnit("\n".join(lines))
    return unit.program


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES.keys())
def test_writes(statement: str) -> None:
    program = program_of(statement)
    expected = list(harness.leaves(program(M.clone())))
    # Whether sizes of run time are expanded is not known.
    for dynamic in (False, True) if "expand" not in statement else (False,):
        result = harness.converted(program, (M,), dynamic=dynamic)
        harness.compare(expected, harness.run(harness.loaded(result), (M,)), statement, 1e-6, 1e-6)


def test_one_element_is_copied_to_a_tensor_without_elements() -> None:
    """Beside dims that are 1 on both sides, of which onnxruntime's Expand makes nothing."""

    def program(x, value):
        y = x[:0, :0]
        y.t().copy_(value * 2)
        return y

    check(program, (M, torch.ones(1, 1)))


def test_copies_are_not_reached() -> None:
    def program(x):
        y = x + 0
        a, b, c, d = y.clone(), y.t().contiguous(), y.t().reshape(-1), y[torch.tensor([0])]
        e, f, g = y.to(torch.float64), y.repeat(1, 1), torch.cat([y])
        y.zero_()
        return y, a, b, c, d, e, f, g

    check(program, (M,))


def test_reshapes_that_are_views_though_strided() -> None:
    def program(x):
        y = x.clone()
        a = y[:, :, 1:].reshape(2, 3, 3)
        b = y.permute(1, 2, 0).reshape(12, 2)
        c = y.transpose(1, 2).reshape(2, 12)
        d = y[:, 1].reshape(2, 2, 2)
        e = y.permute(2, 0, 1).reshape(4, 6)
        y.mul_(2)
        a.add_(1)
        b[0] = 5
        d.sub_(3)
        return y, a, b, c, d, e

    check(program, (X,))


def test_the_tensor_itself_is_reached() -> None:
    def program(x):
        y = x + 0
        a, b, c = y.contiguous(), y.to(torch.float32), y.reshape(3, 4)
        d, e = y.float(), y.view(4, 3)
        y.add_(1)
        a.mul_(2)
        return y, a, b, c, d, e

    check(program, (M,))


def test_writes_through_several_views() -> None:
    def program(x):
        y = x.clone()
        a = y[0]
        b = a.t()
        c = b[1:]
        c.add_(1)
        y[0, 0] = 5
        b.mul_(2)
        d = y.permute(2, 0, 1)
        d[0] = 0
        return y, a, b, c, d

    check(program, (X,))


def test_aliases_through_containers() -> None:
    def program(x):
        y = x.clone()
        l = [y, y[0]]
        d = {"v": y[1]}
        l[1].fill_(1)
        d["v"].fill_(2)
        for t in l:
            t.add_(1)
        return y, l, d

    check(program, (M,))


def test_swapping_through_a_temporary() -> None:
    def program(x):
        y = x.clone()
        t = y[0].clone()
        y[0] = y[1]
        y[1] = t
        return y

    check(program, (M,))


def test_a_function_writes_to_its_argument() -> None:
    def scale(x: torch.Tensor, by: float) -> None:
        x.mul_(by)

    def program(x):
        y = x.clone()
        scale(y, 2.0)
        scale(y[0], -1.0)
        return y

    check(program, (M,))


def test_writes_to_an_input_stay_inside() -> None:
    def program(x):
        x.add_(1)
        return x * 2

    result = check(program, (M,))
    assert result.report.warnings == [
        "the input x is written in place; that is not visible outside the model"
    ]


def test_writes_in_a_loop_through_a_view() -> None:
    def program(x, n: int):
        y = x.clone()
        row = y[0]
        for i in range(n):
            row.add_(1)
            y[:, i].mul_(2)
        return y, row

    check_loop(program, (M, 3), (M, 0), (M, 4))


def test_results_of_both_branches_are_one_tensor() -> None:
    def program(x):
        if x.sum() > 0:
            y = x + 1
            z = y
        else:
            y = x - 1
            z = y
        y.add_(10)
        return y

    check(program, (FLAT,), (-FLAT,))


def test_reading_an_uncertain_alias() -> None:
    def program(x):
        y = x + 1
        z = y
        if x.sum() > 0:
            z = y * 2
        z.add_(1)
        return y

    check(program, (FLAT,), (-FLAT,))


def test_reading_two_names_of_one_result_is_refused() -> None:
    def program(x):
        if x.sum() > 0:
            y = x + 1
            z = y
        else:
            y = x - 1
            z = x - 2
        y.add_(10)
        return z

    refuses(program, FLAT, match="may share memory with one that was written in place")


def test_a_list_of_run_time_holds_a_tensor_that_is_written() -> None:
    def program(x, n: int):
        y = x + 0
        l: list[torch.Tensor] = []
        for _ in range(n):
            l.append(y)
        y.add_(1)
        return torch.stack(l)

    refuses(program, FLAT, 3, match="may share memory with one that was written in place")


def test_an_item_of_a_list_of_run_time_is_written() -> None:
    def program(x, n: int):
        l: list[torch.Tensor] = []
        for i in range(n):
            l.append(x[: i + 1] + i)
        l[1].mul_(10)
        l[-1][0] = 7
        return torch.cat(l)

    check(program, (FLAT, 3), (FLAT, 2), (FLAT, 4))


def test_a_list_left_alone_by_a_branch_that_writes_its_tensors() -> None:
    def program(x):
        y = x + 0
        l = [y, x]
        if x.sum() > 0:
            y.mul_(3)
        else:
            l.append(x * 2)
        return l[0], len(l)

    check(program, (FLAT,), (-FLAT,))


def test_an_item_written_in_one_branch_and_replaced_in_the_other() -> None:
    def program(x):
        l = [x * 2, x]
        if x.sum() > 0:
            l[0] = x - 1
        else:
            l[0][0] = 5
        return l

    check(program, (FLAT,), (-FLAT,))


def test_a_view_at_size_zero() -> None:
    def program(x):
        y = x + 0
        y.unsqueeze(-2).mul_(3)
        return y

    check(program, (M,), (torch.ones(0, 0),), (torch.ones(0, 3),), dynamic=True)


def test_dims_changed_in_place_in_a_branch() -> None:
    def program(x):
        y = x + 0
        if x.sum() > 0:
            y.t_()
        return y

    check(program, (M,), (-M,))


def test_an_index_that_fails_is_a_branch_that_is_not_taken() -> None:
    def program(x):
        l = [x, x + 1]
        if x.sum() > 100:
            l[3] = x
        return l[1]

    result = check(program, (FLAT,))
    assert "out of range" in result.report.preconditions[0]


def test_a_view_of_all_of_a_tensor_keeps_its_dims() -> None:
    def program(x, y):
        v = x.view_as(y)
        e = x.expand_as(y)
        v.unsqueeze_(0)
        v.add_(1)
        return x + 0, v, e

    check(program, (M, M))


def test_a_list_that_a_loop_reorders_holds_a_tensor_that_is_written() -> None:
    def program(x, y, n: int):
        a, b = x + 0, y + 0
        l = [a, b]
        for _ in range(n):
            l.reverse()
        a.add_(1)
        return l[0]

    check_loop(program, (M, M, 3), (M, M, 0), (M, M, 4))


def test_carried_tensors_that_change_places_are_written() -> None:
    def program(x, y, n: int):
        a, b = x + 0, y + 0
        for i in range(n):
            a.add_(i)
            a, b = b, a
        return a

    def fresh(x, y, n: int):
        a, b = x + 0, y + 0
        for i in range(n):
            a, b = b, a + i
        return a, b

    check_loop(program, (M, M, 3), (M, M, 0), (M, M, 4))
    check_loop(fresh, (M, M, 3), (M, M, 0), (M, M, 4))


def test_sizes_of_zero_at_run_time() -> None:
    def program(x):
        return x.diagonal(), x.flatten(1), x.reshape(x.size(0), -1)

    calls = [(torch.ones(2, 3, 4),), (torch.ones(2, 0, 4),)]
    check(program, *calls, dynamic=True)

    def first(x):
        return x.diagonal(), x.flatten(1)

    check(first, *calls, (torch.ones(0, 3, 2),), dynamic=True)


def test_flatten_of_one_dim_is_the_tensor_itself() -> None:
    def program(x):
        y = x + 0
        t = y.flatten()
        y.unsqueeze_(1)
        return t, y

    check(program, (FLAT,))


def test_dims_changed_in_place_of_a_view_and_then_of_its_base() -> None:
    def program(x):
        y = x + 0
        row = y[1]
        row.unsqueeze_(0)
        y.t_()
        row.add_(1)
        return row, y

    check(program, (M,))

    def scalar(x):
        y = x + 0
        last = y[-1]
        last.squeeze_(0)
        y.transpose_(0, 0)
        return last, y

    check(scalar, (FLAT,))


def test_dims_changed_of_a_tensor_in_a_list_of_unknown_length() -> None:
    """The list holds the very tensor: what its item looks like now can't be told."""

    def program(x, y):
        found = [x, y + 1]
        if bool(y.sum() > 0):
            found += [y * 2]
        x.unsqueeze_(0)
        return y, found[0]

    refuses(program, torch.ones(2, 3), torch.ones(2, 3), match="may share memory")


def test_strides_of_empty_tensors() -> None:
    def program(x):
        return x.stride(0), x.stride(1), x.transpose(0, 2).stride(2)

    shapes = ((2, 3, 4), (0, 3, 4), (2, 0, 4), (2, 3, 0), (1, 1, 1))
    check(program, *((torch.rand(shape),) for shape in shapes), dynamic=True)


def test_writes_through_views_that_see_an_element_twice() -> None:
    """Only a view of such a view can be written; what it leaves alone stays as it is."""

    def windows(y):
        x = y.unfold(0, 2, 1)
        x.select(2, 1).add_(3)
        x[0, :, 0] = torch.tensor([1.0, float("nan"), 2.0])
        return y, x

    def strided(y):
        x = y.as_strided([4, 2], [1, 1])
        x[:, 1] += 5
        return y, x

    rows = torch.arange(15.0).reshape(5, 3)
    check(windows, (rows,), (rows[:3],), dynamic=True)
    check(windows, (rows,))
    check(strided, (rows,))


def test_results_of_branches_and_loops_are_contiguous_where_all_paths_are() -> None:
    def branch(x, c: bool):
        if c:
            y = x + 1
        else:
            y = x * 2
        z = y.reshape(-1)
        z += 1
        return y, z

    def turned(x, c: bool):
        y = x + 1
        if c:
            y = (x * 2).t()
        z = y.contiguous()
        z += 1
        return y

    def loop(x, n: int):
        y = x + 1
        for _ in range(n):
            y = y * 2
            y.view(-1).add_(1)
        y.reshape(-1).add_(1)
        return y

    check(branch, (M, True), (M, False))
    check_loop(loop, (M, 0), (M, 1), (M, 3))
    refuses(turned, M, True, match="may share memory")


def test_a_known_part_of_a_dim_of_run_time_is_one_node() -> None:
    def program(x):
        return x.narrow(0, 1, 2), x.narrow(-1, 0, 3)

    calls = [(torch.rand(sizes),) for sizes in ((3, 3), (7, 4), (4, 9))]
    result = check(program, *calls, dynamic=True)
    assert result.report.operators == {"Gather": 2}
    session = harness.loaded(result)
    for sizes in ((2, 3), (3, 2), (2, 2)):
        with pytest.raises(RuntimeError):
            program(torch.rand(sizes))
        with pytest.raises(Exception, match="out of data bounds"):
            harness.run(session, (torch.rand(sizes),))


def test_views_of_windows_that_overlap() -> None:
    """An element that is written through a view of them is seen in the next window, too."""

    def program(x, flag: bool):
        y = x.clone()
        windows = y.unfold(0, 2, 1).t()
        windows[0, 1] = 7
        places = x.as_strided((2, 2), (1, 1)).reshape(2, 1, 2)
        places[1, 0, 0] = 8
        either = windows if flag else y
        either[1] = 9
        return windows, places, either, y, x

    x = torch.arange(4.0)
    check(program, (x, True), (x, False))


def test_writes_to_a_part_of_an_expanded_tensor() -> None:
    """Which is seen wherever the tensor is repeated."""

    def program(x, n: int):
        y = x[:, :1].clone()
        rows = y.expand(x.size(0), 4)
        rows[:, 1] = rows[:, 0] * 2
        rows[0, 1:2] += n
        scalar = y[0, 0]
        many = scalar.expand(3, 2)
        many[n, n] = float("nan")
        two = x[0].expand(2, -1)
        two[1] -= 1
        two[n - 1, 0] = 5
        first, second = torch.broadcast_tensors(x[1], x[:, :1])
        second[:, 2] = 7
        return y, rows, scalar, many, two, first, second, x

    rows = torch.arange(12.0).reshape(3, 4)
    check(program, (rows, 1), (rows[:2], 1), dynamic_axes={"x": {0: "n"}})
    check(program, (rows, 1))


def test_a_size_of_run_time_that_may_be_repeated() -> None:
    def program(x):
        y = x.clone()
        y.expand(3, 4)[:, 1] += 1
        return y

    rows = torch.arange(12.0).reshape(3, 4)
    check(program, (rows,), (rows[:, :1],), dynamic=True)
