"""What PyTorch saves is what we read."""

from __future__ import annotations

import enum
import io
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from exporter.archive import (
    Archive,
    Device,
    EnumMember,
    PerChannel,
    PerTensor,
    ScriptObject,
    SparseTensorData,
    TensorData,
    open_archive,
)
from exporter.errors import ArchiveError, NotTorchScriptError

pytestmark = [
    # PyTorch's own remarks on what is old (TorchScript), new (sparse, half complex) or traced.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Pair(NamedTuple):
    a: torch.Tensor
    b: int


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)

    @torch.jit.script
    class Counter:
        def __init__(self, start: int) -> None:
            self.count = start


class Holder(nn.Module):
    """Holds values as attributes; scripting keeps those that the program uses."""

    def __init__(self, value) -> None:
        super().__init__()
        self.value = value

    def forward(self):
        return self.value


def saved(module) -> Archive:
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return open_archive(buffer.getvalue())


def read(value) -> object:
    """Save the value as an attribute and read it again."""
    return saved(torch.jit.script(Holder(value))).root.attributes["value"]


def tensor(found: object) -> TensorData:
    assert isinstance(found, TensorData)
    return found


def bits(value: torch.Tensor) -> bytes:
    """The values' bytes, for dtypes that NumPy lacks."""
    return value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


DTYPES = [
    "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "float32",
    "float64", "bfloat16", "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    value = torch.tensor([0, 1, 2, 3, 1, 0]).to(getattr(torch, dtype)).reshape(2, 3)
    found = tensor(read(value))
    assert found.numpy().dtype.name == dtype
    assert found.dtype.numpy() == found.numpy().dtype
    assert found.shape == (2, 3)
    assert found.numpy().tobytes() == bits(value)
    assert found.nbytes == value.nbytes


def test_dtypes_without_counterpart():
    with pytest.raises(ArchiveError, match="PyTorch's ComplexHalf type"):
        read(torch.zeros(2, dtype=torch.complex32))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_views(data):
    """Any view of a tensor, by permuting, slicing, selecting and expanding, has its values."""
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    value = torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape)
    value = value.permute(data.draw(st.permutations(range(value.dim()))))
    for dim in range(value.dim()):
        if value.size(dim):
            begin = data.draw(st.integers(0, value.size(dim) - 1))
            value = value[
                (slice(None),) * dim + (slice(begin, None, data.draw(st.integers(1, 3))),)
            ]
    if data.draw(st.booleans()):
        value = value.expand(2, *value.shape)
    found = tensor(read(value))
    assert found.shape == tuple(value.shape)
    assert found.strides == value.stride()
    assert found.storage_offset == value.storage_offset()
    assert found.is_contiguous == value.is_contiguous()
    np.testing.assert_array_equal(found.numpy(), value.numpy())


def test_a_file_in_place(tmp_path):
    """A contiguous tensor's bytes lie at `file_offset`, aligned to 64 bytes."""
    model = torch.jit.script(nn.Linear(5, 3))
    path = tmp_path / "linear.pt"
    model.save(str(path))
    opened = open_archive(path)
    weight = tensor(opened.root.attributes["weight"])
    assert opened.name == "linear"
    assert weight.requires_grad
    assert weight.file_offset % 64 == 0
    with path.open("rb") as file:
        file.seek(weight.file_offset)
        assert file.read(weight.nbytes) == bits(model.weight)


def test_conjugated_and_negated_views():
    value = torch.tensor([1 + 2j, 3 - 4j])
    found = tensor(read(value.conj()))
    assert found.is_conj
    assert found.numpy().tolist() == [1 - 2j, 3 + 4j]
    found = tensor(read(value.conj().imag))
    assert found.is_neg
    assert found.numpy().tolist() == [-2, 4]


def test_quantized_per_tensor():
    found = tensor(read(torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 3, torch.quint8)))
    assert found.numpy().tolist() == [5, 7]
    assert isinstance(found.quantization, PerTensor)
    assert (found.quantization.scale, found.quantization.zero_point) == (0.5, 3)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.qint32])
def test_quantized_per_channel(dtype):
    value = torch.quantize_per_channel(
        torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        torch.tensor([0.5, 0.25]),
        torch.tensor([1, 2]),
        1,
        dtype,
    )
    found = tensor(read(value))
    assert found.numpy().tolist() == value.int_repr().tolist()
    assert isinstance(found.quantization, PerChannel)
    assert found.quantization.scales.numpy().tolist() == [0.5, 0.25]
    assert found.quantization.zero_points.numpy().tolist() == [1, 2]
    assert found.quantization.axis == 1
    assert not found.quantization.float_zero_points


