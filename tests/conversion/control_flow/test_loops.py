"""`prim::Loop`: unrolled and as ONNX Loop, with the same results."""

import torch

from tests.conversion.harness import check, check_loop, operators

X = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
FLAT = torch.tensor([0.5, -1.0, 2.0, 3.0])


def test_ranges_of_any_step() -> None:
    def program(x, n: int):
        total = 0
        for i in range(n):
            total += i
        for i in range(2, n):
            total = total * 2 + i
        for i in range(n, -3, -2):
            total = total * 3 - i
        for i in range(n, 12, 3):
            total += i * i
        return x + total, total

    check(program, *((FLAT, n) for n in (0, 1, 2, 5, 11, -4, 14)))
    check_loop(program, *((FLAT, n) for n in (0, 1, 2, 5, 11, -4, 14)))


def test_a_step_of_run_time() -> None:
    def program(x, start: int, stop: int, step: int):
        total = 0
        for i in range(start, stop, step):
            total = total * 2 + i
        return x + total

    check_loop(
        program,
        (FLAT, 0, 5, 1),
        (FLAT, 0, 5, 2),
        (FLAT, 5, 0, -1),
        (FLAT, 5, 0, 1),
        (FLAT, 7, -2, -3),
    )


def test_known_ranges() -> None:
    def program(x):
        for i in range(4, -1, -2):
            x = x * 0.5 + i
        for i in range(3, 3):
            x = x + 100
        return x

    check(program, (FLAT,))
    check(program, (FLAT,), unroll_trips=0)


def test_over_a_tensor() -> None:
    def program(x):
        h = torch.zeros(2)
        for row in x:
            h = torch.tanh(h + row)
        return h

    check_loop(program, (X,), (X[:1],), (X[:0],), dynamic=True)
    check(program, (X,))


def test_over_lists() -> None:
    def program(xs: list[torch.Tensor], ns: list[int]):
        total = torch.zeros(2)
        for x in xs:
            total = total + x.sum(0)
        k = 0
        for n in ns:
            k = k * 2 + n
        return total * k

    check(program, ([X, X[:1]], [1, 2, 3]))


def test_zip_and_enumerate() -> None:
    def program(x, y):
        out = torch.zeros(2)
        for i, (a, b) in enumerate(zip(x, y)):
            out = out + a * b * i
        for i, a in enumerate(x, 3):
            out = out * 0.5 + a * i
        for a, n in zip([x, y], [1, 2]):
            out = out + a.sum(0) * n
        return out

    check(program, (X, X + 1))
    check_loop(program, (X, X + 1), (X[:1], X), dynamic=True)


def test_over_a_dict() -> None:
    def program(x):
        d: dict[str, torch.Tensor] = {"a": x, "b": x * 2}
        out = torch.zeros(2)
        n = 0
        for k in d:
            out = out + d[k].sum(0)
        for k, v in d.items():
            if k == "b":
                out = out * v[0]
            n += len(k)
        for v in d.values():
            out = out + v[1]
        return out, n

    check(program, (X,))


def test_while() -> None:
    def program(x):
        n = 0
        while bool(x.abs().max() > 1) and n < 20:
            x = x / 2
            n += 1
        return x, n

    check_loop(program, (X,), (X / 10,), (X * 50,))


def test_break_continue_and_return() -> None:
    def program(x):
        total = torch.zeros(())
        for i in range(x.size(0)):
            if bool(x[i] < 0):
                continue
            if bool(total > 4):
                break
            if bool(x[i] > 90):
                return x[i], i
            total = total + x[i] * (i + 1)
        return total, -1

    calls = [(FLAT,), (-FLAT,), (FLAT + 1,), (FLAT * 40,), (torch.tensor([5.0, 1, 1, 1]),)]
    check_loop(program, *calls)


def test_break_out_of_nested_loops() -> None:
    def program(x):
        count = 0
        for i in range(x.size(0)):
            for j in range(x.size(1)):
                if bool(x[i, j] < 0):
                    break
                count += 10 * i + j + 1
            if count > 50:
                break
        return count

    check_loop(program, (X,), (X.abs(),), (-X.abs(),), (X[:, :1],), dynamic=True)


def test_known_breaks_unroll() -> None:
    def program(x):
        i = 0
        while True:
            if i == 4:
                break
            if i % 2 == 1:
                i += 1
                continue
            x = x + i
            i += 1
        return x, i

    result = check(program, (X,))
    assert "Loop" not in operators(result)


