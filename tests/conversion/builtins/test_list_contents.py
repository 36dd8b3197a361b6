"""Finding, comparing, sorting and summing items where they are only known at run time."""

import torch
from torch import Tensor

from tests.conversion.harness import check, refuses
from tests.conversion.sized_lists import X, at_sizes


def numbers(x: Tensor) -> tuple[list[int], list[float], list[bool]]:
    """A list of each kind."""
    ints: list[int] = []
    floats: list[float] = []
    bools: list[bool] = []
    for k in range(x.size(0)):
        ints.append(int(x[k, 0]))
        floats.append(float(x[k, 1]))
        bools.append(bool(x[k, 0] > 0))
    return ints, floats, bools


def test_finding_numbers() -> None:
    def program(x, i: int):
        ints, floats, bools = numbers(x)
        places = ints.index(ints[i]), floats.index(floats[i]), bools.index(bools[i])
        counts = ints.count(2), floats.count(0.5), bools.count(True)
        return places, counts, 2 in ints, 9.0 not in floats, ints[i] in ints[1:]

    at_sizes(program, (0,), (-1,), sizes=(5, 2, 1))


def test_nothing_to_find() -> None:
    def program(x):
        ints, floats, bools = numbers(x)
        return ints.count(2), 0.5 in floats, bools.count(False), any(ints), all(bools), sum(floats)

    at_sizes(program, reference="script")


def test_removing_by_value() -> None:
    def program(x):
        ints, floats, bools = numbers(x)
        ints.remove(ints[-1])
        floats.remove(floats[-1])
        bools.remove(bools[-1])
        return (
            torch.tensor(ints, dtype=torch.int64),
            torch.tensor(floats, dtype=torch.float64),
            torch.tensor(bools, dtype=torch.bool),
        )

    at_sizes(program, sizes=(5, 2, 1))


def test_order() -> None:
    def program(x):
        ints, floats, bools = numbers(x)
        ints.sort()
        floats.sort(reverse=True)
        ordered = sorted(bools)
        return (
            torch.tensor(ints, dtype=torch.int64),
            torch.tensor(floats, dtype=torch.float64),
            torch.tensor(ordered, dtype=torch.bool),
        )

    at_sizes(program)


def test_extremes_and_sums() -> None:
    def program(x):
        ints, floats, bools = numbers(x)
        return min(ints), max(ints), min(floats), max(floats), sum(ints), sum(floats), sum(bools)

    at_sizes(program, sizes=(5, 2, 1))


def test_not_a_number_first() -> None:
    """No comparison with NaN holds: it stays where it comes first, and is passed over elsewhere."""

    def program(x):
        floats = numbers(x)[1]
        return min(floats), max(floats)

    nan = torch.tensor([[0.0, torch.nan], [0.0, 1.0], [0.0, 2.0]])
    check(program, (nan,), (nan.flip(0),), (nan[:1],), dynamic=True)


def test_comparisons() -> None:
    def program(x, n: int):
        ints, floats, bools = numbers(x)
        fixed = [2, 0]
        equal = ints == ints[:n], floats == floats[:n], bools != bools[:n]
        return equal, ints == fixed, fixed != ints, ints == ints.copy()

    at_sizes(program, (0,), (2,), (9,))


def test_lesser_and_greater_lists() -> None:
    def program(x, n: int):
        ints = numbers(x)[0]
        other = ints[n:]
        return torch.tensor(min(ints, other)), torch.tensor(max(other, ints))

    at_sizes(program, (0,), (1,), (4,), sizes=(5,), reference="script")


def test_tensors_of_one_element() -> None:
    def program(x, i: int):
        xs = list(x[:, 0].unbind(0))
        parts: list[Tensor] = []
        for k in range(x.size(0)):
            parts.append(x[k : k + 1, 1] * 1)
        found = xs.index(xs[i]), xs.count(xs[i]), parts.index(parts[i]), parts.count(parts[0])
        same = xs == xs[:2], parts != parts[1:]
        parts.sort()
        xs.remove(xs[i])
        return found, same, parts, sorted(xs)

    at_sizes(program, (0,), (-1,), sizes=(5, 2, 1), reference="script")


def test_a_fixed_list_of_unknown_values() -> None:
    def program(x, a: int, b: int):
        xs = [a, b, 3]
        found = xs.index(3), xs.count(a), a in [1, 2]
        xs.sort(reverse=True)
        xs.remove(b)
        return found, torch.tensor(xs), torch.tensor(sorted([a, b, a + b]))

    check(program, (X, 1, 2), (X, 3, 3), (X, 5, 0))


@torch.jit.script
class Item:
    """What can be sorted since it says which is less."""

    def __init__(self, key: int):
        self.key = key

    def __lt__(self, other: "Item") -> bool:
        return self.key < other.key


def test_sorting_tuples_and_objects() -> None:
    def program(x, n: int):
        words = [(3, "c"), (1, "a"), (2, "bb"), (1, "A")]
        words.sort()
        pairs = sorted([(n, 2), (2, 1), (2, n), (1, 0)])
        pairs.sort(reverse=True)
        known = sorted([Item(3), Item(1), Item(2)])
        items = [Item(3), Item(n), Item(2)]
        items.sort()
        keys = [item.key for item in known] + [item.key for item in items]
        return [len(word) for _, word in words], [ord(w) for _, w in words[:2]], pairs, keys

    check(program, (X, 2), (X, 7), (X, 0), reference="script")


def test_tensors_of_several_elements_are_refused() -> None:
    def program(x):
        xs = x.unbind(0)
        return xs.index(x[0])

    refuses(program, X, match="one element only", dynamic_axes={"x": {0: "n"}})
