"""Weights that PyTorch holds packed for its quantized and mobile kernels: what is stored of them.

An object of a C++ class is stored as what its `__getstate__` returns. For the packed weights that
is, whatever engine they were packed for, the plain weight and bias, with the settings of a
convolution encoded in numbers. The formats are those that PyTorch itself still reads:

    quantized.LinearPackedParamsBase   (weight, bias)
    quantized.Conv{2,3}dPackedParamsBase
        version 1   (weight, bias, strides, paddings, dilations, groups): tensors of one number each
        version 2   ("2", [settings, weight], [bias])
        version 3   (3, settings, [None, weight, bias])
    quantized.EmbeddingPackedParamsBase   (version, [weight], [], [bits])
    rnn.CellParamsBase                    (kind, tensors, numbers, flags, packed weights)
    xnnpack.LinearOpContext               (weight, bias, lower limit, upper limit)
    xnnpack.Conv2dOpContext               (weight, bias, strides, paddings, dilations, groups,
                                           lower limit, upper limit)
    xnnpack.TransposeConv2dOpContext      (weight, bias, strides, paddings, output paddings,
                                           dilations, groups, lower limit, upper limit)

The settings are: number of dims, strides, paddings, dilations, output paddings, groups, and whether
the convolution is transposed. The limits are those of a clamp, such as a ReLU, that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from exporter.archive.values import ScriptObject, TensorData
from exporter.errors import ArchiveError

__all__ = [
    "CellParams",
    "ClampedParams",
    "ConvParams",
    "EmbeddingParams",
    "LinearParams",
    "PackedParams",
    "packed_params",
]

_CLASSES = "__torch__.torch.classes."


@dataclass(frozen=True, eq=False)
class LinearParams:
    """A weight [out, in], quantized or a float, and a bias."""

    weight: TensorData
    bias: TensorData | None


@dataclass(frozen=True, eq=False)
class ConvParams:
    """A weight in the layout of PyTorch's `conv*d` or `conv_transpose*d`, and a bias.

    Quantized one-dimensional convolutions are stored as two-dimensional ones, of height 1.
    """

    weight: TensorData
    bias: TensorData | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool


@dataclass(frozen=True, eq=False)
class EmbeddingParams:
    """A table with a scale and a float zero point for each row, of 4 or 8 bits."""

    weight: TensorData


@dataclass(frozen=True, eq=False)
class CellParams:
    """The weights of one direction of one recurrent layer.

    `reduce_range` says that inputs are quantized to 7 bits; it is False for float16 weights.
    """

    input: LinearParams
    hidden: LinearParams
    reduce_range: bool


@dataclass(frozen=True, eq=False)
class ClampedParams:
    """A float layer with the limits of its results; None is no limit."""

    layer: LinearParams | ConvParams
    minimum: float | None
    maximum: float | None


PackedParams: TypeAlias = LinearParams | ConvParams | EmbeddingParams | CellParams | ClampedParams


def packed_params(data: ScriptObject) -> PackedParams | None:
    """What an object of a C++ class holds, None if it is no packed weight.

    Raises `ArchiveError` for a state that is not as PyTorch writes it.
    """
    name = data.type_name.removeprefix(_CLASSES)
    try:
        match name:
            case "quantized.LinearPackedParamsBase":
                return _linear(data.state)
            case "quantized.Conv2dPackedParamsBase":
                return _conv(data.state, 2)
            case "quantized.Conv3dPackedParamsBase":
                return _conv(data.state, 3)
            case "quantized.EmbeddingPackedParamsBase":
                return _embedding(data.state)
            case "rnn.CellParamsBase":
                return _cell(data.state)
            case "xnnpack.LinearOpContext":
                return _clamped_linear(data.state)
            case "xnnpack.Conv2dOpContext":
                return _clamped_conv(data.state)
            case "xnnpack.TransposeConv2dOpContext":
                return _clamped_conv_transpose(data.state)
    except ValueError as error:
        raise ArchiveError(
            f"data.pkl has a {name} that is not stored as PyTorch does ({error})"
        ) from None
    return None


def _linear(state: object) -> LinearParams:
    match state:
        case (TensorData() as weight, (TensorData() | None) as bias) if len(weight.shape) == 2:
            return LinearParams(weight, bias)
    raise ValueError("a weight and a bias are wanted")


def _conv(state: object, dims: int) -> ConvParams:
    match state:
        case (
            "2",
            [TensorData() as packed, TensorData() as weight],
            [(TensorData() | None) as bias],
        ):
            return _settings(_numbers(packed), weight, bias, dims)
        case (3, [*settings], [_, TensorData() as weight, (TensorData() | None) as bias]):
            return _settings(settings, weight, bias, dims)
        case (TensorData() as weight, (TensorData() | None) as bias, *rest):
            return _version_1(weight, bias, rest, dims)
    raise ValueError("its version is none of 1, 2 and 3")


def _version_1(
    weight: TensorData, bias: TensorData | None, rest: Sequence[object], dims: int
) -> ConvParams:
    match rest:
        case [[*strides], [*paddings], [*dilations], TensorData() as groups]:
            lists = [_singles(numbers) for numbers in (strides, paddings, dilations)]
            flat = [n for numbers in lists for n in numbers]
            settings = [dims, *flat, *[0] * dims, *_numbers(groups), 0]
            return _settings(settings, weight, bias, dims)
    raise ValueError("strides, paddings, dilations and groups are wanted")


def _settings(
    settings: Sequence[object], weight: TensorData, bias: TensorData | None, dims: int
) -> ConvParams:
    """The settings by their places; see the module's docstring."""
    numbers = [n for n in settings if isinstance(n, int)]
    if len(numbers) != len(settings) or len(numbers) != 4 * dims + 3 or numbers[0] != dims:
        raise ValueError(f"the settings of a {dims}-d convolution are wanted")
    if len(weight.shape) != dims + 2:
        raise ValueError(f"a weight of {dims + 2} dims is wanted")
    stride, padding, dilation, output_padding = (
        tuple(numbers[1 + i * dims : 1 + (i + 1) * dims]) for i in range(4)
    )
    groups, flags = numbers[-2:]
    if flags not in (0, 1) or groups < 1:
        raise ValueError("unknown flags")
    return ConvParams(weight, bias, stride, padding, output_padding, dilation, groups, flags == 1)


