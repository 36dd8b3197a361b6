"""Packed weights as archives hold them: every version of the formats, and what is none."""

from __future__ import annotations

import numpy as np
import pytest

from exporter.archive import ScriptObject, Storage, TensorData
from exporter.archive.dtypes import STORAGE_TYPES
from exporter.archive.packed_params import (
    CellParams,
    ClampedParams,
    ConvParams,
    EmbeddingParams,
    LinearParams,
    packed_params,
)
from exporter.errors import ArchiveError

CLASSES = "__torch__.torch.classes."


def tensor(values: object, kind: str = "Float") -> TensorData:
    """A dense tensor of these values."""
    storage_type = STORAGE_TYPES[f"{kind}Storage"]
    array = np.asarray(values, storage_type.numpy)
    strides = tuple(s // array.itemsize for s in np.empty(array.shape, array.dtype).strides)
    read = memoryview(array.tobytes())
    storage = Storage("data/0", storage_type, "cpu", array.size, None, False, lambda: read)
    return TensorData(storage_type.dtype, array.shape, strides, storage, 0)


def packed(name: str, state: object) -> ScriptObject:
    """An object of a C++ class."""
    return ScriptObject(CLASSES + name, state=state, has_state=True)


WEIGHT = tensor(np.zeros((4, 2, 3, 3)), "QInt8")
BIAS = tensor(np.zeros(4))
SETTINGS = [2, 1, 2, 1, 0, 1, 3, 0, 1, 2, 0]


@pytest.mark.parametrize(
    "state",
    [
        ("2", [tensor(SETTINGS, "Short"), WEIGHT], [BIAS]),
        (3, SETTINGS, [None, WEIGHT, BIAS]),
    ],
)
def test_convolution(state: object) -> None:
    """Versions 2 and 3: strides, paddings, dilations, output paddings, groups, transposed."""
    found = packed_params(packed("quantized.Conv2dPackedParamsBase", state))
    assert isinstance(found, ConvParams)
    assert (found.weight, found.bias) == (WEIGHT, BIAS)
    assert (found.stride, found.padding, found.dilation) == ((1, 2), (1, 0), (1, 3))
    assert (found.output_padding, found.groups, found.transposed) == ((0, 1), 2, False)


def test_the_first_version() -> None:
    """A tensor for each number; neither output paddings nor transposed forms."""
    lists = [[tensor([n], "Short") for n in numbers] for numbers in ((1, 2), (1, 0), (1, 3))]
    state = (WEIGHT, None, *lists, tensor([2], "Short"))
    found = packed_params(packed("quantized.Conv2dPackedParamsBase", state))
    assert isinstance(found, ConvParams)
    assert (found.bias, found.stride, found.padding) == (None, (1, 2), (1, 0))
    assert (found.dilation, found.output_padding, found.groups) == ((1, 3), (0, 0), 2)
    assert not found.transposed


def test_linear_embedding_and_cell() -> None:
    """Whatever engine packed them."""
    weight = tensor(np.zeros((3, 2)), "QInt8")
    linear = packed("quantized.LinearPackedParamsBase", (weight, None))
    found = packed_params(linear)
    assert isinstance(found, LinearParams)
    assert (found.weight, found.bias) == (weight, None)
    table = tensor(np.zeros((3, 2)), "QUInt8")
    found = packed_params(packed("quantized.EmbeddingPackedParamsBase", (1, [table], [], [8])))
    assert isinstance(found, EmbeddingParams)
    assert found.weight is table
    state = ("quantized_dynamic", [BIAS, BIAS], [], [1], [linear, linear])
    found = packed_params(packed("rnn.CellParamsBase", state))
    assert isinstance(found, CellParams)
    assert found.reduce_range
    assert found.hidden.weight is weight


def test_layers_of_the_mobile_kernels() -> None:
    """A layer's weights and settings, then the limits of its results."""
    weight = tensor(np.zeros((3, 2)))
    found = packed_params(packed("xnnpack.LinearOpContext", (weight, BIAS, None, 6)))
    assert isinstance(found, ClampedParams)
    assert isinstance(found.layer, LinearParams)
    assert (found.layer.weight, found.layer.bias) == (weight, BIAS)
    assert (found.minimum, found.maximum) == (None, 6)

    kernel = tensor(np.zeros((4, 2, 3, 3)))
    state = (kernel, None, [1, 2], [1, 0], [1, 3], 2, 0.0, None)
    found = packed_params(packed("xnnpack.Conv2dOpContext", state))
    assert isinstance(found, ClampedParams)
    layer = found.layer
    assert isinstance(layer, ConvParams)
    assert (layer.weight, layer.bias, layer.groups, layer.transposed) == (kernel, None, 2, False)
    assert (layer.stride, layer.padding, layer.dilation) == ((1, 2), (1, 0), (1, 3))
    assert (layer.output_padding, found.minimum, found.maximum) == ((0, 0), 0.0, None)

    state = (kernel, BIAS, [1, 2], [1, 0], [0, 1], [1, 3], 2, None, None)
    found = packed_params(packed("xnnpack.TransposeConv2dOpContext", state))
    assert isinstance(found, ClampedParams)
    layer = found.layer
    assert isinstance(layer, ConvParams)
    assert (layer.stride, layer.padding, layer.dilation) == ((1, 2), (1, 0), (1, 3))
    assert (layer.output_padding, layer.groups, layer.transposed) == ((0, 1), 2, True)


def test_other_classes_are_none() -> None:
    assert packed_params(packed("mine.Tokenizer", ())) is None


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("quantized.LinearPackedParamsBase", (BIAS, None), "a weight and a bias"),
        ("quantized.LinearPackedParamsBase", None, "a weight and a bias"),
        ("quantized.Conv2dPackedParamsBase", ("4", [], []), "none of 1, 2 and 3"),
        ("quantized.Conv2dPackedParamsBase", (3, SETTINGS[:-1], [None, WEIGHT, None]), "settings"),
        ("quantized.Conv2dPackedParamsBase", (3, [*SETTINGS[:-1], 9], [None, WEIGHT, None]), "fl"),
        ("quantized.Conv3dPackedParamsBase", (3, SETTINGS, [None, WEIGHT, None]), "3-d"),
        ("quantized.Conv2dPackedParamsBase", (3, SETTINGS, [None, BIAS, None]), "of 4 dims"),
        ("quantized.Conv2dPackedParamsBase", (WEIGHT, None, [], [], []), "groups"),
        ("quantized.Conv2dPackedParamsBase", (WEIGHT, None, [1], [], [], BIAS), "one number"),
        ("quantized.Conv2dPackedParamsBase", ("2", [tensor(np.zeros(99)), WEIGHT], [None]), "few"),
        ("quantized.EmbeddingPackedParamsBase", (1, [BIAS], [], [2]), "4 or 8 bits"),
        ("rnn.CellParamsBase", ("quantized", [], [], [], []), "of the kind 'quantized'"),
        ("rnn.CellParamsBase", None, "weights of a cell"),
        ("xnnpack.LinearOpContext", (BIAS, None, None, None), "a weight and a bias"),
        ("xnnpack.LinearOpContext", (WEIGHT, None), "two limits"),
        ("xnnpack.Conv2dOpContext", (WEIGHT, None, [1, 1], [0, 0], [1, 1], 1), "two limits"),
        ("xnnpack.Conv2dOpContext", (WEIGHT, None, [1], [0], [1], 1, None, None), "settings"),
    ],
)
def test_damaged_states(name: str, state: object, said: str) -> None:
    """Nothing is taken on trust."""
    with pytest.raises(ArchiveError, match=f"{name} that is not stored as PyTorch does.*{said}"):
        packed_params(packed(name, state))