def test_quantized_4_bits():
    value = torch.quantize_per_channel(
        torch.arange(15.0).reshape(5, 3), torch.ones(5), torch.zeros(5), 0, torch.quint4x2
    )
    found = tensor(read(value)).numpy().astype(int)
    assert found.tolist() == torch.arange(15).reshape(5, 3).tolist()


@pytest.mark.parametrize("engine_module", ["Linear", "Conv2d"])
def test_packed_parameters_keep_their_state(engine_module):
    layer = nn.Linear(4, 2) if engine_module == "Linear" else nn.Conv2d(1, 2, 1)
    shape = (1, 4) if engine_module == "Linear" else (1, 1, 4, 4)
    model = nn.Sequential(torch.ao.quantization.QuantStub(), layer).eval()
    model.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.ao.quantization.prepare(model, inplace=True)(torch.randn(shape))
        torch.ao.quantization.convert(model, inplace=True)
    found = saved(torch.jit.script(model)).root.attributes["1"]
    assert isinstance(found, ScriptObject)
    if engine_module == "Linear":
        packed = found.attributes["_packed_params"].attributes["_packed_params"]
        assert packed.type_name == "__torch__.torch.classes.quantized.LinearPackedParamsBase"
        weight, bias = packed.state
        assert bias.shape == (2,)
    else:
        weight = found.state[10]
    assert found.has_state == (engine_module == "Conv2d")
    assert weight.numpy().tolist() == model[1].weight().int_repr().tolist()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (-(2**40), -(2**40)),
        (2.5, 2.5),
        (True, True),
        (None, None),
        ("é\n", "é\n"),
        (1 + 2j, 1 + 2j),
        ([1, 2], [1, 2]),
        ([1.5], [1.5]),
        ([True, False], [True, False]),
        (["a"], ["a"]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ({1: [2.5]}, {1: [2.5]}),
        ((1, "a", None, (2.5,)), (1, "a", None, (2.5,))),
        (torch.device("cpu"), Device("cpu")),
        (torch.device("cuda:1"), Device("cuda:1")),
        (Color.GREEN, EnumMember("__torch__.tests.archive.test_torch_archives.Color", 2)),
    ],
)
def test_values(value, expected):
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


def test_lists_and_tuples_of_tensors():
    first = torch.ones(2)
    found = read([first, first])
    assert [item.shape for item in found] == [(2,), (2,)]
    assert found[0].storage is found[1].storage
    pair = read(Pair(first, 3))
    assert isinstance(pair, tuple)
    assert pair[1] == 3


def test_script_class_objects():
    found = read(Counter(3))
    assert isinstance(found, ScriptObject)
    assert found.type_name.endswith(".Counter")
    assert found.attributes == {"count": 3}


@pytest.mark.parametrize(("layout", "parts"), [("to_sparse", 2), ("to_sparse_csr", 3)])
def test_sparse_tensors(layout, parts):
    found = read(getattr(torch.eye(3), layout)())
    assert isinstance(found, SparseTensorData)
    assert found.shape == (3, 3)
    assert len(found.parts) == parts
    assert found.parts[-1].numpy().tolist() == [1, 1, 1]


def test_a_meta_tensor():
    found = tensor(read(torch.zeros(3, device="meta")))
    assert not found.has_data
    assert found.shape == (3,)


def test_shared_modules_and_tied_weights():
    layer = nn.Linear(2, 2)
    tied = nn.Linear(2, 2)
    tied.weight = layer.weight
    root = saved(torch.jit.script(nn.Sequential(layer, layer, tied))).root
    first, second, third = (root.attributes[key] for key in "012")
    assert first.attributes["weight"].storage is second.attributes["weight"].storage
    assert first.attributes["weight"].storage is third.attributes["weight"].storage
    assert first.attributes["bias"].storage is not third.attributes["bias"].storage


def test_getstate():
    class Stateful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = 3

        def forward(self) -> int:
            return self.x

        @torch.jit.export
        def __getstate__(self):
            return {"x": self.x}

        @torch.jit.export
        def __setstate__(self, state: dict[str, int]):
            self.x = state["x"]

    root = saved(torch.jit.script(Stateful())).root
    assert root.has_state
    assert root.state == {"x": 3}


