"""`while True` whose way out has no counterpart inside an ONNX Loop: it is behind it."""

from typing import Dict, List, Optional, Tuple

import pytest
import torch
from torch import Tensor

from exporter.errors import UnsupportedError
from tests.conversion.harness import check, check_state

X = torch.tensor([0.5, -1.0, 2.0])
LARGE = X * 1000


def test_new_keys_on_the_way_out() -> None:
    def returned(x):
        found: Dict[str, Tensor] = {}
        trips = 0
        while True:
            y = x * 2
            x = y + 0.25
            trips += 1
            if bool(x.sum() < 100):
                continue
            found["last"] = y * trips
            found["trips"] = torch.full([2], trips)
            return x, found, trips

    def broken_off(x):
        found = {"first": x}
        y = x
        while True:
            x = x * 2
            if bool(x.sum() > 100):
                found["last"] = x
                y = x
                break
            x = x + 1
        return x + y, found

    check(returned, (X,), (LARGE,))
    check(broken_off, (X,), (LARGE,))


def test_other_forms_on_the_way_out() -> None:
    """What a branch could not join: objects that differ, lists of lists, another dtype."""

    def program(x, limit: float):
        rows: List[List[Tensor]] = []
        state: Optional[Tuple[Tensor, Dict[str, Tensor]]] = None
        while True:
            pair = (x * 2, x.sum())
            x = pair[0]
            if float(pair[1]) > limit:
                rows.append([x, x[:1]])
                state = (x, {"sum": pair[1]})
                break
        assert state is not None
        return rows[0][0], rows[0][1], state[1]["sum"]

    check(program, (X, 100.0), (X, -5.0), (LARGE, 1.0))


def test_writes_and_loops_within() -> None:
    def program(x, limit: int):
        seen: Dict[str, Tensor] = {}
        history = torch.zeros(4)
        while True:
            n = 0
            while True:
                x = x * 1.5
                n += 1
                if bool(x.abs().max() > limit):
                    history[n % 4] = float(n)
                    break
            history += 1
            if bool(history.sum() > 12):
                x[0] = history[1]
                seen["x"] = x
                return seen, history, n
            limit += 1

    check(program, (X, 3), (X, 40), (LARGE, 1))


def test_what_is_read_behind_may_be_one_tensor() -> None:
    def views(x):
        found: Dict[str, Tensor] = {}
        while True:
            x = x * 2
            view = x[:2]
            if bool(x.sum() > 100):
                view += 1
                found["x"] = x
                return x, view, found

    def containers(x):
        found: Dict[str, Tensor] = {}
        kept = torch.ones(3)
        while True:
            x = x * 2
            rows = [x, kept]
            same = rows
            kept += 1
            if bool(x.sum() > 100):
                same.append(x + 1)
                rows[1] += 10
                found["x"] = x
                return rows, kept, found, len(same)

    check(containers, (X,), (LARGE,))
    with pytest.raises(UnsupportedError, match="may share memory with one that was written"):
        check(views, (X,))


def test_modules_behind() -> None:
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.step = torch.nn.Linear(3, 3)
            self.last = torch.nn.Linear(3, 2)
            torch.nn.init.eye_(self.step.weight)
            self.register_buffer("calls", torch.zeros(2))

        def forward(self, x):
            found: Dict[str, Tensor] = {}
            while True:
                x = self.step(x) * 2
                scaled = x * self.calls.size(0)
                self.calls += 1
                if bool(scaled.abs().sum() > 100):
                    found["y"] = self.last(scaled)
                    self.calls[0] = 0
                    return x, found

    check_state(Module(), (X,), (LARGE,), (X,))


def test_no_other_way_is_tried() -> None:
    """A loop that ends otherwise, too, says what it can't do."""

    def program(x):
        found: Dict[str, List[Tensor]] = {}
        while bool(x.sum() < 50):
            x = x * 2
            if bool(x.sum() > 20):
                found["x"] = [x]
                break
        return x, found

    with pytest.raises(UnsupportedError, match="the keys of a dict depend on the data"):
        check(program, (X,))
