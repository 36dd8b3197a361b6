"""Lists of run-time length as inputs: an ONNX Sequence of tensors, a 1-D tensor of numbers."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import pytest
import torch
from torch import Tensor

from exporter import OptionalSpec, SequenceSpec, TensorSpec, export
from exporter.errors import InputError, UnsupportedError
from tests.conversion.harness import check, converted, loaded, operators, run, script

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
ROWS = [X, X * 2, torch.ones(3, 2), torch.zeros(0, 2)]
ALIKE = [X, X + 1, X * 3]
ROWS_SPEC = SequenceSpec("float32", ("n", 2))
PAIR = SequenceSpec("float32", (2, 2))
TENSOR = TensorSpec("float32", ("n", 2))


def signature(result) -> list[str]:
    return [f"{name} {dtype}{shape}" for name, dtype, shape in result.report.inputs]


@pytest.mark.parametrize("opset", [11, 13, 20, 26])
def test_loops_over_a_list(opset: int) -> None:
    def program(x, xs: List[Tensor]):
        rows = 0
        for t in xs:
            x = x + t.sum()
            rows += t.size(0)
        return x, rows, len(xs)

    calls = [(X, ROWS[:n]) for n in (0, 1, 3, 4)]
    result = check(program, *calls, args=(TENSOR, ROWS_SPEC), opset_version=opset)
    assert signature(result) == ["x float[n, 2]", "xs list(float)[?, 2]"]


def test_items_of_any_shape() -> None:
    def program(xs: List[Tensor], i: int):
        total = torch.zeros(())
        for t in xs:
            total = total + t.sum()
        return total, xs[i].flatten(), xs[-1].numel()

    shapes = [torch.ones(()), X, torch.ones(2, 1, 3)]
    calls = [(shapes[:n], n - 1) for n in (1, 2, 3)]
    result = check(program, *calls, args=(SequenceSpec("float32"), 0))
    assert signature(result) == ["xs list(float)?", "i int64[]"]


def test_lists_come_back() -> None:
    def program(xs: List[Tensor]):
        out: List[Tensor] = []
        for i, t in enumerate(xs):
            out.append(t + i)
        xs.append(torch.ones(1, 2))
        return xs, {"out": out}, len(out)

    result = check(program, *[(ROWS[:n],) for n in (0, 1, 3)], args=(ROWS_SPEC,))
    assert [name for name, _, _ in result.report.outputs] == [
        "output_0",
        "output_1.out",
        "output_2",
    ]


@pytest.mark.parametrize("opset", [11, 13, 14, 20])
def test_a_list_returned_as_it_is(opset: int) -> None:
    def program(xs: List[Tensor]):
        return xs

    check(program, *[(ROWS[:n],) for n in (0, 1, 3)], args=(ROWS_SPEC,), opset_version=opset)


def test_concatenation() -> None:
    def program(xs: List[Tensor]):
        return torch.cat(xs, 0), torch.stack(xs, 1)

    check(program, *[(ALIKE[:n],) for n in (1, 2, 3)], args=(PAIR,))


def test_branches_on_the_length() -> None:
    def program(x, xs: List[Tensor]):
        if len(xs) > 1:
            return xs[1].sum(), True
        return x.sum(), False

    check(program, *[(X, ROWS[:n]) for n in (0, 1, 3)], args=(TENSOR, ROWS_SPEC))


def test_two_lists() -> None:
    def program(xs: List[Tensor], ys: List[Tensor]):
        total = torch.zeros(1)
        for a, b in zip(xs, ys):
            total = total + (a * b).sum()
        return total

    calls = [(ALIKE[:n], ALIKE[3 - n :]) for n in (0, 1, 3)]
    check(program, *calls, args=(PAIR, PAIR))


def test_writes_into_items() -> None:
    def program(xs: List[Tensor]):
        for t in xs:
            t.add_(1)
        return xs

    result = check(program, *[(ALIKE[:n],) for n in (0, 1, 3)], args=(PAIR,))
    assert result.report.warnings == [
        "the input xs is written in place; that is not visible outside the model"
    ]


class Batch(NamedTuple):
    image: Tensor
    boxes: List[Tensor]
    sizes: List[int]


def test_lists_within_other_arguments() -> None:
    def program(b: Batch, d: Dict[str, List[Tensor]], t: Tuple[Tensor, List[float]]):
        x = b.image * len(b.boxes) + sum(b.sizes)
        for y in d["a"]:
            x = x + y.sum()
        for z in d["b"]:
            x = x - z.sum()
        return x, t[0] * sum(t[1])

    call = (
        (TENSOR, ROWS_SPEC, SequenceSpec("int64")),
        {"a": ROWS_SPEC, "b": [TENSOR]},
        (TENSOR, SequenceSpec("float64")),
    )
    calls = [
        (Batch(X, ROWS[:n], [n, 2][:n]), {"a": ROWS[:n], "b": [X]}, (X, [0.5, 2.0, 3.0][:n]))
        for n in (0, 1, 3)
    ]
    result = check(program, *calls, args=call)
    assert signature(result) == [
        "b.image float[n, 2]",
        "b.boxes list(float)[?, 2]",
        "b.sizes int64[b.sizes_length]",
        "d.a list(float)[?, 2]",
        "d.b.0 float[n, 2]",
        "t.0 float[n, 2]",
        "t.1 double[t.1_length]",
    ]


@pytest.mark.parametrize(
    ("dtype", "kind", "values"),
    [
        ("int64", int, [3, 1, -2]),
        ("int32", int, [3, 1, -2]),
        ("float64", float, [0.5, 2.0, -1.0]),
        ("float32", float, [0.5, 2.0, -1.0]),
        ("bool", bool, [True, False, True]),
    ],
)
def test_numbers(dtype: str, kind: type, values: list[object]) -> None:
    """The input has the dtype that was asked for, the program gets Python's numbers."""

    def ints(x, ns: List[int]):
        for n in ns:
            x = x + n
        return x, len(ns), sum(ns)

    def floats(x, ns: List[float]):
        for n in ns:
            x = x + n
        return x, len(ns), sum(ns)

    def bools(x, ns: List[bool]):
        count = 0
        for n in ns:
            if n:
                count += 1
        return x, len(ns), count

    scripted = script({int: ints, float: floats, bool: bools}[kind])
    session = loaded(converted(scripted, (TENSOR, SequenceSpec(dtype))))
    for n in (0, 1, 3):
        wanted = scripted(X, values[:n])
        found = run(session, {"x": X, "ns": np.array(values[:n], dtype)})
        np.testing.assert_allclose(found[0], wanted[0].numpy())
        assert [v.item() for v in found[1:]] == list(wanted[1:])


