"""Results of all kinds as outputs: what becomes one, its name, its type."""

from enum import Enum
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exporter import export
from exporter.errors import InputError, UnsupportedError
from tests.conversion.harness import check, converted, loaded, operators, refuses, run, script

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
AXES = {"x": {0: "n"}}
CALLS = [(X,), (X[:0],), (torch.cat([X, X[:1]]),)]


class Pair(NamedTuple):
    first: Tensor
    rest: List[Tensor]


class Nested(NamedTuple):
    pair: Pair
    count: int


class Color(Enum):
    RED = 1
    BLUE = 2


def names(result) -> list[str]:
    return [name for name, _, _ in result.report.outputs]


def outputs(result) -> list[str]:
    return [f"{name} {dtype}{shape}" for name, dtype, shape in result.report.outputs]


def test_names_by_position_field_and_key() -> None:
    def program(x):
        pair = Pair(x, [x + 1, x * 2])
        return Nested(pair, 3), {"a": [x], "b": [x, x]}, (x, (x, [x]))

    assert names(check(program, *CALLS, dynamic_axes=AXES)) == [
        "output_0.pair.first", "output_0.pair.rest.0", "output_0.pair.rest.1", "output_0.count",
        "output_1.a.0", "output_1.b.0", "output_1.b.1",
        "output_2.0", "output_2.1.0", "output_2.1.1.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (lambda x: x, ["output"]),
        (lambda x: (x, x + 1), ["output_0", "output_1"]),
        (lambda x: [x, x + 1], ["output_0", "output_1"]),
        (lambda x: {"a": x, "b": x + 1}, ["a", "b"]),
    ],
)
def test_names_at_the_top(program, expected: list[str]) -> None:
    traced = torch.jit.trace(program, X, strict=False, check_trace=False)
    assert names(export(traced, (X,))) == expected


def test_keys_of_other_types() -> None:
    def program(x):
        return {1: x, 2: x * 2}, {0.5: x}, {True: x + 1}

    assert names(check(program, *CALLS, dynamic_axes=AXES)) == [
        "output_0.1", "output_0.2", "output_1.0.5", "output_2.True",
    ]  # fmt: skip


def test_names_that_meet() -> None:
    def program(x):
        return {"x": x + 1, "a.b": x, "a": {"b": x * 2}}["x"], {"x": x}

    def single(x):
        return {"x": x + 1, "x_1": x * 2}

    check(program, *CALLS, dynamic_axes=AXES)
    result = check(single, *CALLS, dynamic_axes=AXES)
    assert len({*names(result), "x"}) == 3


def test_numbers_are_tensors_without_dims() -> None:
    def program(x):
        return 1, 2.5, True, x.size(0), float(x.sum()), bool(x.sum() > 0), [1, x.size(1)]

    result = check(program, *CALLS, dynamic_axes=AXES)
    assert outputs(result) == [
        "output_0 int64[]",
        "output_1 double[]",
        "output_2 bool[]",
        "output_3 int64[]",
        "output_4 double[]",
        "output_5 bool[]",
        "output_6.0 int64[]",
        "output_6.1 int64[]",
    ]


def test_a_complex_number_is_a_pair_of_doubles() -> None:
    def program(x):
        return 1.5 - 2j, x

    session = loaded(converted(script(program), (X,)))
    number, _ = session.run(None, {"x": X.numpy()})
    assert number.dtype == np.float64
    assert number.tolist() == [1.5, -2.0]


def test_the_same_tensor_twice_and_inputs_as_they_are() -> None:
    def program(x, y: List[Tensor]):
        z = x * 2
        return x, z, z, x, y[0], y, x.t(), torch.ones(2), torch.zeros(0)

    result = check(program, (X, [X, X + 1]), (X * 2, [X, X - 1]))
    assert len(set(names(result))) == 10


def test_lists_of_run_time_length_within_results() -> None:
    def program(x, n: int):
        rows: List[Tensor] = []
        for i in range(n):
            rows.append(x + i)
        return {"rows": rows, "more": [x]}, (rows, n), [rows]

    result = check(program, *[(X, n) for n in (2, 0, 1, 3)], reference="script")
    assert outputs(result) == [
        "output_0.rows list(float)?",
        "output_0.more.0 float[2, 2]",
        "output_1.0 list(float)?",
        "output_1.1 int64[]",
        "output_2.0 list(float)?",
    ]