def test_a_carried_value_changes_shape() -> None:
    def program(x, n: int):
        y = x[:1]
        for i in range(n):
            y = torch.cat([y, y[-1:] + i])
        return y, y.size(0)

    check_loop(program, (X, 3), (X, 0), (X, 1))


def test_a_carried_value_changes_rank() -> None:
    def program(x, n: int):
        y = x
        for _ in range(n):
            y = y.sum(0, keepdim=False) if y.dim() > 0 else y
        return y

    check(program, (X, 1))


def sums_of_rows(x: torch.Tensor):
    """The total has no dims before the first trip, and one afterwards."""
    assert x.shape[0] > 0
    total = torch.tensor(0.5)
    for i in range(0, x.shape[0], 2):
        total = total + x[i] * i
    picked = total.clone()
    picked[..., 0] = total[1]
    return total, picked


def sums_of_chunks(x: torch.Tensor):
    """The same, of chunks; how long the last one is nobody knows, but it is not empty."""
    totals = [torch.tensor(0.0)]
    result = torch.zeros_like(x)
    start = 0
    while start < x.shape[0]:
        chunk = torch.arange(start, min(x.shape[0], start + 7))
        start = int(chunk[-1]) + 1
        totals[0] = torch.tensor(0.0)
        inner = 0
        while inner < len(chunk):
            part = x[chunk][inner : inner + 2]
            totals[0] = totals[0] + part.sum(0)
            inner += 2
        result[chunk] = totals[0][None, :] + x[chunk]
    return result


def test_a_first_trip_that_settles_ranks() -> None:
    """It runs before the loop, if it is sure to: what the loop carries then has its dims."""
    rows = {"x": {0: "rows"}}
    calls = [(torch.randn(n, 3),) for n in (70, 1, 2, 9)]
    result = check(sums_of_rows, *calls, dynamic_axes=rows)
    assert result.report.operators["Loop"] == 1
    assert [value.shape for value in result.model.graph.outputs] == [[3], [3]]
    chunks = [(torch.randn(n, 3),) for n in (30, 7, 1, 15)]
    result = check(sums_of_chunks, *chunks, dynamic_axes=rows)
    assert result.report.operators["Loop"] == 2


def attended(x: torch.Tensor, steps: int):
    """The first step enters what later ones look up; what it adds to is of another dtype."""
    assert steps > 0
    cache: dict[str, dict[str, torch.Tensor]] = {}
    total = torch.zeros(1, dtype=torch.int64)
    for step in range(steps):
        new = x[-1:] * 0.5 if len(cache) > 0 else x
        for layer in range(2):
            name = "layer" + str(layer)
            rows = new + layer
            if name in cache:
                rows = torch.cat([cache[name]["rows"], rows])
            cache[name] = {"rows": rows}
            total = total + rows.sum() * (step + 1)
    return total


def test_a_first_trip_that_enters_keys() -> None:
    rows = {"x": {0: "rows"}}
    calls = [(torch.randn(n, 3), steps) for n, steps in ((2, 4), (1, 1), (3, 70))]
    result = check(attended, *calls, dynamic_axes=rows, rtol=1e-4, atol=1e-3)
    assert result.report.operators["Loop"] == 1


def test_the_index_is_below_the_trips() -> None:
    """So a slice at it is never cut off: its size is known, and nothing is computed for it."""

    def program(x, kernel):
        y = torch.zeros(x.size(0), 1)
        for t in range(x.size(1) - 2):
            y = y + (x[:, t : t + 3] * kernel).sum(1, keepdim=True) + x[:, t : t + 1]
        return y

    calls = [(torch.randn(2, n), torch.randn(3)) for n in (70, 3, 2, 5)]
    result = check(program, *calls, dynamic_axes={"x": {0: "rows", 1: "time"}})
    assert str(result.model.graph.outputs[0].shape) == "[rows,1]"
    counts = result.report.operators
    assert counts["Min"] == 0
    assert counts["Max"] == 1  # of the trips, which are none where there are fewer columns


