"""Any method of a module becomes a model; the arguments choose among overloads.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import exporter
from exporter import TensorSpec
from exporter.errors import ExportError


class Autoencoder(nn.Module):
    """Two methods that share weights, and a forward that uses both."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(4, 2)
        self.up = nn.Linear(2, 4)
        self.calls = 0

    @torch.jit.export
    def encode(self, x: Tensor, scale: float = 2.0) -> Tensor:
        self.calls += 1
        return torch.tanh(self.down(x)) * scale

    @torch.jit.export
    def decode(self, code: Tensor) -> Tensor:
        return self.up(code)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x, 2.0))


def run(exported: exporter.Exported, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs for these inputs, in order."""
    buffer = io.BytesIO()
    exported.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    found: list[np.ndarray] = session.run(None, dict(zip(names, arrays, strict=True)))
    return found


def test_each_method_of_one_archive(tmp_path: Path) -> None:
    """Methods have their own inputs and their own state."""
    module = torch.jit.script(Autoencoder())
    archive = tmp_path / "m.pt"
    module.save(str(archive))
    x, code = torch.rand(3, 4), torch.rand(3, 2)
    encoded = exporter.export(archive, (x,), method="encode")
    assert [name for name, _, _ in encoded.report.inputs] == ["x", "calls"]
    np.testing.assert_allclose(
        run(encoded, x.numpy(), np.array(0))[0], module.encode(x).detach().numpy(), 1e-5
    )
    decoded = exporter.export(module, (code,), method="decode")
    assert [name for name, _, _ in decoded.report.inputs] == ["code"]
    np.testing.assert_allclose(
        run(decoded, code.numpy())[0], module.decode(code).detach().numpy(), 1e-5
    )
    whole = exporter.export(archive, kwargs={"x": TensorSpec("float32", ("n", 4))})
    np.testing.assert_allclose(
        run(whole, x.numpy(), np.array(0))[0], module(x).detach().numpy(), 1e-5
    )


def test_a_plain_module_is_traced_by_its_method() -> None:
    """A live module that is no TorchScript is traced by the method asked for."""
    module, code = Autoencoder(), torch.rand(3, 2)
    exported = exporter.export(module, (code,), method="decode")
    np.testing.assert_allclose(
        run(exported, code.numpy())[0], module.decode(code).detach().numpy(), 1e-5, 1e-6
    )


def test_no_such_method() -> None:
    """The error says which there are."""
    with pytest.raises(ExportError, match=r"no method 'encoder'; its methods: .*encode"):
        exporter.export(torch.jit.script(Autoencoder()), (torch.rand(1, 4),), method="encoder")


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_overloads_by_argument(kind: type[nn.RNNBase], tmp_path: Path) -> None:
    """A recurrent layer that is the whole model takes a tensor or a packed sequence."""
    layer = kind(3, 4)
    archive = tmp_path / "m.pt"
    torch.jit.script(layer).save(str(archive))
    x = torch.rand(5, 2, 3)
    for model in (archive, torch.jit.script(layer)):
        found = run(exporter.export(model, (x,)), x.numpy())
        np.testing.assert_allclose(found[0], layer(x)[0].detach().numpy(), 1e-5, 1e-6)
        packed = pack_padded_sequence(x, torch.tensor([5, 3]))
        exported = exporter.export(model, (packed,), dynamic_axes={"input.data": {0: "n"}})
        shorter = pack_padded_sequence(x, torch.tensor([5, 2]))
        found = run(exported, shorter.data.numpy(), shorter.batch_sizes.numpy())
        wanted = layer(shorter)[0]
        assert isinstance(wanted, PackedSequence)
        np.testing.assert_allclose(found[0], wanted.data.detach().numpy(), 1e-5, 1e-6)
        np.testing.assert_array_equal(found[1], wanted.batch_sizes.numpy())


def test_overload_by_name() -> None:
    """An overload can be named outright."""
    layer, x = nn.GRU(3, 4), torch.rand(5, 2, 3)
    exported = exporter.export(torch.jit.script(layer), (x,), method="forward__0")
    np.testing.assert_allclose(
        run(exported, x.numpy())[0], layer(x)[0].detach().numpy(), 1e-5, 1e-6
    )


def test_no_overload_fits() -> None:
    """The error lists the overloads with their parameters."""
    with pytest.raises(ExportError, match="no overload of 'forward'") as caught:
        exporter.export(torch.jit.script(nn.LSTM(3, 4)))
    assert "forward__0(Tensor input" in str(caught.value)
    assert "PackedSequence input" in str(caught.value)


def test_an_overload_is_verified(tmp_path: Path) -> None:
    """Verification calls the same overload in PyTorch."""
    archive = tmp_path / "m.pt"
    torch.jit.script(nn.GRU(3, 4)).save(str(archive))
    exported = exporter.export(archive, (torch.rand(5, 2, 3),), verify=True)
    assert exported.verification is not None
    assert exported.verification.reference != "none"
