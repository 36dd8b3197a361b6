"""Lists of run-time length that become longer, shorter, or are put in another order."""

import numpy as np
import pytest
import torch
from torch import Tensor

import exporter
from tests.conversion.harness import (
    check,
    check_loop,
    compare,
    leaves,
    loaded,
    operators,
    refuses,
    run,
    script,
)
from tests.conversion.sized_lists import X, at_sizes


def ragged(x: Tensor) -> list[Tensor]:
    """Rows cut off at different lengths: items of several shapes."""
    xs: list[Tensor] = []
    for k in range(x.size(0)):
        xs.append(x[k, : k + 1] * 1)
    return xs


def whole_numbers(x: Tensor) -> list[int]:
    """The first column."""
    xs: list[int] = []
    for k in range(x.size(0)):
        xs.append(int(x[k, 0]))
    return xs


BOUNDS = [(0, 0), (1, 2), (-1, 1), (3, -2), (-2, 9), (2, -9)]


def test_slices_of_rows() -> None:
    def program(x, i: int, j: int):
        xs = x.unbind(0)
        return xs[i:j], xs[i:j:2], xs[::2], xs[-2:], xs[:-1], xs[::-1], xs[3:0:-1], xs[j:i:-2]

    at_sizes(program, *BOUNDS)


def test_slices_of_a_sequence() -> None:
    def program(x, i: int, j: int):
        xs = ragged(x)
        return xs[i:j], xs[i:j:2], xs[::2], xs[-2:], xs[:-1], xs[::-1], xs[3:0:-1], xs[j:i:-2]

    at_sizes(program, *BOUNDS)


def test_slices_of_numbers() -> None:
    def program(x, i: int, j: int):
        xs = whole_numbers(x)
        odd = torch.tensor(xs[i:j:2], dtype=torch.int64)
        back = torch.tensor(xs[j:i:-1], dtype=torch.int64)
        return torch.tensor(xs[i:j], dtype=torch.int64), odd, back, len(xs[-2:]), len(xs[::-2])

    at_sizes(program, *BOUNDS)


def test_a_step_known_at_run_time() -> None:
    def program(x, step: int):
        xs = x.unbind(0)
        fixed = [7, 8, 9, 10]
        return xs[::step], xs[:3:step], xs[1::step], torch.tensor(fixed[::step])

    # Eager Python and TorchScript agree.
    at_sizes(program, (1,), (2,), (-1,), (-2,))


def test_lists_behind_each_other() -> None:
    def program(x):
        rows, parts = list(x.unbind(0)), ragged(x)
        fixed = [x.sum(0), x.sum(0)]
        rows_again = rows + rows[1:]
        return rows_again, fixed + rows, rows + fixed, parts + parts, fixed + parts, parts + rows

    at_sizes(program)


def test_extending_in_place() -> None:
    def program(x):
        rows, parts, numbers = list(x.unbind(0)), ragged(x), whole_numbers(x)
        rows.extend(rows[1:])
        rows += [x.sum(0)]
        parts += rows
        numbers += [4, 5]
        start = [x.sum(0)]
        start += parts
        first = [1]
        first.extend(numbers)
        count = torch.tensor(first, dtype=torch.int64)
        return rows, parts, start, count, torch.tensor(numbers, dtype=torch.int64)

    at_sizes(program)


def test_repetition() -> None:
    def program(x, n: int):
        rows, parts, numbers = x.unbind(0), ragged(x), whole_numbers(x)
        twice = [x.sum(0)] * 2
        twice *= n
        parts *= 2
        return rows * n, n * parts, torch.tensor(numbers * n, dtype=torch.int64), len(twice)

    at_sizes(program, (0,), (1,), (3,), (-2,))


def test_items_set_inserted_and_removed() -> None:
    def program(x, i: int):
        rows, parts, numbers = list(x.unbind(0)), ragged(x), whole_numbers(x)
        rows.insert(i, x.sum(0))
        parts.insert(i, x.sum(0))
        numbers.insert(i, 100)
        rows[i] = x[0] * 2
        parts[i] = x[0] * 3
        numbers[i] = 7
        a, b, c = rows.pop(i), parts.pop(i), numbers.pop(i)
        rows.insert(-100, x[0])
        parts.insert(100, x[0])
        numbers.insert(100, 3)
        del rows[-1], parts[0], numbers[0]
        return a, b, c, rows, parts, torch.tensor(numbers, dtype=torch.int64)

    at_sizes(program, (0,), (-1,), sizes=(5, 2, 1))