def test_an_array_for_a_list_of_numbers() -> None:
    """One input of the array's length; with a dynamic axis of any length."""

    def program(x, ns: List[int]):
        return x * ns[0] + len(ns)

    result = check(program, (X, [2, 5]), (X, [-1, 0]), args=(X, np.array([1, 1])))
    assert signature(result) == ["x float[2, 2]", "ns int64[2]"]
    assert "Loop" not in operators(result)
    axes = {"ns": {0: "k"}}
    calls = [(X, [2]), (X, [1, 2, 3])]
    result = check(program, *calls, args=(X, np.array([1, 1])), dynamic_axes=axes)
    assert signature(result) == ["x float[2, 2]", "ns int64[k]"]


def test_examples_stay_inputs_of_their_own() -> None:
    def program(xs: List[Tensor], ns: List[int]):
        return xs[0] * ns[1] + len(xs)

    result = check(program, ([X, X], [1, 2]), ([X, X * 2], [4, 0]))
    assert signature(result) == [
        "xs.0 float[2, 2]",
        "xs.1 float[2, 2]",
        "ns.0 int64[]",
        "ns.1 int64[]",
    ]


def test_lists_nothing_is_said_of() -> None:
    """Their length is open; tensors are taken for float32, and that is told."""

    def program(xs: List[Tensor], ns: List[int], flags: List[bool], t: Tuple[int, List[float]]):
        total = torch.zeros(())
        for x in xs:
            total = total + x.sum()
        return total, sum(ns) + t[0], len(flags), sum(t[1])

    scripted = script(program)
    result = export(scripted)
    assert signature(result) == [
        "xs list(float)?",
        "ns int64[ns_length]",
        "flags bool[flags_length]",
        "t.0 int64[]",
        "t.1 double[t.1_length]",
    ]
    assert len(result.report.warnings) == 1
    assert '--input "xs=list(float32[batch,3])"' in result.report.warnings[0]
    session = loaded(result)
    for n in (0, 1, 3):
        call = (ROWS[:n], [1, 2, 3][:n], [True, False, True][:n], (n, [0.5, 1.5, 2.5][:n]))
        names = ("xs", "ns", "flags", "t")
        found = run(session, dict(zip(names, call, strict=True)))
        wanted = [value for value in scripted(*call)]
        np.testing.assert_allclose([float(v) for v in found], [float(v) for v in wanted])