def test_lists_that_grow() -> None:
    def program(x, n: int):
        tensors: list[torch.Tensor] = []
        ints: list[int] = []
        floats: list[float] = []
        bools: list[bool] = []
        for i in range(n):
            tensors.append(x + i)
            ints.append(i * i)
            floats.append(i * 0.5)
            bools.append(i % 2 == 0)
        total = 0
        for k in ints:
            total += k
        return (
            torch.tensor(ints),
            torch.tensor(floats),
            torch.tensor(bools),
            len(tensors),
            total,
            sum(floats),
        )

    check_loop(program, (X, 3), (X, 1), (X, 5))


def test_lists_of_numbers_that_grow_from_some() -> None:
    """Known numbers and those of run time stand in the lists before the loop."""

    def program(x, n: int):
        path = [7, n]
        scores = [0.5, float(x[0])]
        for i in range(n):
            path.append(i * i)
            scores.append(float(x[i]))
        path.reverse()
        return torch.tensor(path), torch.tensor(scores)

    check_loop(program, (FLAT, 3), (FLAT, 0), (FLAT, 1))


def test_lists_that_grow_by_several() -> None:
    def program(x, n: int):
        out: list[torch.Tensor] = [x]
        for i in range(n):
            out.append(x + i)
            if i % 2 == 0:
                out.append(x * 2)
        return torch.cat(out), torch.stack(out, 1), out[0], out[-1], len(out)

    check_loop(program, (X, 3), (X, 0), (X, 4))


def test_lists_that_grow_with_tensors_of_other_sizes() -> None:
    def program(x):
        out: list[torch.Tensor] = []
        for i in range(x.size(0)):
            out.append(x[: i + 1])
        return torch.cat(out), len(out)

    check_loop(program, (X,), (X[:1],), dynamic=True)


def test_growing_and_shrinking() -> None:
    def program(x, n: int):
        stack = [x]
        for i in range(n):
            stack.append(stack[-1] + 1)
            if len(stack) > 3:
                y = stack.pop(0)
                stack[0] = stack[0] + y
        return torch.stack(stack), len(stack)

    check_loop(program, (FLAT, 2), (FLAT, 0), (FLAT, 5))


def test_writes_in_a_loop() -> None:
    def program(x):
        out = torch.zeros_like(x)
        view = out[:, 0]
        for i in range(x.size(0)):
            out[i] = x[i] * (i + 1)
            view[i] += 10
            out[i : i + 1, 1:].mul_(2)
        return out, view

    check_loop(program, (X,), (X[:1],), (X[:0],), dynamic=True)


def test_writes_to_outer_containers() -> None:
    def program(x, n: int):
        d: dict[str, torch.Tensor] = {"h": x, "c": x}
        parts = [x, x + 1]
        for i in range(n):
            d["h"] = d["h"] * 0.5 + i
            parts[0], parts[1] = parts[1], parts[0] + d["c"]
        return d["h"], d["c"], parts

    check_loop(program, (X, 3), (X, 0), (X, 4))


def test_numbers_that_vary() -> None:
    def program(x, n: int):
        a, b, f, flag = 0, 1, 0.5, False
        for i in range(n):
            a, b = b, a + b
            f = f * 1.5 + i
            flag = not flag
        return x + a, b, f, flag

    check_loop(program, (X, 5), (X, 0), (X, 1))


def test_none_that_becomes_a_tensor() -> None:
    def program(x, n: int):
        best: torch.Tensor | None = None
        for i in range(n):
            candidate = x * (i - 1)
            if best is None or bool(candidate.sum() > best.sum()):
                best = candidate
        if best is None:
            return x - 100
        return best

    check_loop(program, (X, 3), (X, 0), (X, 1), (-X, 4))


def test_none_that_stays_none_where_the_loop_returns() -> None:
    """What is None on the paths that go on, and not set where the loop is left for good."""

    def program(x, n: int):
        kept: torch.Tensor | None = None
        for _ in range(n):
            for _ in range(n):
                if n == 4:
                    if kept is not None:
                        kept = kept
                else:
                    return x, 2
        if kept is not None:
            x = x + 1
        else:
            return x, 1
        return torch.cat([x, x if kept is None else kept]), 3

    check(program, (FLAT, 2), (FLAT, 4), (FLAT, 0))