def test_queue_and_stack() -> None:
    def program(x):
        queue, stack = ragged(x), list(x.unbind(0))
        out = x.new_zeros(3)
        while len(queue) > 1:
            first = queue.pop(0)
            out = out * 2 + first.sum() + len(queue)
        while stack:
            top = stack.pop()
            out = out * 3 + top
        return out, queue, len(stack)

    at_sizes(program)


def test_copies_are_independent() -> None:
    def program(x):
        xs = list(x.unbind(0))
        ys = xs.copy()
        zs = list(xs)
        ys.append(x.sum(0))
        zs.reverse()
        ys.clear()
        return xs, len(ys), zs

    at_sizes(program)


def test_writing_to_what_was_picked() -> None:
    """Items of a slice, a reversal and a repetition are the tensors themselves."""

    def program(x):
        y = x * 1
        xs = y.unbind(0)
        xs[1:][0].mul_(10)
        xs[::-1][0].add_(1)
        (xs * 2)[-1].sub_(5)
        (xs + xs)[0].div_(2)
        return y, xs

    at_sizes(program, sizes=(5, 2))


def test_a_popped_tensor_is_no_longer_in_the_list() -> None:
    def program(x):
        xs = ragged(x)
        first = xs.pop(0)
        first.mul_(2)
        return first, xs

    at_sizes(program, sizes=(5, 2, 1))


def test_a_list_that_grows_is_read_in_its_loop() -> None:
    def program(x, n: int):
        rows, numbers = list(x.unbind(0)), whole_numbers(x)
        for k in range(n):
            rows.append(rows[k] + len(rows))
            numbers.append(numbers[k] + len(numbers))
        return torch.stack(rows), torch.tensor(numbers)

    at_sizes(program, (9,), (0,), sizes=(5, 2, 1))


def test_edits_in_loops_and_branches() -> None:
    def program(x, n: int):
        xs = list(x.unbind(0))
        if n > 1:
            xs.append(x.sum(0))
        else:
            xs.reverse()
        for _ in range(n):
            xs = xs[1:] + xs[:1]
        for k in range(len(xs)):
            xs[k] = xs[k] + xs[k - 1]
        return xs

    at_sizes(program, (0,), (1,), (2,), (3,))


@pytest.mark.parametrize("n", [2, 5])
def test_one_side_fixed_the_other_of_run_time_length(n: int) -> None:
    def program(x, flag: bool):
        xs = [x.sum(0), x.sum(0) * 2]
        if flag:
            xs = xs[:1] + list(x.unbind(0))
        xs.append(x.mean(0))
        return torch.stack(xs), len(xs)

    check(program, (X[:n], True), (X[:n], False), (X[:1], True), dynamic=True)


def test_rows_stay_one_tensor() -> None:
    """Neither slices nor joins of rows need a Sequence."""

    def program(x):
        xs = list(x.unbind(0))
        return torch.stack(xs[1:] + [x.sum(0)] + xs[::-1])

    result = check(program, (X,), (X[:1],), (X[:0],), dynamic=True, opset_version=11)
    assert not {name for name in operators(result) if "Sequence" in name or name == "Loop"}


def test_a_rotating_list_unrolled_and_as_a_loop() -> None:
    def program(x):
        xs = list(x.unbind(0))
        for _ in range(3):
            xs.append(xs.pop(0))
        return torch.stack(xs)

    check_loop(program, (X,), (X[:2],), (X[:1],), dynamic=True)


@pytest.mark.parametrize("opset", [13, 20])
def test_a_list_that_the_model_takes(opset: int) -> None:
    """An input that is a Sequence, of items of several sizes."""

    def program(xs: list[Tensor], i: int):
        ys = xs[1:] + xs[::-1]
        xs.append(ys[i])
        first = xs.pop(0)
        sums: list[Tensor] = []
        for a, b in zip(ys, xs):
            sums.append(a.sum() + b.sum())
        return ys, first, xs, torch.stack(sums), torch.cat(ys)

    scripted = script(program)
    given = exporter.SequenceSpec("float32", ("n", 3))
    session = loaded(exporter.export(scripted, (given, 1), opset_version=opset))
    for count in (2, 5, 3):
        xs = [torch.rand(k + 1, 3) for k in range(count)]
        feeds = {"xs": [x.numpy() for x in xs], "i": np.asarray(1)}
        found = list(leaves(session.run(None, feeds)))
        compare(list(leaves(scripted(list(xs), 1))), found, f"{count} items", 1e-5, 1e-6)


