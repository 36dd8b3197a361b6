"""Optional values at the model's border: inputs that may be None, outputs that may be absent."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import pytest
import torch
from torch import Tensor

from exporter import OptionalSpec, TensorSpec, export
from exporter.errors import InputError, UnsupportedError
from tests.conversion.harness import check, converted, loaded, operators, script

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
EMPTY = torch.zeros(0, 2)
TENSOR = TensorSpec("float32", ("n", 2))
MAYBE = OptionalSpec(TENSOR)


def signature(result) -> list[str]:
    ports = (*result.report.inputs, *result.report.outputs)
    return [f"{name} {dtype}{shape}" for name, dtype, shape in ports]


class Pair(NamedTuple):
    a: Optional[Tensor]
    b: Tensor


@pytest.mark.parametrize("opset", [16, 18, 20, 23, 26])
def test_a_tensor_that_may_be_absent(opset: int) -> None:
    def program(x):
        y: Optional[Tensor] = None
        if x.sum() > 0:
            y = x * 2
        return y

    axes = {"x": {0: "n"}}
    calls = [(X,), (-X,), (EMPTY,), (X[:1] + 3,)]
    result = check(program, *calls, dynamic_axes=axes, opset_version=opset)
    assert signature(result)[1] == "output optional(float)[n, 2]"
    found = loaded(result).run(None, {"x": -X.numpy()})
    assert found == [None]


def test_absent_numbers_lists_and_containers() -> None:
    def program(x):
        number: Optional[int] = None
        both: Optional[Tuple[Tensor, float]] = None
        rows: Optional[List[Tensor]] = None
        if x.sum() > 0:
            number = x.size(0)
            both = (x, 0.5)
            rows = [x, x + 1]
        return number, both, rows, x

    result = check(program, (X,), (-X,), (EMPTY,), dynamic_axes={"x": {0: "n"}})
    assert signature(result)[1:] == [
        "output_0 optional(int64)[]",
        "output_1.0 optional(float)[n, 2]",
        "output_1.1 optional(double)[]",
        "output_2.0 optional(float)[n, 2]",
        "output_2.1 optional(float)[n, 2]",
        "output_3 float[n, 2]",
    ]


def test_a_list_of_run_time_length_that_may_be_absent() -> None:
    def program(x, n: int):
        rows: Optional[List[Tensor]] = None
        if x.sum() > 0:
            found: List[Tensor] = []
            for i in range(n):
                found.append(x[: i % 2 + 1])
            rows = found
        return {"rows": rows, "x": [x]}

    result = check(program, *[(x, n) for x in (X, -X) for n in (0, 1, 3)], reference="script")
    assert signature(result)[2] == "rows optional(list(float))?"
    session = loaded(result)
    assert session.run(["rows"], {"x": X.numpy(), "n": np.array(0)}) == [[]]
    assert session.run(["rows"], {"x": -X.numpy(), "n": np.array(3)}) == [None]


def test_optionals_within_results() -> None:
    def program(x):
        y: Optional[Tensor] = None
        z: Optional[Tensor] = None
        if x.sum() > 0:
            y = x * 2
        if x.max() > 1:
            z = x + 1
        return Pair(y, x), {"z": z}, [y, z]

    result = check(program, (X,), (-X,), (X / 10,), (X / 10 - 1,))
    names = [name for name, _, _ in result.report.outputs]
    assert names == ["output_0.a", "output_0.b", "output_1.z", "output_2.0", "output_2.1"]


def test_an_optional_of_an_optional() -> None:
    """What is in a tuple that may be absent may itself be absent."""

    def program(x):
        inner: Optional[Tensor] = None
        if x.max() > 1:
            inner = x * 2
        outer: Optional[Tuple[Optional[Tensor], Tensor]] = None
        if x.sum() > 0:
            outer = (inner, x)
        return outer

    check(program, (X,), (-X,), (X / 10,), (X - 5,))


@pytest.mark.parametrize("opset", [11, 15])
def test_absent_outputs_before_opset_16(opset: int) -> None:
    def program(x):
        y: Optional[Tensor] = None
        if x.sum() > 0:
            y = x * 2
        return y

    with pytest.raises(UnsupportedError, match=f"Optional, which opset {opset}.*opset 16 does"):
        converted(script(program), (X,), opset_version=opset)


@pytest.mark.parametrize("opset", [15, 16, 20, 26])
def test_inputs_that_may_be_none(opset: int) -> None:
    def program(x, bias: Optional[Tensor], scale: Optional[float]):
        if bias is not None:
            x = x + bias
        if scale is None:
            scale = 0.5
        return x * scale, bias is None

    args = (TENSOR, MAYBE, OptionalSpec(TensorSpec("float64", ())))
    calls = [(x, b, s) for x in (X, EMPTY) for b in (None, x + 1) for s in (None, 3.0)]
    result = check(program, *calls, args=args, opset_version=opset)
    assert signature(result)[1:3] == ["bias optional(float)[n, 2]", "scale optional(double)[]"]


def test_an_optional_input_comes_back() -> None:
    def program(x: Optional[Tensor]):
        return x, {"x": x}

    result = check(program, (X,), (None,), (EMPTY,), args=(MAYBE,))
    assert [name for name, _, _ in result.report.outputs] == ["output_0", "output_1.x"]


def test_optional_inputs_within_others() -> None:
    def program(p: Pair, d: Dict[str, Optional[Tensor]]):
        y, a = p.b, p.a
        if a is not None:
            y = y * a
        z = d["z"]
        if z is not None:
            y = y + z
        return y

    calls = [(Pair(a, X), {"z": z}) for a in (None, X) for z in (None, X + 1)]
    result = check(program, *calls, args=((MAYBE, TENSOR), {"z": MAYBE}), reference="script")
    assert signature(result)[:3] == [
        "p.a optional(float)[n, 2]",
        "p.b float[n, 2]",
        "d.z optional(float)[n, 2]",
    ]


def test_an_optional_input_that_is_written() -> None:
    def program(x: Optional[Tensor]):
        if x is None:
            x = torch.zeros(2, 2)
        x.add_(1)
        return x

    check(program, (X,), (None,), args=(OptionalSpec(TensorSpec("float32", (2, 2))),))


def test_examples_decide_whether_it_is_there() -> None:
    """Given, it is an input that must be there; None or nothing, it is part of the program."""

    def program(x, bias: Optional[Tensor] = None):
        return x + 1 if bias is None else x + bias

    for args, count in [((X,), 1), ((X, None), 1), ((X, X), 2)]:
        result = check(program, args, args=args)
        assert len(result.report.inputs) == count
        assert "If" not in operators(result)


def test_what_can_not_be_optional() -> None:
    def program(x, bias: Optional[Tensor], names: Optional[List[str]]):
        return x if bias is None else x + bias

    scripted = script(program)
    with pytest.raises(InputError, match="only a parameter declared Optional can be None"):
        export(scripted, (MAYBE, None, None))
    with pytest.raises(InputError, match="bias may be None: its number of dims must be declared"):
        export(scripted, (X, OptionalSpec(TensorSpec("float32", None)), None))
    with pytest.raises(UnsupportedError, match="bias may be None.*opset 14 has none, opset 15 has"):
        export(scripted, (X, MAYBE, None), opset_version=14)
