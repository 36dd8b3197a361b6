"""Files that appear whole or not at all; weights in the model, beside it, left in the archive."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

import exporter
from exporter.errors import InputError
from exporter.onnx_graph.writing import write
from tests.onnx_graph.test_model import WEIGHT, run, small_model


def test_external_data(tmp_path: Path) -> None:
    """Beside the model, under the model's name, and nothing else is left in the folder."""
    path = tmp_path / "net.onnx"
    assert write(small_model(), path, external_data=True) == [path, tmp_path / "net.onnx.data"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    assert path.stat().st_size < 1000
    np.testing.assert_array_equal(run(path)[0], WEIGHT.sum(0))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in (path, tmp_path / "net.onnx.data"):
        file.rename(moved / file.name)
    np.testing.assert_array_equal(run(moved / "net.onnx")[0], WEIGHT.sum(0))


def test_a_model_too_large_for_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.onnx_graph.writing.LARGEST_MESSAGE", 1000)
    write(small_model(), tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx.data").stat().st_size == WEIGHT.nbytes
    with pytest.raises(InputError, match="needs a path"):
        write(small_model(), io.BytesIO())


@pytest.mark.parametrize("external", [False, True])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, external: bool) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    model = small_model()

    class Broken(ir.Tensor):
        def tofile(self, file: object) -> None:
            raise OSError("disk full")

        def tobytes(self) -> bytes:
            raise OSError("disk full")

    model.graph.initializers["layer.weight"].const_value = Broken(WEIGHT, name="layer.weight")
    with pytest.raises((OSError, ir.serde.SerdeError)):
        write(model, path, external_data=external)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    """What a link leads to is written; a pipe gets the bytes."""
    model = small_model()
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_bytes(b"before")
    link.symlink_to(file)
    write(model, link)
    assert link.is_symlink()
    onnx.checker.check_model(onnx.load(file))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(model, pipe)
    assert os.read(reader, 1 << 16) == file.read_bytes()
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(InputError, match="external data needs a folder"):
        write(model, pipe, external_data=True)


class Mixed(torch.nn.Module):
    """Weights as they are, a view of one, a transposed one, and one that folding changes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(40, 50)
        self.table = torch.nn.Parameter(torch.randn(60, 50))
        self.conv = torch.nn.Conv1d(1, 300, 3)
        self.norm = torch.nn.BatchNorm1d(300)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x) @ self.table[:50] + self.linear(x) @ self.table[5:55].t()
        return self.norm(self.conv(y.unsqueeze(1))).sum(1)


INPUT = np.random.default_rng(0).standard_normal((3, 40)).astype("f4")
SPECS = (exporter.TensorSpec("float32", ("n", 40)),)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.pt"
    torch.jit.script(Mixed().eval()).save(str(path))
    return path


def places(path: Path) -> dict[str, str]:
    """In which file each initializer of a model lies."""
    model = onnx.load(path, load_external_data=False)
    found = {}
    for tensor in model.graph.initializer:
        keys = {entry.key: entry.value for entry in tensor.external_data}
        found[tensor.name] = keys.get("location", "")
    return found


def output(path: Path) -> np.ndarray:
    onnx.checker.check_model(path)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": INPUT})[0]


def assert_right(path: Path) -> None:
    expected = Mixed().eval()(torch.from_numpy(INPUT)).detach().numpy()
    np.testing.assert_allclose(output(path), expected, rtol=1e-4, atol=1e-4)


def test_weights_stay_in_the_archive(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.onnx"
    result = exporter.export(archive, SPECS, path, external_data="reference")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mixed.onnx", "mixed.pt"]
    found = places(path)
    assert found["linear.weight"] == found["conv.weight"] == found["norm.weight"] == "mixed.pt"
    assert found["linear.bias"] == ""  # too small to be worth it
    assert_right(path)
    kept = result.model.graph.initializers["linear.weight"].const_value
    assert not isinstance(kept, ir.ExternalTensor)


def test_the_archive_may_lie_below_the_model(archive: Path, tmp_path: Path) -> None:
    below = tmp_path / "weights"
    below.mkdir()
    archive.rename(below / "mixed.pt")
    path = tmp_path / "mixed.onnx"
    exporter.export(below / "mixed.pt", SPECS, path, external_data="reference")
    assert places(path)["linear.weight"] == "weights/mixed.pt"
    assert_right(path)


def test_the_archive_does_not_lie_elsewhere(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "link.pt").symlink_to(archive)
    for given in (archive, folder / "link.pt"):
        with pytest.raises(InputError, match="must lie in the folder of the model or below"):
            exporter.export(given, SPECS, folder / "mixed.onnx", external_data="reference")
    assert [p.name for p in folder.iterdir()] == ["link.pt"]


def test_what_is_in_no_file_can_not_be_left_there(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.onnx"
    for model in (archive.read_bytes(), Mixed().eval()):
        with pytest.raises(InputError, match="an archive that is given by its path"):
            exporter.export(model, (torch.zeros(3, 40),), path, external_data="reference")
    with pytest.raises(InputError, match="a file object has no place beside it"):
        exporter.export(archive, SPECS, io.BytesIO(), external_data="reference")
    with pytest.raises(InputError, match="external_data is True, False"):
        exporter.export(archive, SPECS, path, external_data="refer")
    assert not path.exists()


def test_weights_that_were_changed_are_in_the_model(archive: Path, tmp_path: Path) -> None:
    """A model that was converted for another way of storing weights has folded ones."""
    path = tmp_path / "mixed.onnx"
    exporter.export(archive, SPECS).save(path, external_data="reference")
    found = places(path)
    assert found["linear.weight"] == "mixed.pt"
    assert [name for name, place in found.items() if "conv" in name and place] == []
    assert_right(path)


def test_what_is_too_large_goes_beside_the_model(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.onnx_graph.writing.LARGEST_MESSAGE", 1000)
    path = tmp_path / "mixed.onnx"
    exporter.export(archive, SPECS).save(path, external_data="reference")
    found = places(path)
    assert found["linear.weight"] == "mixed.pt"
    assert "mixed.onnx.data" in found.values()
    assert_right(path)


@pytest.mark.parametrize("way", ["in place", "replaced"])
def test_a_file_that_has_changed_is_not_referred_to(
    archive: Path, tmp_path: Path, way: str
) -> None:
    path = tmp_path / "mixed.onnx"
    result = exporter.export(archive, SPECS, external_data="reference")
    if way == "in place":
        os.utime(archive, ns=(1, 1))
    else:
        shutil.copy(archive, tmp_path / "other.pt")
        (tmp_path / "other.pt").replace(archive)
    with pytest.raises(InputError, match="as it was opened"):
        result.save(path, external_data="reference")
    assert not path.exists()


def test_external_data_is_copied_from_the_archive(archive: Path, tmp_path: Path) -> None:
    """From file to file while it is the one that was opened, and from what is mapped otherwise."""
    result = exporter.export(archive, SPECS)
    result.save(tmp_path / "a.onnx", external_data=True)
    other = tmp_path / "other.pt"
    other.write_bytes(bytes(archive.stat().st_size))
    other.replace(archive)
    result.save(tmp_path / "b.onnx", external_data=True)
    data = [(tmp_path / f"{name}.onnx.data").read_bytes() for name in "ab"]
    assert data[0] == data[1]
    assert set(places(tmp_path / "a.onnx").values()) == {"", "a.onnx.data"}
    assert_right(tmp_path / "a.onnx")
    assert_right(tmp_path / "b.onnx")


@pytest.mark.parametrize("external", [False, True])
def test_an_archive_of_several_names(archive: Path, tmp_path: Path, external: bool) -> None:
    """As the files of package caches are: hard links, and symbolic ones from elsewhere."""
    (tmp_path / "cache").mkdir()
    os.link(archive, tmp_path / "cache" / "blob")
    (tmp_path / "link.pt").symlink_to(Path("cache") / "blob")
    for place in (archive, tmp_path / "link.pt"):
        exporter.export(place, SPECS, tmp_path / "net.onnx", external_data=external)
        assert_right(tmp_path / "net.onnx")