OUT_OF_RANGE = {
    "rows": ("list(x.unbind(0))", "torch.ones(3)"),
    "pieces": ("list(x.split(1))", "torch.ones(1, 3)"),
    "sequence": ("[x[:k] for k in range(x.size(0))]", "torch.ones(1, 3)"),
    "numbers": ("[k + 1 for k in range(x.size(0))]", "7"),
}


@pytest.mark.parametrize(("made", "item"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE.keys())
@pytest.mark.parametrize("statement", ["del xs[i]", "xs[i] = {}"])
def test_an_index_out_of_range(made: str, item: str, statement: str) -> None:
    """The run fails, as the program does."""
    lines = f"    xs = {made}\n    {statement.format(item)}\n    return xs[0], xs[-1], len(xs)\n"
    program = torch.jit.CompilationUnit(f"def program(x, i: int):\n{lines}").program
    result = check(program, *[(X[:3], i) for i in (0, 1, 2, -1, -3)], dynamic=True)
    for i in (3, 7, -4):
        with pytest.raises(RuntimeError):
            program(X[:3], i)
        with pytest.raises(Exception, match="ONNXRuntimeError"):
            run(loaded(result), (X[:3], i))


def test_dims_of_an_item_changed_in_place() -> None:
    """The list would have to show it; one that is taken out of it is free."""

    def held(x, n: int):
        xs = list(x.unbind(0))
        xs.insert(n, x[0] * 2)
        xs[1].unsqueeze_(0)
        return xs[1]

    def sequence(x, n: int):
        xs = ragged(x)
        xs.insert(n, x[0] * 2)
        xs[1].unsqueeze_(0)
        return xs[0]

    def popped(x, n: int):
        xs = list(x.unbind(0))
        xs.insert(n, x[0] * 2)
        y = xs.pop()
        y.unsqueeze_(0)
        return y, xs[0]

    for program in (held, sequence):
        refuses(program, X[:3], 1, match="taken from a list of run-time length", dynamic=True)
    check(popped, (X[:3], 1), (X, 0), dynamic=True)


def test_items_that_come_twice_are_told_where_paths_meet() -> None:
    """Views of one tensor change together; what becomes of them in a branch does not know it."""

    def repeated(x, n: int, c: bool):
        rows = [x[0]]
        if c:
            rows = [x[0] * 2] * n
        rows[0].add_(1)
        return torch.stack(rows)

    def doubled(x, n: int, c: bool):
        rows = list(x.unbind(0))
        if c:
            rows = rows + rows
        rows[0].add_(1)
        return torch.stack(rows)

    def expanded(x, n: int, c: bool):
        rows = list(x.unbind(0))
        if c:
            rows = list(x[0].expand(n, 3).unbind(0))
        rows[0].add_(1)
        return torch.stack(rows)

    def an_expanded_item(x, n: int, c: bool):
        rows = [x + 1]
        if c:
            rows = [x[:1].expand(n, 3), x]
        row = rows[0]
        row[0] = 7
        return row + 0

    def without_a_branch(x, n: int, c: bool):
        rows = [x[0]] * n
        rows[0].add_(1)
        both = rows + rows
        both[0].mul_(2)
        return torch.stack(both)

    calls = [(torch.randn(size, 3), n, c) for size, n, c in ((4, 3, True), (2, 1, False))]
    for program in (repeated, doubled, expanded, an_expanded_item):
        refuses(program, *calls[0], match="may share memory", dynamic=True)
    check(without_a_branch, *calls, dynamic=True)


def test_a_list_that_was_emptied_is_one_of_the_same_things() -> None:
    """No annotation says what it holds, and what it held is gone."""

    def numbers(x, n: int):
        counts = [n]
        del counts[0]
        for i in range(n):
            counts.append(i - 1)
        return sum(counts), len(counts)

    def sliced(x, n: int):
        counts, weights = [3], [0.5]
        counts.clear()
        weights.pop()
        for i in range(n):
            counts = counts[:n]
            weights.append(0.25)
        return len(counts), len(weights), sum(weights + [0.5])

    def nested(x, n: int):
        rows = [[n]]
        rows.pop()
        for i in range(n):
            rows.append([i, n])
        return len(rows)

    for program in (numbers, sliced, nested):
        check(program, (X, 2), (X, 0), (X, 3))
