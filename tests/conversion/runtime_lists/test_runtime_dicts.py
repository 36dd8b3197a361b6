"""Dicts of which only the run tells what keys they have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, check_loop, converted, loaded, refuses, run, script

WORDS = tuple((torch.tensor(v, dtype=torch.int64),) for v in ([3, 1, 3, 7], [2], [], [5, 5, 5]))
X = torch.tensor([1.0, -2.0, 3.0, 0.5])


def numbers(keys: list[int], values: list[int]) -> tuple[Tensor, Tensor]:
    return torch.tensor(keys, dtype=torch.int64), torch.tensor(values, dtype=torch.int64)


def counted(words: Tensor):
    """The way that counts are taken everywhere; the order is that of the first time."""
    counts: dict[int, int] = {}
    for i in range(words.size(0)):
        word = int(words[i])
        if word in counts:
            counts[word] += 1
        else:
            counts[word] = 1
    return numbers(list(counts.keys()), list(counts.values())), len(counts), 3 in counts


def got(words: Tensor):
    """`get` with a default, and the items in turn."""
    counts: dict[int, int] = {}
    for i in range(words.size(0)):
        counts[int(words[i])] = counts.get(int(words[i]), 0) + 1
    best, most = -1, 0
    for word, count in counts.items():
        if count > most:
            best, most = word, count
    return best, most


def remembered(words: Tensor):
    """Tensors of one shape, worked out once for each key, and changed under it."""
    known: dict[int, Tensor] = {}
    total = torch.zeros(2)
    for i in range(words.size(0)):
        word = int(words[i])
        if word not in known:
            known[word] = torch.stack([words[i], words[i] + 1]).float()
        total = total + known[word]
        known[word] = known[word] * 2
    for one in known.values():
        one += 1
        total = total + one
    return total, len(known)


def ragged(words: Tensor):
    """Tensors of several shapes."""
    known: dict[int, Tensor] = {}
    for i in range(words.size(0)):
        known[int(words[i])] = words[: i + 1]
    total = 0
    for word, seen in known.items():
        total = total * 3 + word + int(seen.sum())
    return total


def grouped(words: Tensor):
    """Lists that grow under their keys."""
    places: dict[int, list[int]] = {}
    for i in range(words.size(0)):
        word = int(words[i])
        if word not in places:
            new: list[int] = []
            places[word] = new
        places[word].append(i)
    total = 0
    for word, found in places.items():
        total = total * 5 + word * len(found) + found[-1]
    return total, len(places)


def pairs(words: Tensor):
    """Tuples as values, replaced."""
    spans: dict[int, tuple[int, float]] = {}
    for i in range(words.size(0)):
        word = int(words[i])
        first = i
        if word in spans:
            first = spans[word][0]
        spans[word] = (first, i / 2)
    total = 0.0
    for word, (first, last) in spans.items():
        total = total * 2 + word + first + last
    return total


def taken_out(words: Tensor):
    """`pop` with and without a default, `del`, `clear`, `setdefault`, `popitem` of the only one."""
    seen: dict[int, int] = {}
    for i in range(words.size(0)):
        word = int(words[i])
        if word in seen:
            del seen[word]
        else:
            seen[word] = i
    n = len(seen)
    last = seen.pop(7, -1) * 10 + seen.pop(100, -2)
    added = seen.setdefault(2, 40) + seen.setdefault(1, 50)
    copied = seen.copy()
    seen.clear()
    seen[n] = added
    key, value = seen.popitem()
    return n, last, added, key, value, len(copied), len(seen)


def of_floats_and_bools(words: Tensor):
    """Other keys."""
    halves: dict[float, int] = {}
    odd: dict[bool, int] = {}
    for i in range(words.size(0)):
        half = float(words[i]) / 2
        halves[half] = i
        is_odd = bool(words[i] % 2 == 1)
        odd[is_odd] = odd.get(is_odd, 0) + 1
    total = 0.0
    for key, value in halves.items():
        total = total * 2 + key + value
    return total, odd.get(True, -1), odd.get(False, -1)


def put_into_known(words: Tensor):
    """A dict of known keys that gets others; a known key is asked for then."""
    seen = {3: 10, 2: 20}
    for i in range(words.size(0)):
        seen[int(words[i])] = i
    return numbers(list(seen.keys()), list(seen.values())), seen[3], seen.get(7, -1)


@pytest.mark.parametrize(
    "program",
    [
        counted, got, remembered, ragged, grouped, pairs, taken_out, of_floats_and_bools,
        put_into_known,
    ],
)  # fmt: skip
def test_run_time_keys(program: object) -> None:
    """In loops of run-time and known trips, unrolled too."""
    check_loop(program, *WORDS, dynamic=True)
    check(program, WORDS[0])
    check(program, WORDS[0], unroll_trips=0, opset_version=13)


@pytest.mark.parametrize("opset", [11, 17])
def test_other_opsets(opset: int) -> None:
    check(counted, *WORDS, dynamic=True, opset_version=opset)
    check(of_floats_and_bools, *WORDS, dynamic=True, opset_version=opset)


def test_text_keys_of_branches() -> None:
    """Which keys there are, and in what order, is up to the branches."""

    def program(x: Tensor, flag: bool, n: int):
        found = {"x": x}
        if flag:
            found["twice"] = x * 2
        if n > 2:
            found["more"] = x + n
            if not flag:
                found["twice"] = x - 1
        elif n > 1:
            found.pop("x")
        total = x * 0
        order = 0
        for key, value in found.items():
            total = total * 2 + value
            order = order * 4 + (1 if key == "x" else 2 if key == "twice" else 3)
        kept = found["twice"] if "twice" in found else x
        return total, order, kept, len(found), list(found.values())[0]

    calls = [(X, flag, n) for flag in (True, False) for n in (3, 1)]
    check(program, *calls, (X, True, 2))


def test_text_keys_of_a_loop() -> None:
    def program(x: Tensor):
        sums: dict[str, Tensor] = {}
        for i in range(x.size(0)):
            name = "up" if bool(x[i] > 0) else "down"
            if name in sums:
                sums[name] = sums[name] + x[i]
            else:
                sums[name] = x[i]
        total = torch.zeros([])
        for name in sums.keys():
            total = total * 2 + (sums[name] if name == "up" else -sums[name])
        return total, "up" in sums, sums.get("down", x.sum()), len(sums)

    check_loop(program, (X,), (-X,), (X[:1],), (X[:0],), dynamic=True)


def test_results() -> None:
    """A string that may be a key is an output, absent where it is none."""

    def texts(x: Tensor, flag: bool):
        found = {"x": x}
        counts = {"n": 1}
        if flag:
            found["twice"] = x * 2
            counts["n"] = 7
        else:
            counts.pop("n")
        return found, [(x, {"counts": counts})]

    def numbered(x: Tensor, flag: bool):
        found: dict[int, Tensor] = {}
        found[int(x[0])] = x
        return x, [found]

    result = check(texts, (X, True), (X, False))
    assert [name for name, _, _ in result.report.outputs] == [
        "output_0.x", "output_0.twice", "output_1.0.0", "output_1.0.1.counts.n",
    ]  # fmt: skip
    refuses(numbered, X, True, match="dict key that is only known at run time")


def test_aliases() -> None:
    """What is put in is the very tensor, and other names see what is done to it, or it is refused."""

    def seen(x: Tensor, n: int):
        held: dict[int, Tensor] = {}
        held[n] = x
        x += 1
        return held[n]

    def changed(x: Tensor, n: int):
        held: dict[int, Tensor] = {}
        y = x * 2
        held[n] = y
        for one in held.values():
            one.add_(1)
        return y

    refuses(seen, X, 1, match="dict key that is only known at run time")
    refuses(changed, X, 1, match="dict key that is only known at run time")


def test_a_key_that_is_not_there() -> None:
    def program(words: Tensor, n: int):
        seen: dict[int, int] = {}
        for i in range(words.size(0)):
            seen[int(words[i])] = i
        return seen[n]

    check(program, (WORDS[0][0], 7), (WORDS[0][0], 1), dynamic=True)
    session = loaded(converted(script(program), (WORDS[0][0], 7), dynamic=True))
    with pytest.raises(Exception, match="out of data bounds|indices"):
        run(session, {"words": WORDS[0][0], "n": 8})


def test_keys_that_a_first_trip_settles_stay_known() -> None:
    """No run-time dict where there is another way: its values may be of several dtypes."""

    def program(x: Tensor):
        found: dict[str, Tensor] = {}
        for i in range(5):
            found["x"] = x + i
            found["i"] = torch.tensor(i)
        return found

    check(program, (X,), unroll_trips=0)
