"""ScriptModules in a torch.package are archives like others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.package import PackageExporter, package_exporter

from exporter import ArchiveError, InputError, NotTorchScriptError, export, load
from tests.archive.handmade import zipped


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.table = torch.arange(6.0).reshape(2, 3)
        self.factor = factor

    def forward(self, x):
        if bool(x.sum() > 0):
            x = x * self.factor
        return self.linear(x) + self.table.sum()


class Counting(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        return self.inner(x) * self.count


@pytest.fixture(autouse=True)
def modules_are_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch has a switch for it."""
    monkeypatch.setattr(package_exporter, "_gate_torchscript_serialization", False)


def package(path: Path, *modules: nn.Module) -> list[torch.jit.ScriptModule]:
    scripted = [torch.jit.script(module.eval()) for module in modules]
    with PackageExporter(path) as exporter:
        exporter.save_text("notes", "readme.txt", "what it is")
        for number, module in enumerate(scripted):
            exporter.save_pickle("models", f"model{number}.pkl", {"model": module, "n": number})
    return scripted


def check(module: torch.jit.ScriptModule, model: Path, **state: np.ndarray) -> None:
    session = ort.InferenceSession(model)
    for x in (torch.ones(2, 3), -torch.rand(4, 3)):
        expected = module(x).detach().numpy()
        actual, *rest = session.run(None, {"x": x.numpy(), **state})
        state = dict(zip(state, rest, strict=True))
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [True, False, "reference"])
def test_the_only_one(tmp_path: Path, weights: bool | str) -> None:
    (module,) = package(tmp_path / "model.pt", Scaled(2.0))
    example = {"kwargs": {"x": np.ones((1, 3), "f4")}, "dynamic_axes": {"x": [0]}}
    result = export(
        tmp_path / "model.pt", path=tmp_path / "model.onnx", external_data=weights, verify=True,
        **example,
    )  # fmt: skip
    assert result.verification.reference == "PyTorch"
    check(module, tmp_path / "model.onnx")
    content = (tmp_path / "model.pt").read_bytes()
    for source in (content, io.BytesIO(content)):
        export(source, path=tmp_path / "again.onnx", **example)
        check(module, tmp_path / "again.onnx")


def test_one_of_several_that_share_weights(tmp_path: Path) -> None:
    inner = Scaled(3.0)
    modules = package(tmp_path / "model.pt", inner, Counting(inner), Scaled(4.0))
    with pytest.raises(InputError, match="3 ScriptModules; which one is not said") as caught:
        export(tmp_path / "model.pt")
    assert "2: " in str(caught.value)
    assert "Counting" in str(caught.value)
    with pytest.raises(InputError, match="none of them is number 3"):
        load(tmp_path / "model.pt", script_module=3)
    for number, module in enumerate(modules):
        archive = load(tmp_path / "model.pt", script_module=number)
        example = {"kwargs": {"x": np.ones((1, 3), "f4")}, "dynamic_axes": {"x": [0]}}
        result = export(archive, path=tmp_path / "model.onnx", verify=True, **example)
        assert result.verification.reference == "PyTorch"
        check(module, tmp_path / "model.onnx", **result.initial_state)


def test_packages_without_a_module(tmp_path: Path) -> None:
    package(tmp_path / "model.pt")
    with pytest.raises(NotTorchScriptError, match=r"torch\.package that holds Python code alone"):
        load(tmp_path / "model.pt")


def test_numbers_are_of_packages(tmp_path: Path) -> None:
    torch.jit.script(Scaled(1.0)).save(tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt is no torch\.package"):
        load(tmp_path / "model.pt", script_module=0)


@pytest.mark.parametrize("lost", [".data/ts_code/0/constants.pkl", ".data/0.storage"])
def test_damaged_packages(tmp_path: Path, lost: str) -> None:
    package(tmp_path / "model.pt", Scaled(2.0))
    with zipfile.ZipFile(tmp_path / "model.pt") as file:
        records = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    del records[lost]
    with pytest.raises(ArchiveError, match="is damaged: it has no record"):
        export(zipped(records), {"x": np.ones((1, 3), "f4")})
