"""`prim::If` on conditions of run time."""

import torch
from torch import Tensor, nn

from tests.conversion.harness import check, check_state, operators, refuses

POS, NEG = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, -2.0, -3.0])
BOTH = ((POS,), (NEG,))


def test_nested_with_early_returns() -> None:
    def program(x):
        if x.sum() > 0:
            if x.max() > 2.5:
                return x, 1
            x = x + 1
        elif x.min() < -10:
            return x * 2, 2
        return x - 1, 3

    check(program, *BOTH, (POS / 2,), (NEG * 9,))


def test_shapes_differ() -> None:
    def program(x):
        if x.sum() > 0:
            y = x[:2]
        else:
            y = torch.cat([x, x])
        return y * 2, y.size(0), y.sum()

    check(program, *BOTH)


def test_ranks_differ() -> None:
    def program(x):
        if x.sum() > 0:
            y = x
        else:
            y = x.unsqueeze(0)
        return y + 1, y.dim(), y.numel()

    check(program, *BOTH)


def test_list_lengths_differ() -> None:
    def program(x):
        out = [x]
        if x.sum() > 0:
            out.append(x + 1)
            out.append(x + 2)
        else:
            out[0] = x * 2
        return torch.stack(out), len(out)

    check(program, *BOTH)


def test_int_list_lengths_differ() -> None:
    def program(x):
        sizes = [1, 2]
        if x.sum() > 0:
            sizes.append(7)
        total = 0
        for s in sizes:
            total += s
        return total, len(sizes), sizes[-1], torch.tensor(sizes)

    check(program, *BOTH)


def test_lists_of_the_same_length() -> None:
    def program(x):
        if x.sum() > 0:
            out = [x, x + 1]
        else:
            out = [x * 2, x]
        out.append(x)
        return out

    check(program, *BOTH)


def test_dict_contents() -> None:
    def program(x):
        d: dict[str, Tensor] = {"a": x}
        if x.sum() > 0:
            d["a"] = x + 1
        else:
            d["a"] = x[:1]
        d["b"] = d["a"] * 2
        return d

    check(program, *BOTH)


def test_a_key_entered_in_both_branches() -> None:
    def program(x):
        d: dict[str, Tensor] = {}
        if x.sum() > 0:
            d["a"] = x + 1
        else:
            d["a"] = x - 1
        return d["a"]

    check(program, *BOTH)


def test_a_key_entered_in_one_branch() -> None:
    def program(x):
        d: dict[str, Tensor] = {}
        if x.sum() > 0:
            d["a"] = x
        return len(d)

    check(program, *BOTH)


def test_none_in_one_branch() -> None:
    def program(x):
        found: Tensor | None = None
        if x.sum() > 0:
            found = x * 2
        if found is not None:
            return found + 1
        return x

    check(program, *BOTH)


def test_none_in_one_branch_of_ints_and_lists() -> None:
    def program(x):
        n: int | None = None
        parts: list[Tensor] | None = None
        if x.sum() > 0:
            n = x.size(0)
            parts = [x, x + 1]
        total = 0
        if n is not None:
            total += n
        if parts is not None:
            total += len(parts)
            x = x + parts[1]
        return x, total, n is None

    check(program, *BOTH)


def test_optional_passed_through_two_branches() -> None:
    def program(x):
        a: Tensor | None = None
        if x.sum() > 0:
            a = x
        if x.max() > 2:
            if a is None:
                a = x - 1
        if a is None:
            a = x * 0
        return a

    check(program, *BOTH, (POS / 2,))


def test_a_branch_that_raises() -> None:
    def program(x):
        if x.sum() > 100:
            raise ValueError("too large")
        if x.sum() < -100:
            raise ValueError("too small")
        return x + 1

    result = check(program, *BOTH)
    assert "If" not in operators(result)
    assert [p.split(" (")[0] for p in result.report.preconditions] == ["too large", "too small"]


def test_an_assertion_of_the_data() -> None:
    def program(x):
        assert x.sum() < 100, "too large"
        return x + 1

    result = check(program, *BOTH)
    assert "If" not in operators(result)
    assert "too large" in result.report.preconditions[0]


def test_writes_to_outer_tensors() -> None:
    def program(x):
        y = torch.zeros(2, 3)
        row = y[0]
        if x.sum() > 0:
            row.add_(x)
        else:
            y[1].sub_(x)
            y[:, 0] = 5.0
        return y, row

    check(program, *BOTH)


def test_writes_in_one_branch_only() -> None:
    def program(x):
        y = x.clone()
        if x.sum() > 0:
            y.mul_(3)
        return y, x

    check(program, *BOTH)