def _embedding(state: object) -> EmbeddingParams:
    match state:
        case (1, [TensorData() as weight], [], [4 | 8]) if len(weight.shape) == 2:
            return EmbeddingParams(weight)
    raise ValueError("a table of 4 or 8 bits is wanted")


def _cell(state: object) -> CellParams:
    match state:
        case (
            "quantized_dynamic",
            [*_],
            [],
            [int(reduce_range)],
            [ScriptObject() as input_weight, ScriptObject() as hidden_weight],
        ):
            return CellParams(
                _linear(input_weight.state), _linear(hidden_weight.state), bool(reduce_range)
            )
        case (
            "quantized_fp16",
            [],
            [],
            [],
            [ScriptObject() as input_weight, ScriptObject() as hidden_weight],
        ):
            return CellParams(_linear(input_weight.state), _linear(hidden_weight.state), False)
        case (str(kind), *_):
            raise ValueError(f"of the kind {kind!r}")
    raise ValueError("the weights of a cell are wanted")


def _clamped_linear(state: object) -> ClampedParams:
    match state:
        case (weight, bias, (int() | float() | None) as low, (int() | float() | None) as high):
            return ClampedParams(_linear((weight, bias)), low, high)
    raise ValueError("a weight, a bias and two limits are wanted")


def _clamped_conv(state: object) -> ClampedParams:
    match state:
        case (weight, bias, strides, paddings, dilations, groups, low, high):
            rest = (weight, bias, strides, paddings, [0, 0], dilations, groups, low, high)
            return _clamped(rest, transposed=False)
    raise ValueError("a weight, a bias, the settings of a convolution and two limits are wanted")


def _clamped_conv_transpose(state: object) -> ClampedParams:
    return _clamped(state, transposed=True)


def _clamped(state: object, *, transposed: bool) -> ClampedParams:
    match state:
        case (
            TensorData() as weight,
            (TensorData() | None) as bias,
            [*strides],
            [*paddings],
            [*output_paddings],
            [*dilations],
            int(groups),
            (int() | float() | None) as low,
            (int() | float() | None) as high,
        ):
            lists = (strides, paddings, dilations, output_paddings)
            settings = [2, *(n for numbers in lists for n in numbers), groups, int(transposed)]
            return ClampedParams(_settings(settings, weight, bias, 2), low, high)
    raise ValueError("a weight, a bias, the settings of a convolution and two limits are wanted")


def _numbers(data: TensorData) -> list[int]:
    """The integers of a small tensor."""
    if data.size > 64:
        raise ValueError("a few numbers are wanted")
    return [int(n) for n in data.numpy().reshape(-1).tolist()]


def _singles(values: Sequence[object]) -> list[int]:
    """The numbers of tensors with one element each."""
    found = [n for v in values if isinstance(v, TensorData) for n in _numbers(v)]
    if len(found) != len(values):
        raise ValueError("tensors of one number are wanted")
    return found
