"""Convolutions agree with PyTorch: paddings, groups, dilations, integers, no batch dim."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check

torch.manual_seed(0)
rand = torch.randn
IMAGE, WEIGHT, BIAS = rand(2, 4, 9, 10), rand(6, 2, 3, 2), rand(6)


def weight_bound(function: Callable[..., torch.Tensor], *rest: object, **settings: object):
    """The convolution as a function of its input alone."""
    return lambda x: function(x, *rest, **settings)


CASES = {
    "plain": (F.conv2d, IMAGE, rand(3, 4, 3, 3), None),
    "all settings": (F.conv2d, IMAGE, WEIGHT, BIAS, (2, 1), (1, 0), (1, 2), 2),
    "same, uneven": (F.conv2d, IMAGE, WEIGHT, BIAS, 1, "same", (1, 3), 2),
    "valid": (F.conv2d, IMAGE, WEIGHT, BIAS, 2, "valid", 1, 2),
    "no batch": (F.conv2d, IMAGE[0], WEIGHT, BIAS, 1, 1, 1, 2),
    "1d": (F.conv1d, rand(2, 4, 11), rand(5, 4, 3), rand(5), 2, 1),
    "1d same": (F.conv1d, rand(4, 11), rand(5, 4, 4), None, 1, "same"),
    "3d": (F.conv3d, rand(1, 2, 5, 6, 7), rand(3, 2, 2, 3, 1), rand(3), 1, (0, 1, 0)),
    "float64": (F.conv2d, IMAGE.double(), WEIGHT.double(), None, 1, 1, 1, 2),
    "float16": (F.conv2d, IMAGE.half(), WEIGHT.half(), None, 1, 1, 1, 2),
    "transposed": (F.conv_transpose2d, IMAGE, rand(4, 3, 3, 2), rand(6), 2, 1, 1, 2, (2, 2)),
    "transposed 1d, no batch": (F.conv_transpose1d, rand(4, 7), rand(4, 3, 3), None, 3, 1),
    "transposed 3d": (F.conv_transpose3d, rand(1, 2, 3, 4, 5), rand(2, 2, 2, 2, 2), rand(2), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_pytorch(name: str) -> None:
    """Known sizes and sizes of run time."""
    function, x, *rest = CASES[name]
    bound = weight_bound(function, *rest)
    check(bound, x)
    check(bound, x, opsets=(20,), dynamic=True, calls=[(torch.cat([x, x], dim=-1),)])


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation"),
    [((3, 2), (1, 2), (2, 3), 4), ((2, 2), (0, 0), (2, 0), 3), (1, 2, 0, 1)],
)
def test_output_padding_up_to_the_dilation(
    stride: object, padding: object, output_padding: object, dilation: int
) -> None:
    """onnxruntime takes less than the stride alone; what is never reached holds the bias."""
    weight, bias = rand(4, 2, 4, 3), rand(2)
    function = partial(
        F.conv_transpose2d,
        weight=weight,
        bias=bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )
    check(lambda x: function(x), rand(2, 4, 4, 5), opsets=(20,))


@pytest.mark.parametrize("transposed", [False, True])
def test_integers_stay_exact(transposed: bool) -> None:
    """Beyond what a float could hold."""
    x = torch.randint(-9, 9, (2, 4, 6, 5)) * 2**40
    if transposed:
        weight = torch.randint(-9, 9, (4, 3, 3, 2))
        check(lambda x: F.conv_transpose2d(x, weight, None, (2, 3), 1, 1, 2, 2), x, opsets=(20,))
    else:
        weight = torch.randint(-9, 9, (6, 2, 3, 2))
        check(lambda x: F.conv2d(x, weight, None, 2, 1, (1, 2), 2), x, opsets=(20,))


def test_weights_of_run_time() -> None:
    """The weight may be an input."""
    check(lambda x, w: F.conv2d(x, w), IMAGE, rand(3, 4, 3, 3), opsets=(13,))


def test_time_batch_channels() -> None:
    """`conv_tbc` has its dims in another order."""
    weight, bias = rand(3, 4, 5), rand(5)
    check(lambda x: torch.conv_tbc(x, weight, bias, 1), rand(7, 2, 4), opsets=(20,))


def grouped(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A kernel of its own for each image, as generators with styles have it."""
    batch, channels, height, width = x.shape
    images = x.reshape(1, batch * channels, height, width)
    kernels = w.reshape(batch * w.size(1), channels, 3, 2)
    y = F.conv2d(images, kernels, None, [2, 1], [1, 0], [1, 2], batch)
    backwards = w.transpose(1, 2).reshape(batch * channels, w.size(1), 3, 2)
    z = F.conv_transpose2d(images, backwards, None, [2, 1], [1, 0], [1, 0], batch)
    return y.reshape(batch, w.size(1), y.size(2), -1), z


def depthwise(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """One kernel for all channels, however many there are."""
    return F.conv1d(x, kernel.repeat(x.size(1), 1, 1), padding=1, groups=x.size(1))


@pytest.mark.parametrize("opset", [13, 20])
def test_groups_of_run_time(opset: int) -> None:
    """ONNX has them as an attribute."""
    others = [(rand(1, 2, 7, 4), rand(1, 3, 2, 3, 2)), (rand(2, 2, 5, 6), rand(2, 1, 2, 3, 2))]
    check(
        grouped,
        rand(3, 2, 4, 5),
        rand(3, 4, 2, 3, 2),
        mode="script",
        opsets=(opset,),
        dynamic=True,
        calls=others,
    )
    check(
        depthwise,
        rand(2, 3, 8),
        rand(1, 1, 3),
        mode="script",
        opsets=(opset,),
        dynamic=True,
        calls=[(rand(1, 5, 6), rand(1, 1, 3))],
    )