def test_writes_to_outer_lists_and_dicts() -> None:
    def program(x):
        out = [x, x + 1]
        d: dict[str, int] = {"n": 1}
        if x.sum() > 0:
            out[0] = x * 2
            d["n"] = 5
        else:
            out.reverse()
            d["n"] += 1
        return out, d["n"]

    check(program, *BOTH)


class Attributes(nn.Module):
    last: Tensor
    count: int

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(3)
        self.count = 0

    def forward(self, x):
        if x.sum() > 0:
            self.last = x
            self.count += 1
        else:
            self.count = 0
        return x + self.last, self.count


def test_writes_to_attributes() -> None:
    check_state(Attributes(), *BOTH, (POS,), (POS,))


def test_what_both_branches_give_alike_stays_known() -> None:
    def program(x):
        if x.sum() > 0:
            y = x + 1
            n = 2
        else:
            y = x - 1
            n = 2
        return y.reshape(1, n + 1), n

    check(program, *BOTH)


class Zeros(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.above, self.below = 0.0, -0.0

    def forward(self, x: Tensor) -> Tensor:
        r = self.above if x.sum() > 0 else self.below
        return torch.full([2], r).reciprocal()


def test_what_no_scalar_has_fails_in_a_branch() -> None:
    """A branch that would take a part of a 0-d tensor, or join such, is dropped."""

    def program(x, wrong: bool):
        if wrong:
            x = torch.cat([x.sum(), x.sum()]) + x.sum().narrow(0, 0, 1)
        return x * 2

    check(program, (POS, False))


def test_zeros_of_either_sign_are_two_numbers() -> None:
    check(Zeros(), *BOTH)


def test_branches_that_do_nothing_leave_no_if() -> None:
    def program(x):
        n = 3
        if x.sum() > 0:
            n = 4 - 1
        return x * n

    assert "If" not in operators(check(program, *BOTH))


def test_numbers_chosen_by_a_branch() -> None:
    def program(x):
        n, f, b = 1, 1.5, False
        if x.sum() > 0:
            n, f, b = 2, -2.5, True
        return x * n + f, n, f, b, x[:n]

    check(program, *BOTH)


def test_an_int_used_as_a_size() -> None:
    def program(x):
        n = 1
        if x.sum() > 0:
            n = x.size(0)
        return torch.zeros(n, 2), torch.arange(n), x.narrow(0, 0, n)

    check(program, *BOTH)


def test_tuples_of_branches() -> None:
    def program(x):
        if x.sum() > 0:
            t = (x, 1, "a")
        else:
            t = (x[:1], 2, "a")
        return t[0], t[1], t[2] == "a"

    check(program, *BOTH)


def test_a_result_that_may_be_its_source_is_written() -> None:
    def program(x):
        y = x + 1
        if x.sum() > 0:
            z = y
        else:
            z = y * 2
        z = z + 1
        z.add_(1)
        return y, z

    check(program, *BOTH)


def test_conditional_expressions_and_short_circuits() -> None:
    def program(x):
        a = bool(x[0] > 0)
        b = bool(x[1] > 1)
        y = x + 1 if a and not b else x - 1
        z = x if (a or b) and x.size(0) == 3 else x * 2
        return y, z, a != b, a and b, a or b

    check(program, *BOTH, (torch.tensor([1.0, -1, 2]),))


def test_a_branch_inside_a_function() -> None:
    def inner(x: Tensor, flag: bool) -> tuple[Tensor, int]:
        if flag:
            return x + 1, 1
        return x - 1, 0

    def program(x):
        y, n = inner(x, bool(x.sum() > 0))
        z, m = inner(y, True)
        return z, n + m

    check(program, *BOTH)


def test_dtypes_that_differ_are_refused() -> None:
    def program(x):
        if x.sum() > 0:
            y = x
        else:
            y = x.to(torch.int64)
        return y

    error = refuses(program, POS, match="one dtype")
    assert "test_branches.py" in str(error)


def test_views_made_in_a_branch_and_written_after() -> None:
    def program(x):
        y = torch.zeros(3)
        if x.sum() > 0:
            y[1:] = x[1:]
        else:
            y[:1] = x[:1]
        y += 1
        v = y[:2]
        if x.max() > 2:
            v.mul_(2)
        return y, v

    check(program, *BOTH)


def test_shapes_known_after_a_branch_on_a_dynamic_size() -> None:
    def program(x):
        if x.size(0) > 2:
            y = x[:2]
        else:
            y = x
        return y.sum(0), y.size(0)

    check(program, (torch.ones(3, 2),), (torch.ones(1, 2),), (torch.ones(0, 2),), dynamic=True)


def test_a_value_of_the_condition_is_used_in_the_branch() -> None:
    def program(x):
        m = x.max()
        if m > 2:
            return x / m
        return x * m

    check(program, *BOTH)


def test_while_in_a_branch_and_branch_in_a_while() -> None:
    def program(x):
        n = 0
        if x.sum() > 0:
            while bool(x.sum() > 1):
                if n % 2 == 0:
                    x = x / 2
                else:
                    x = x - 0.5
                n += 1
        return x, n

    check(program, *BOTH)


def test_an_index_of_a_list_known_at_run_time() -> None:
    def program(x):
        i = 0
        if x.sum() > 0:
            i = 2
        parts = [x, x + 1, x + 2]
        sizes = [4, 5, 6]
        return parts[i], sizes[i], parts[i - 1]

    check(program, *BOTH)


def test_equal_tensors_of_run_time_sizes() -> None:
    def program(x, y):
        return (
            torch.equal(x, y),
            torch.equal(x, x),
            torch.equal(x, y.unsqueeze(0)),
            [x.size(0)] == [y.size(0)],
        )

    empty = torch.zeros(0)
    check(program, (POS, POS), (POS, NEG), (POS, POS[:2]), (empty, empty), dynamic=True)


def test_a_branch_that_is_sure_to_fail_is_dropped() -> None:
    """A dim or index out of range is a `raise`: such a branch can't be the one that is meant."""

    def program(x):
        if x.sum() > 0:
            x = x[:, 0]
        y = x.clone()
        if x.sum() > 100:
            y = y.transpose(0, 3)
        if x.sum() > 200:
            y = y.sum().select(0, 0)
        if x.sum() > 300:
            y = y.sum()[:1]
        return y

    square = torch.ones(2, 2)
    result = check(program, (square,), (-square,))
    assert len(result.report.preconditions) == 3


class Replaced(nn.Module):
    items: list[Tensor]
    table: dict[str, Tensor]

    def __init__(self):
        super().__init__()
        self.items = []
        self.table = {}

    def forward(self, x, replace: bool):
        self.items = [x]
        self.table = {"a": x, "b": x}
        held = self.items
        if replace:
            self.items = [x, x + 1, x + 2]
            self.table = {"a": x * 2, "b": x}
        else:
            self.items.append(x + 3)
            self.table["b"] = x * 5
        return len(self.items), self.items[-1], self.table, len(held)


def test_an_attribute_that_one_branch_replaces_and_the_other_changes() -> None:
    check(Replaced(), (POS, True), (POS, False), freeze_state=True)


def test_a_branch_that_writes_more_dims_than_there_are_is_dropped() -> None:
    def program(x, y):
        if x.sum() > 100:
            y.mul_(x)
        return y.sort(0)[0]

    check(program, (torch.ones(2, 2), POS[:2]), (-torch.ones(2, 2), NEG[:2]))


def test_what_an_early_return_leaves_unset() -> None:
    """Behind it the tensor is the same one, place in memory and all."""

    def program(x: Tensor, size: int) -> Tensor:
        row = x[0]
        if row.size(0) < size:
            return torch.empty((0, 0))
        count = 1 + (row.size(0) - size) // 2
        return row.as_strided((count, size), (2 * row.stride(0), row.stride(0)))

    check(program, (torch.randn(1, 9), 4), (torch.randn(1, 3), 4), dynamic_axes={"x": {1: "n"}})


def test_a_branch_with_too_many_indices_is_dropped() -> None:
    def program(x, i, n: int):
        for row in x:
            if n == 1:
                row[i] = n
            if n == 2:
                row = row[i]
        return x

    index = torch.tensor([0, 0])
    check(program, (torch.zeros(2, 3), index, 1), (torch.zeros(2, 3), index, 0))
    check(program, (torch.zeros(2), index, 0))


def test_bfloat16_where_branches_do_not_give_it():
    """Opsets 13 to 15 have bfloat16, but their `If` and `Loop` do not."""

    def branch(x):
        x = x.to(torch.bfloat16)
        if x.sum() > 0:
            x = x * 2
        return x.to(torch.float32)

    def carried(x, n: int):
        x = x.to(torch.bfloat16)
        for _ in range(n):
            x = x * 2
        return x.to(torch.float32)

    check(branch, *BOTH, opset_version=13)
    check(carried, (POS, 3), opset_version=16)
    refuses(
        carried, POS, 3, match="Loop takes no bfloat16 at opset 13; opset 16 does", opset_version=13
    )