def test_a_tensor_that_stays_the_same_in_the_first_trip() -> None:
    """The list starts with `x` itself; a later trip puts another one in its place."""

    def program(x, y, n: int):
        rows = [x, torch.relu(y)]
        for i, row in enumerate(rows):
            if n > 4:
                return x, i
            x = row
        return torch.cat([x, x[:1]]), 7

    calls = [(FLAT[:a], FLAT[:b], n) for a, b in ((3, 2), (1, 4)) for n in (2, 5)]
    names = {"x": {0: "a"}, "y": {0: "b"}}
    check(program, *calls, dynamic_axes=names)
    check(program, *calls, dynamic_axes=names, unroll_trips=0)


def test_nested_loops_with_carried_values() -> None:
    def program(x, n: int, m: int):
        total = 0
        for i in range(n):
            inner = x
            for j in range(m + i):
                inner = inner * 0.5 + j
                total += j
            x = x + inner
        return x, total

    check_loop(program, (X, 2, 3), (X, 0, 3), (X, 3, 0), (X, 1, 1))


def test_a_swap_of_carried_values() -> None:
    def program(x, y, n: int):
        for _ in range(n):
            x, y = y, x
        return x, y

    check_loop(program, (X, X + 1, 3), (X, X + 1, 0), (X, X + 1, 2))


def test_an_alias_written_in_a_loop() -> None:
    def program(x, n: int):
        y = x.clone()
        z = y
        for i in range(n):
            y += i
        return y, z

    check_loop(program, (X, 3), (X, 0))


def test_a_thousand_trips_stay_a_loop() -> None:
    def program(x):
        for i in range(1000):
            x = x * 0.99 + i % 3
        return x

    result = check(program, (X,), rtol=1e-4)
    assert "Loop" in operators(result)
    assert result.report.node_count < 30


def test_a_loop_of_numbers_leaves_nothing() -> None:
    def program(x):
        total = 0
        for i in range(5000):
            total += i % 7
        return x + total

    result = check(program, (X,))
    assert "Loop" not in operators(result)


def test_comprehensions() -> None:
    def program(x):
        squares = [i * i for i in range(4)]
        rows = [row * 2 for row in x]
        lengths = {str(i): i + 1 for i in range(2)}
        return torch.tensor(squares), torch.stack(rows), lengths["1"]

    check(program, (X,))
    check(program, (X,), (X[:1],), dynamic=True)


def test_loops_over_run_time_lists() -> None:
    def program(x):
        keep: list[torch.Tensor] = []
        for row in x:
            if bool(row.sum() > 0):
                keep.append(row)
        total = torch.zeros(2)
        for i, row in enumerate(keep):
            total = total + row * (i + 1)
        for row in keep:
            total = total * 2 + row
        return total, len(keep)

    check_loop(program, (X,), (-X,), (X.abs(),), dynamic=True)


def test_a_list_of_ints_filtered_in_a_loop() -> None:
    def program(x):
        keep: list[int] = []
        for i in range(x.size(0)):
            if bool(x[i] > 0):
                keep.append(i)
        if len(keep) == 0:
            return x[:0]
        return x[torch.tensor(keep)]

    check_loop(program, (FLAT,), (-FLAT,), (FLAT.abs(),), dynamic=True)


def test_while_on_a_size() -> None:
    def program(x):
        while x.size(0) > 1:
            x = x[1:] + x[:-1]
        return x

    check_loop(program, (FLAT,), (FLAT[:1],), dynamic=True)


def test_a_loop_variable_read_after_the_loop() -> None:
    def program(x, n: int):
        i = -5
        for i in range(n):
            x = x + i
        return x, i

    check_loop(program, (FLAT, 3), (FLAT, 0))


def test_a_loop_whose_body_is_sure_to_fail_has_no_trips() -> None:
    def program(x, n: int):
        y = x.sum()
        for _ in range(n):
            y = y[:1]
        return y

    result = check(program, (torch.rand(3), 0), (torch.rand(3), -1))
    assert "a slice of a 0-d tensor" in result.report.preconditions[0]


def test_an_item_that_is_returned_from_a_loop() -> None:
    """Of an empty tensor there is none to be read, and none is asked for."""

    def program(x, n: int):
        for item in x:
            if n < 2:
                x.unflatten(0, [1, -1]).add_(1)
            else:
                x = item.flatten()
                return x  # noqa: RET504  the variable is what the branches join
        return x

    calls = [(torch.arange(float(size)), n) for size in (3, 1, 0) for n in (0, 2, 5)]
    check(program, *calls, dynamic=True)