def test_optional_lists() -> None:
    def program(x, xs: Optional[List[Tensor]], ns: Optional[List[int]]):
        if xs is not None:
            for t in xs:
                x = x + t.sum()
        count = -1 if xs is None else len(xs)
        return x, count, -1 if ns is None else sum(ns)

    args = (TENSOR, OptionalSpec(ROWS_SPEC), OptionalSpec(SequenceSpec("int64")))
    result = check(
        program,
        (X, None, None),
        *[(X, ROWS[:n], [4, 5, 6][:n]) for n in (0, 1, 3)],
        (X, None, [1]),
        (X, ROWS, None),
        args=args,
    )
    assert signature(result)[1:] == [
        "xs optional(list(float))[?, 2]",
        "ns optional(int64)[ns_length]",
    ]
    # Without a spec it is absent, as every Optional is.
    assert signature(converted(script(program), (X,))) == ["x float[2, 2]"]


def test_dims_of_items() -> None:
    def program(xs: List[Tensor]):
        return xs[0] + xs[1]

    result = check(program, (ALIKE,), args=(PAIR,))
    assert result.report.outputs[0][2] == "[2, 2]"
    axes = {"xs": {0: "rows"}}
    result = check(program, (ALIKE,), (ROWS[2:3] * 2,), args=(PAIR,), dynamic_axes=axes)
    assert signature(result) == ["xs list(float)[?, 2]"]
    with pytest.raises(InputError, match="xs has 2 dims, so there is no axis 2"):
        converted(script(program), (PAIR,), dynamic_axes={"xs": {2: "n"}})
    with pytest.raises(InputError, match="xs has no declared shape, so any axis may vary"):
        converted(script(program), (SequenceSpec("float32"),), dynamic_axes={"xs": {0: "n"}})


def test_named_inputs() -> None:
    def program(x, xs: List[Tensor]):
        return x + len(xs)

    names = ["image", "boxes"]
    result = converted(script(program), (TENSOR, ROWS_SPEC), input_names=names)
    assert signature(result) == ["image float[n, 2]", "boxes list(float)[?, 2]"]
    with pytest.raises(InputError, match="3 input_names for 2 inputs: a, b"):
        converted(script(program), (TENSOR, ROWS_SPEC), input_names=["a", "b", "c"])


def test_before_sequences() -> None:
    def program(xs: List[Tensor]):
        return len(xs)

    with pytest.raises(
        UnsupportedError, match="xs is a list of run-time length.*opset 10 has none"
    ):
        converted(script(program), (ROWS_SPEC,), opset_version=10)


def test_specs_that_do_not_fit() -> None:
    def program(x, ns: List[int], nested: List[List[Tensor]]):
        return x * len(ns) * len(nested)

    def refused(match: str, *args) -> None:
        with pytest.raises(InputError, match=match):
            converted(script(program), args)

    refused(
        "ns is declared int\\[\\], but given list\\(float32\\)", X, SequenceSpec("float32"), [[X]]
    )
    refused("but given list\\(int64\\[2\\]\\)", X, SequenceSpec("int64", (2,)), [[X]])
    refused("nested is declared Tensor\\[\\]\\[\\]", X, [1], ROWS_SPEC)
    refused("x is declared Tensor, but given list", ROWS_SPEC, [1], [[X]])
    refused("nested \\(Tensor\\[\\]\\[\\]\\) is not given; give an example", X, [1])


def test_a_trace_has_no_list_of_any_length() -> None:
    class Module(torch.nn.Module):
        def forward(self, xs):
            return xs[0]

    with pytest.raises(InputError, match="a trace has a fixed number of inputs"):
        export(Module(), (ROWS_SPEC,))