def test_constants():
    def add(x):
        return x + torch.tensor([1.0, 2.0])

    opened = saved(torch.jit.trace(add, torch.zeros(2)))
    (constant,) = opened.constants
    assert tensor(constant).numpy().tolist() == [1, 2]
    assert "CONSTANTS.c0" in opened.code["__torch__"]


def test_traced_inputs():
    opened = saved(
        torch.jit.trace(nn.LSTM(3, 4), (torch.randn(2, 1, 3), (torch.zeros(1, 1, 4),) * 2))
    )
    sequence, (hidden, cell) = opened.traced_inputs["forward"]
    assert (sequence.dtype.name, sequence.shape) == ("FLOAT", (2, 1, 3))
    assert hidden.shape == cell.shape == (1, 1, 4)
    assert not sequence.has_data
    assert saved(torch.jit.script(nn.Linear(1, 1))).traced_inputs == {}


def test_each_traced_method_has_its_inputs():
    class Two(nn.Module):
        def forward(self, x):
            return x

        def other(self, x, y):
            return x + y

    example = torch.ones(2, dtype=torch.int64)
    opened = saved(
        torch.jit.trace_module(Two(), {"forward": torch.ones(3), "other": (example, example)})
    )
    assert [value.shape for value in opened.traced_inputs["forward"]] == [(3,)]
    assert [value.dtype.name for value in opened.traced_inputs["other"]] == ["INT64"] * 2


class Ranged(nn.Module):
    def forward(self, x):
        y = x + 1
        z = torch.relu(y)
        return z * 2


def line_of(piece: str) -> int:
    with open(__file__) as file:  # noqa: PTH123  (plain is clearest here)
        return next(number for number, line in enumerate(file, 1) if line.strip() == piece)


def range_of(opened: Archive, piece: str):
    """Where the piece of the root module's code came from."""
    record = opened.root.type_name.rpartition(".")[0]
    return opened.source_ranges(record).at(opened.code[record].index(piece))


@pytest.mark.parametrize("again", [False, True])
def test_source_ranges_of_a_scripted_module(again):
    """They survive loading and saving too."""
    module = torch.jit.script(Ranged())
    if again:
        buffer = io.BytesIO()
        torch.jit.save(module, buffer)
        buffer.seek(0)
        module = torch.jit.load(buffer)
    opened = saved(module)
    found = range_of(opened, "torch.relu")
    assert found.filename == __file__
    assert found.text == "z = torch.relu(y)"
    assert found.line == line_of("z = torch.relu(y)")


def test_source_ranges_of_a_traced_module():
    opened = saved(torch.jit.trace(Ranged(), torch.ones(2)))
    found = range_of(opened, "torch.relu")
    assert (found.filename, found.line) == (__file__, line_of("z = torch.relu(y)"))
    assert found.stack[0].function == "forward"


def test_mobile_archives(tmp_path):
    path = tmp_path / "linear.ptl"
    torch.jit.script(nn.Linear(2, 2))._save_for_lite_interpreter(str(path))
    assert tensor(open_archive(path).root.attributes["weight"]).shape == (2, 2)


def test_extra_files():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.ReLU()), buffer, _extra_files={"a/b.txt": b"hello"})
    assert bytes(open_archive(buffer.getvalue()).extra_files["a/b.txt"]) == b"hello"


def test_what_torch_saves_otherwise(tmp_path):
    model = nn.Linear(2, 2)

    def message(save) -> str:
        path = tmp_path / "saved"
        save(path)
        with pytest.raises(NotTorchScriptError) as caught:
            open_archive(path)
        return str(caught.value)

    assert "state dict" in message(lambda path: torch.save(model.state_dict(), path))
    assert "state dict" in message(lambda path: torch.save({"model": model.state_dict()}, path))
    assert "class torch.nn.modules.linear.Linear" in message(lambda path: torch.save(model, path))
    assert "before 1.6" in message(
        lambda path: torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    )
    program = torch.export.export(model, (torch.ones(1, 2),))

    def save_program(path) -> None:
        torch.export.save(program, path.with_suffix(".pt2"))
        path.with_suffix(".pt2").rename(path)

    assert "torch.export program" in message(save_program)

    def save_package(path) -> None:
        with torch.package.PackageExporter(path) as exporter:
            exporter.save_pickle("a", "b.pkl", {"x": 1})

    assert "torch.package" in message(save_package)
