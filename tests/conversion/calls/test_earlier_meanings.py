"""Operators of old archives, against PyTorch, which loads the same archive."""

import io
import zipfile

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from exporter import export


def archive_of(version: int, program: object) -> bytes:
    """An archive of a program that says it is of this version."""
    buffer, changed = io.BytesIO(), io.BytesIO()
    torch.jit.save(torch.jit.script(program), buffer)
    source = zipfile.ZipFile(buffer)
    with zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            is_version = name.endswith("version")
            target.writestr(name, f"{version}\n" if is_version else source.read(name))
    return changed.getvalue()


def check_at(version: int, program: object, *args: Tensor) -> None:
    """Compare an archive of this version with what PyTorch makes of it."""
    content = archive_of(version, program)
    expected = torch.jit.load(io.BytesIO(content))(*args)
    model = io.BytesIO()
    result = export(content, args, model)
    session = onnxruntime.InferenceSession(model.getvalue())
    names = [name for name, _, _ in result.report.inputs]
    actual = session.run(None, dict(zip(names, (a.numpy() for a in args), strict=True)))
    for want, got in zip(expected, actual, strict=True):
        assert want.numpy().dtype == got.dtype
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-6)


def quotients(x: Tensor, y: Tensor):
    in_place = x.clone()
    in_place.div_(y)
    halves = x.clone()
    halves /= 2
    return (
        torch.div(x, y),
        x / 2,
        x / 2.5,
        torch.div(x, y, rounding_mode="floor"),
        torch.div(x, y, rounding_mode=None),
        torch.div(x, y, out=torch.zeros(3)),
        in_place,
        halves,
    )


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("dtypes", [(torch.int64, torch.int64), (torch.float32, torch.int32)])
def test_quotients_of_integers_had_no_fraction(
    version: int, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    x, y = torch.tensor([7, -7, 5]).to(dtypes[0]), torch.tensor([2, 2, -3]).to(dtypes[1])
    check_at(version, quotients, x, y)


def quotient(x: Tensor, y: Tensor):
    return torch.div(x, y), 7 / x, x / y[0]


@pytest.mark.parametrize("version", [3, 4, 10])
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool, torch.float64])
def test_quotients_follow_the_version(version: int, dtype: torch.dtype) -> None:
    values = torch.tensor([5, 2, 1]).to(dtype)
    if version == 3 and dtype == torch.bool:
        values = values.to(torch.int8)
    check_at(version, quotient, values, torch.tensor([2, 3, 1]))


def filled(x: Tensor):
    n = int(x.sum())
    return (
        torch.full((2, 3), 3),
        torch.full((2,), n),
        torch.full((2,), True),
        torch.full((2,), 3, dtype=torch.int32),
        torch.full((2,), 2.5),
        x,
    )


@pytest.mark.parametrize("version", [3, 4, 5])
def test_full_made_floats(version: int) -> None:
    check_at(version, filled, torch.tensor([1, 2]))


def spaced(x: Tensor):
    end = float(x)
    return torch.linspace(0, end, 5), torch.logspace(0, 2, steps=4, base=3.0), x


@pytest.mark.parametrize("version", [3, 7, 8, 10])
def test_steps_that_were_given_are_kept(version: int) -> None:
    check_at(version, spaced, torch.tensor(3.0))


def spaced_with_none(x: Tensor):
    return torch.linspace(0.0, 1.0, 7), torch.logspace(0.0, 2.0, 7, 10.0), x


@pytest.mark.parametrize("version", [3, 7])
def test_steps_that_were_not_given_are_a_hundred(version: int) -> None:
    """No program of today can leave them out: the archive's code is changed."""
    source = zipfile.ZipFile(io.BytesIO(archive_of(version, spaced_with_none)))
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b", 7,", b", None,"))
    expected = torch.jit.load(io.BytesIO(changed.getvalue()))(torch.zeros(1))
    model = io.BytesIO()
    export(changed.getvalue(), (torch.zeros(1),), model)
    actual = onnxruntime.InferenceSession(model.getvalue()).run(None, {"x": np.zeros(1, "float32")})
    for want, got in zip(expected, actual, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-5)
