"""Arguments: nested containers, None, defaults, strings, numbers, constants."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import pytest
import torch
from torch import Tensor, nn

from exporter import TensorSpec, export
from exporter.errors import InputError
from tests.conversion.harness import check, converted, script

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])


class Batch(NamedTuple):
    image: Tensor
    sizes: Tuple[int, int]


def test_nested_containers() -> None:
    def program(t: Tuple[Tensor, Dict[str, Tensor]], l: List[Tuple[Tensor, int]]):
        a, d = t
        out = a + d["k"] * 2
        for x, n in l:
            out = out + x * n
        return out, {"d": d, "l": [x for x, _ in l]}

    call = ((X, {"k": X + 1}), [(X, 2), (X * 3, 5)])
    result = check(program, call, ((X * 2, {"k": X}), [(X, 7), (X, -1)]))
    assert [name for name, _, _ in result.report.inputs] == [
        "t.0",
        "t.1.k",
        "l.0.0",
        "l.0.1",
        "l.1.0",
        "l.1.1",
    ]


def test_named_tuples() -> None:
    def program(b: Batch):
        return b.image * b.sizes[0] + b.sizes[1], b

    result = check(program, (Batch(X, (2, 3)),), (Batch(X, (0, -3)),))
    assert [name for name, _, _ in result.report.inputs] == ["b.image", "b.sizes.0", "b.sizes.1"]


def test_none_strings_and_numbers() -> None:
    def program(x, bias: Optional[Tensor], mode: str, n: int, f: float, flag: bool):
        if bias is not None:
            x = x + bias
        if mode == "twice":
            x = x * 2
        return x * n + f, not flag

    check(program, (X, None, "twice", 2, 0.5, True), (X, None, "twice", -1, 2.5, False))
    check(program, (X, X, "once", 2, 0.5, True))


class Defaults(nn.Module):
    def forward(self, x, scale: float = 2.0, dims: Optional[List[int]] = None, mode: str = "sum"):
        if dims is None:
            dims = [0]
        if mode == "sum":
            return (x * scale).sum(dims)
        return x


def test_defaults() -> None:
    result = converted(script(Defaults()), (X,))
    assert [name for name, _, _ in result.report.inputs] == ["x"]
    check(Defaults(), (X,))
    check(Defaults(), (X, 3.0, [1]), (X, -1.0, [1]), constants={"dims": [1]})


def test_constants_specialise() -> None:
    def program(x, sr: int, mode: str):
        if sr == 16000:
            return x[:, :1] * len(mode)
        return x

    result = check(program, (X, 16000, "abc"), constants={"sr": 16000, "mode": "abc"})
    assert [name for name, _, _ in result.report.inputs] == ["x"]
    assert "If" not in result.report.operators


def test_specs_with_shared_names() -> None:
    def program(x, y):
        return torch.cat([x, y], 1), x.size(0) + y.size(0)

    spec = TensorSpec("float32", ("n", 2))
    result = export(script(program), (spec, spec))
    assert [shape for _, _, shape in result.report.inputs] == ["[n, 2]", "[n, 2]"]
    assert result.report.outputs[0][2] == "[n, 4]"


def test_too_many_arguments() -> None:
    def program(x):
        return x

    with pytest.raises(InputError, match="2 arguments for 1 parameters"):
        converted(script(program), (X, X))


def test_a_constant_of_no_parameter() -> None:
    def program(x):
        return x

    with pytest.raises(InputError, match="no parameter 'sr'"):
        converted(script(program), (X,), constants={"sr": 1})
