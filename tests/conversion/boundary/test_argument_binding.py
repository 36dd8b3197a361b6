"""Examples, specs and constants against declared types: what they become, and what does not fit."""

from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exporter import TensorSpec, export
from exporter.errors import InputError
from tests.conversion.harness import check, converted, script

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
CPU = torch.device("cpu")


class Color(Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    a: Tensor
    n: int = 3


@torch.jit.script
class Box:
    def __init__(self, x: Tensor):
        self.x = x


def inputs(result) -> list[str]:
    return [f"{name} {dtype}{shape}" for name, dtype, shape in result.report.inputs]


# ---------------------------------------------------------------- parts of the program


def test_enums() -> None:
    def program(x, c: Color, d: Dict[str, Color]):
        y = x + 1 if c == Color.BLUE else x
        return y, c.value, y * 2 if d["k"] == Color.RED else y

    scripted = script(program)
    result = export(scripted, (X, Color.BLUE, {"k": Color.RED}), verify=True)
    assert inputs(result) == ["x float[2, 2]"]
    by_name = export(scripted, (X,), constants={"c": "BLUE", "d": {"k": "RED"}}, verify=True)
    assert by_name.report.operators == result.report.operators
    with pytest.raises(InputError, match="given 'GREEN'\n  its members: RED, BLUE"):
        export(scripted, (X, "GREEN", {}))


def test_devices_and_dtypes() -> None:
    def program(x, device: torch.device, dtype: int):
        return x.to(device, dtype)

    scripted = script(program)
    result = export(scripted, (X, torch.device("cpu"), torch.float64), verify=True)
    assert inputs(result) == ["x float[2, 2]"]
    assert result.report.outputs == [("output", "double", "[2, 2]")]
    assert export(scripted, (X, "cpu", torch.int64)).report.outputs[0][1] == "int64"


class Defaults(nn.Module):
    def forward(
        self,
        x,
        n: int = 2,
        scale: float = float("inf"),
        mode: str = "up",
        sizes: Tuple[int, float] = (1, 2.0),
        device: torch.device = CPU,
        color: Color = Color.BLUE,
        bias: Optional[Tensor] = None,
    ):
        if mode == "up" and color == Color.BLUE:
            x = x.to(device) * n
        if bias is not None:
            x = x + bias
        return x.clamp(max=scale) + sizes[0] * sizes[1]


def default_function(x, n: int = 2, mode: str = "up", sizes: Tuple[int, float] = (1, 2.0)):
    return x * n + sizes[0] * sizes[1] if mode == "up" else x


@pytest.mark.parametrize("program", [Defaults(), default_function])
def test_defaults_are_parts_of_the_program(program) -> None:
    scripted = script(program)
    result = check(program, (X,))
    assert inputs(result) == ["x float[2, 2]"]
    assert inputs(check(program, (X, 5), (X, -1))) == ["x float[2, 2]", "n int64[]"]
    assert export(scripted, (X,), verify=True).verification.reference == "PyTorch"
    assert export(scripted, kwargs={"x": X, "mode": "down"}, verify=True)


def test_constants_of_every_kind() -> None:
    def program(x, l: List[int], t: Tuple[Tensor, float], d: Dict[str, int], p: Pair, c: complex):
        return x * l[0] + t[0] * t[1] + d["k"] + p.a * p.n, (x * c).abs(), l[0]

    values = ([2, 3], (X, 2), {"k": 5}, Pair(X, 4), 1 + 2j)
    constants = dict(zip("ltdpc", values, strict=True))
    constants["t"] = (X.numpy(), 2)
    constants["p"] = (X.numpy(), 4)
    result = check(program, (X, *values), args=(X,), constants=constants)
    assert inputs(result) == ["x float[2, 2]"]
    with pytest.raises(
        InputError, match="the constant l is given as list\\(int64\\[2\\]\\): that is no value"
    ):
        converted(script(program), (X,), constants={**constants, "l": TensorSpec("int64", (2,))})


def test_unions_and_any() -> None:
    def union(x, u: Union[float, int, Tensor, List[Tensor]]):
        if isinstance(u, int):
            return x + u
        if isinstance(u, float):
            return x * u
        if isinstance(u, Tensor):
            return x - u
        return x / u[0]

    def anything(x, u: Any):
        if isinstance(u, int):
            return x + u
        if isinstance(u, Tensor):
            return x - u
        return x

    for value in (3, 2.0, X, [X]):
        check(union, (X, value), reference="script")
    for value in (3, X, "text", None):
        assert inputs(check(anything, (X, value), reference="script"))[0] == "x float[2, 2]"
    with pytest.raises(InputError, match="u is declared Union.*given 'text'"):
        converted(script(union), (X, "text"))


def test_numbers_have_the_dtype_that_is_asked_for() -> None:
    def program(x, n: int, f: float):
        return x * n * f, n

    specs = (X, TensorSpec("int32", ()), TensorSpec("float32", ()))
    result = converted(script(program), specs)
    assert inputs(result) == ["x float[2, 2]", "n int32[]", "f float[]"]
    check(program, (X, 1, 2), (X, -1, -1), args=(X, np.int64(1), np.array(2)))


def test_named_tuples_by_field() -> None:
    def program(p: Pair):
        return p.a * p.n

    assert inputs(check(program, (Pair(X, 2),), args=({"n": 2, "a": X},))) == [
        "p.a float[2, 2]",
        "p.n int64[]",
    ]


def test_integer_keys() -> None:
    def program(d: Dict[int, Tensor], e: Dict[float, Tensor]):
        return d[1] - d[4] + e[0.5]

    result = check(program, ({1: X, 4: X * 3}, {0.5: X}), args=({"1": X, "4": X}, {0.5: X}))
    assert inputs(result) == ["d.1 float[2, 2]", "d.4 float[2, 2]", "e.0.5 float[2, 2]"]


def test_tensors_of_any_shape() -> None:
    def program(x):
        return x.flatten() * 2, x.numel()

    spec = (TensorSpec("float32", None),)
    result = check(program, (X,), (X[0],), (X.reshape(1, 2, 2),), args=spec)
    assert inputs(result) == ["x float?"]


def test_dims_of_any_shape() -> None:
    """What does not need to know the number of dims, in place as well."""

    def program(x):
        y = x.clone()
        y.squeeze_(-1)
        z = y * 2
        z.t_()
        return y, z, x.squeeze((0, -1)), x.T

    spec = (TensorSpec("float32", None),)
    check(program, (X,), (X[:1],), (X[:, :1],), (X[:1, :1],), args=spec)


# ---------------------------------------------------------------- what does not fit


def everything(
    x,
    n: int,
    f: float,
    b: bool,
    s: str,
    t: Tuple[Tensor, Tensor],
    l: List[Tensor],
    d: Dict[str, Tensor],
    p: Pair,
    c: Optional[complex],
):
    return x


FITTING = {
    "x": X, "n": 1, "f": 1.0, "b": True, "s": "", "t": (X, X), "l": [X], "d": {"k": X},
    "p": (X, 1), "c": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": "text"}, "x is declared Tensor, but given 'text'"),
        ({"x": None}, "x is declared Tensor, but given None"),
        ({"x": [X]}, "x is declared Tensor, but given a list of 1 item$"),
        ({"x": {"y": X}}, "given a dict with the keys 'y'\n  arguments by name go into kwargs"),
        ({"x": np.array(["a"])}, "x: an array of str"),
        ({"n": 2.5}, "n is declared int, but given 2.5"),
        ({"n": None}, "n is declared int, but given None"),
        ({"n": X}, "n is declared int, but given a tensor float32\\[2,2\\]"),
        ({"n": TensorSpec("float32", ())}, "n is declared int, but given float32\\[\\]"),
        ({"n": TensorSpec("int64", (2,))}, "n is declared int, but given int64\\[2\\]"),
        ({"b": 1}, "b is declared bool, but given 1"),
        ({"s": X}, "s is declared str, but given a tensor"),
        ({"t": (X, X, X)}, "t is declared \\(Tensor, Tensor\\), but given a tuple of 3 items"),
        ({"t": X}, "t is declared \\(Tensor, Tensor\\), but given a tensor"),
        ({"l": X}, "l is declared Tensor\\[\\].*\n  give a list: .x., or SequenceSpec"),
        ({"l": {"0": X, "2": X}}, "the elements of l are 0, 2: they count from 0"),
        ({"l": [X, 1, "a"]}, "l.2 is declared Tensor, but given 'a'"),
        ({"d": [X]}, "d is declared Dict\\(str, Tensor\\), but given a list"),
        ({"d": {1: X}}, "d is declared Dict\\(str, Tensor\\), but has the key 1"),
        ({"p": (X, 1, 2)}, "p is declared NamedTuple.*given a tuple of 3 items"),
        ({"p": {"n": 1}}, "p lacks the field a"),
        ({"p": {"a": X, "z": 1}}, "p is declared NamedTuple.*the keys 'a', 'z'"),
        ({"c": 1j}, "c is declared complex.*\n  a complex number is no input.*bind it"),
    ],
)
def test_what_does_not_fit(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        export(script(everything), kwargs={**FITTING, **given})


def test_script_classes() -> None:
    def program(x, b: Box):
        return x + b.x

    with pytest.raises(InputError, match="b is an object of the class Box.*\n  write a method"):
        export(script(program), (X, Box(X)))


def test_twice_and_unknown() -> None:
    def program(x, y):
        return x + y

    with pytest.raises(InputError, match="y is given twice, by position and by name"):
        export(script(program), (X, X), kwargs={"y": X})
    with pytest.raises(InputError, match="no parameter 'z'; there are: Tensor x, Tensor y"):
        export(script(program), (X, X), kwargs={"z": X})


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("x", "x \\(Tensor\\) is not given; say its dtype and shape\n  in Python  args"),
        ("s", 's \\(str\\) is not given; say an example\n  in Python  constants={"s"'),
        ("t", "t.0 \\(Tensor\\) is not given"),
        ("d", "d \\(Dict\\(str, Tensor\\)\\) is not given; say an example"),
    ],
)
def test_what_is_missing(left_out: str, message: str) -> None:
    given = {name: value for name, value in FITTING.items() if name != left_out}
    with pytest.raises(InputError, match=message):
        export(script(everything), kwargs=given)