def test_numbers_of_run_time_length_are_one_tensor() -> None:
    def program(n: int):
        ints: List[int] = []
        floats: List[float] = []
        for i in range(n):
            ints.append(i)
            floats.append(i / 2)
        return ints, {"f": floats}

    session = loaded(converted(script(program), (3,)))
    for n in (0, 1, 3):
        ints, floats = run(session, (n,))
        assert ints.dtype == np.int64
        assert ints.tolist() == list(range(n))
        assert floats.dtype == np.float64
        assert floats.tolist() == [i / 2 for i in range(n)]


def test_lists_of_lists_of_run_time_length() -> None:
    def known(x):
        return [[x, x + 1], [x * 2]]

    def program(x, n: int):
        rows: List[List[Tensor]] = []
        for i in range(n):
            rows.append([x])
        return rows

    assert names(check(known, *CALLS, dynamic_axes=AXES)) == [
        "output_0.0",
        "output_0.1",
        "output_1.0",
    ]
    refuses(program, X, 2, match="a list of lists whose length depends on the data")


def test_what_is_no_output() -> None:
    """None, and what is part of the program; of the latter a note tells."""

    def program(x):
        empty: List[Tensor] = []
        nothing: Optional[Tensor] = None
        return nothing, "text", {"c": Color.RED}, x.device, empty, x

    result = export(script(program), (X,), verify=True)
    assert names(result) == ["output_5"]
    assert result.report.warnings == [
        "output_1 is always 'text', which is no output of the model",
        "output_2.c is always Color(1), which is no output of the model",
        "output_3 is always the device cpu, which is no output of the model",
    ]


@pytest.mark.parametrize(
    ("value", "kind"), [("None", "None"), ("'text'", "str"), ("[torch.ones(1)][1:]", r"Tensor\[\]")]
)
def test_no_output_at_all(value: str, kind: str) -> None:
    module = torch.jit.CompilationUnit(f"def f(x):\n    return {value}\n")
    with pytest.raises(InputError, match=f"a model of it would have no outputs\n  it gives {kind}"):
        export(module.f, (X,))


def test_state_is_output_enough() -> None:
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.total = torch.zeros(2, 2)

        def forward(self, x):
            self.total = self.total + x

    assert names(export(script(Counter()), (X,))) == ["total_out"]


@torch.jit.script
class Box:
    def __init__(self, x: Tensor):
        self.x = x


def test_objects() -> None:
    def program(x):
        return x, Box(x)

    with pytest.raises(UnsupportedError, match="the output output_1 is an object of the class Box"):
        export(script(program), (X,))


def test_names_that_are_given() -> None:
    def program(x) -> Tuple[Dict[str, Tensor], Optional[Tensor], Tensor]:
        y: Optional[Tensor] = None
        if bool(x.sum() > 0):
            y = x
        return {"a": x, "b": x + 1}, y, x * 2

    given = ["first", "second", "maybe"]
    result = check(program, (X,), (-X,), output_names=given)
    assert names(result) == [*given, "output_2"]
    with pytest.raises(InputError, match="5 output_names for 4 outputs: output_0.a, output_0.b"):
        converted(script(program), (X,), output_names=["a", "b", "c", "d", "e"])
    with pytest.raises(InputError, match="output_names has the name 'a' twice"):
        converted(script(program), (X,), output_names=["a", "a"])


def test_names_of_output_dims() -> None:
    def program(x):
        y: Optional[Tensor] = None
        if bool(x.sum() > 0):
            y = x[x > 0]
        return x[x > 0], {"y": y}

    axes = {**AXES, "output_0": {0: "found"}, "output_1.y": {0: "more"}}
    result = check(program, (X,), (-X,), (X[:0],), dynamic_axes=axes)
    assert outputs(result) == ["output_0 float[found]", "output_1.y optional(float)[more]"]
    assert "If" in operators(result)
    with pytest.raises(InputError, match="there is no input or output 'z'\n  inputs: x"):
        converted(script(program), (X,), dynamic_axes={"z": {0: "n"}})
