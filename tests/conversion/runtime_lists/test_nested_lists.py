"""Lists of lists of numbers whose length is only known at run time."""

from __future__ import annotations

import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from exporter import export
from tests.conversion.harness import check, check_loop, refuses, script

X = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
TRIPS = tuple((X, n) for n in (3, 0, 1, 6))
WORDS = tuple((torch.tensor(v, dtype=torch.int64),) for v in ([1, 1, 2, 2, 2, 3], [4], [0, 5, 0]))


def flat(lists: list[list[int]]) -> tuple[Tensor, Tensor]:
    items: list[int] = []
    sizes: list[int] = []
    for one in lists:
        items.extend(one)
        sizes.append(len(one))
    return torch.tensor(items, dtype=torch.int64), torch.tensor(sizes, dtype=torch.int64)


def test_a_greedy_decoder() -> None:
    """What a model that recognises speech gives: for each utterance its tokens."""

    def program(scores):
        found: list[list[int]] = []
        for b in range(scores.size(0)):
            tokens: list[int] = []
            last = -1
            for t in range(scores.size(1)):
                token = int(scores[b, t].argmax())
                if token != last and token != 0:
                    tokens.append(token)
                last = token
            found.append(tokens)
        return flat(found)

    calls = [(torch.randn(b, t, 4),) for b, t in ((3, 6), (1, 2), (2, 0), (0, 3))]
    check_loop(program, *calls, dynamic=True)


def test_a_list_is_changed_where_it_is() -> None:
    def program(x):
        groups: list[list[int]] = []
        last = -1
        for i in range(x.size(0)):
            value = int(x[i])
            if value != last:
                groups.append(torch.jit.annotate(list[int], []))
            groups[-1].append(i)
            last = value
        for k in range(len(groups)):
            groups[k][0] = 9
            groups[k].extend([k, len(groups)])
        first = groups[0]
        first.append(7)
        first.sort()
        first.append(8)
        return flat(groups), len(first)

    check_loop(program, *WORDS, dynamic=True)


def test_beams_of_scores_and_tokens() -> None:
    def program(x, n: int):
        beams: list[tuple[float, list[int]]] = [(0.0, [0])]
        for t in range(n):
            longer: list[tuple[float, list[int]]] = []
            for score, tokens in beams:
                for k in range(3):
                    longer.append((score + float(x[t % 2, k]), tokens + [k]))
            best = 0
            for i in range(len(longer)):
                if longer[i][0] > longer[best][0]:
                    best = i
            beams = [longer[best], longer[0], longer[-1]] if n > 1 else longer
        return beams[0][0], torch.tensor(beams[0][1]), torch.tensor(beams[-1][1]), len(beams)

    check_loop(program, *TRIPS)


def test_methods() -> None:
    def program(x, n: int):
        lists = [[1, 2], [3]]
        for i in range(n):
            lists.append([i] * i)
        picked = lists[n]
        rest = lists[1:] + [[6], [7, 7]]
        lists[0] = [7]
        lists.insert(1, picked + [5])
        last = lists.pop()
        lists.extend(rest[:1])
        lists.reverse()
        lists = lists * 2
        sizes = [len(one) for one in lists]
        return flat(lists), flat(rest), torch.tensor(last, dtype=torch.int64), sum(sizes)

    check_loop(program, *TRIPS)


@pytest.mark.parametrize("kind", ["float", "bool"])
def test_of_other_numbers(kind: str) -> None:
    def floats(x, n: int):
        lists = [[0.5]]
        for i in range(n):
            lists.append([float(x[0, 0]), i / 2.0])
        return torch.tensor(lists[1:]), torch.tensor(lists[0])

    def bools(x, n: int):
        lists = [[True]]
        for i in range(n):
            lists.append([i % 2 == 0, bool(x[0, 0] > i)])
        return torch.tensor(lists[1:]), torch.tensor(lists[0])

    check_loop(floats if kind == "float" else bools, *TRIPS[:1], *TRIPS[2:])


def test_by_a_branch() -> None:
    def program(x, c: bool):
        lists: list[list[int]] = []
        if c:
            lists.append([1, 2])
            lists.append([3])
            one = lists[0]
        else:
            one = [4]
            lists.append(one)
        one = one + [5]
        return flat(lists), torch.tensor(one)

    check(program, (X, True), (X, False))


def test_rows_of_a_tensor() -> None:
    def program(x):
        rows: list[list[float]] = x.tolist()
        rows.append([0.5])
        return torch.tensor(rows[0]), torch.tensor(rows[-1]), len(rows), len(rows[0])

    check(program, (X,), (X[:1, :2],), dynamic=True, reference="script")


def test_as_a_result() -> None:
    """A Sequence of tensors of one dim."""

    def program(n: int) -> list[list[int]]:
        lists: list[list[int]] = []
        for i in range(n):
            lists.append(list(range(i)))
        return lists

    result = export(script(program), (3,))
    session = ort.InferenceSession(ir.serde.serialize_model(result.model).SerializeToString())
    for n in (3, 0, 1):
        (found,) = session.run(None, {"n": torch.tensor(n).numpy()})
        assert [one.tolist() for one in found] == [list(range(i)) for i in range(n)]


def test_a_list_that_may_be_another_one() -> None:
    """It is one list under two names, of which one is changed: an error, not a guess."""

    def in_the_list_twice(x, n: int):
        lists: list[list[int]] = []
        one: list[int] = []
        for i in range(n):
            one.append(i)
            lists.append(one)
        return flat(lists)

    def taken_twice(x, n: int):
        lists = [[1]]
        for i in range(n):
            lists.append([i])
        first = lists[0]
        other = lists[n - n]
        first.append(3)
        return torch.tensor(other)

    def put_in_before(x, n: int):
        lists = [[1]]
        one = [5]
        for i in range(n):
            lists.append([i])
        lists.append(one)
        lists[-1].append(3)
        return torch.tensor(one)

    def in_another_list(x, n: int):
        lists = [[1]]
        for i in range(n):
            lists.append([i])
        others = lists[:]
        lists[0].append(3)
        return torch.tensor(others[0])

    for program in (in_the_list_twice, taken_twice, put_in_before, in_another_list):
        refuses(program, X, 3, match="may be another one, which was changed since")


def test_one_that_nobody_else_holds_may_change() -> None:
    def program(x, n: int):
        lists = [[1]]
        for i in range(n):
            lists.append([i])
            one = list(lists[0])
            one.append(i)
            lists.append(one)
        other = [1, 2]
        other.append(n)
        return flat(lists), torch.tensor(other)

    check_loop(program, *TRIPS)


def test_lists_of_what_a_sequence_cannot_hold() -> None:
    def of_tensors(x, n: int):
        lists: list[list[Tensor]] = []
        for _ in range(n):
            lists.append([x, x])
        return lists[0][0]

    def of_lists(x, n: int):
        lists: list[list[list[int]]] = []
        for i in range(n):
            lists.append([[i]])
        return lists[0][0][0]

    for program in (of_tensors, of_lists):
        refuses(program, X, 3, match="a list of lists whose length depends on the data")
