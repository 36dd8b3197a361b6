"""Operators whose numbers are inputs of the model: a row is a call, its inputs, more numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.symbolics.harness import check

torch.manual_seed(0)
X, Y = torch.randn(2, 4, 7), torch.randn(2, 4, 7)
CLASSES = torch.randint(0, 4, (2, 7))
IMAGE, KERNEL = torch.randn(2, 4, 5, 6), torch.randn(4, 4, 3, 3)
SQUARE = torch.randn(3, 3)
UNUSED = torch.tensor([[math.inf, 1.0], [2.0, math.nan]])

ROWS: list[tuple[str, tuple[Any, ...], list[tuple[Any, ...]]]] = [
    ("F.celu(x, a)", (X, 0.5), [(-0.5,), (2.0,)]),
    ("F.elu(x, a)", (X, 0.5), [(-0.5,), (2.0,)]),
    ("torch.norm(x, a, 1)", (X, 2.0), [(p,) for p in (1.0, 0.0, 3.5, math.inf, -math.inf)]),
    ("torch.linalg.vector_norm(x, a)", (X, 2), [(0,), (1,), (3,)]),
    ("F.normalize(x, a, 2)", (X, 2.0), [(1.0,), (math.inf,)]),
    ("torch.cdist(x, x + 1, a)", (X, 2.0), [(1.0,), (0.0,), (math.inf,), (1.5,)]),
    ("torch.var(x, 1, correction=a)", (X, 1), [(0,), (5,)]),
    ("torch.std(x, correction=a)", (X, 1.0), [(0.5,), (0.0,)]),
    ("F.pixel_shuffle(x, a)", (torch.randn(1, 36, 2, 3), 2), [(1,), (3,), (6,)]),
    ("F.pixel_unshuffle(x, a)", (torch.randn(1, 2, 6, 12), 2), [(1,), (3,), (6,)]),
    ("F.conv2d(x, y, None, 2, [a, b])", (IMAGE, KERNEL, 0, 1), [(1, 0), (2, 2)]),
    ("F.conv_transpose2d(x, y, None, 2, 1, [a, b])", (IMAGE, KERNEL, 0, 1), [(1, 0), (1, 1)]),
    ("F.conv_transpose2d(x, y, None, 2, 0, [a, b], 1, 3)", (IMAGE, KERNEL, 0, 1), [(2, 0), (2, 2)]),
    ("F.unfold(x, [a, b], padding=a - 1, stride=b)", (IMAGE, 2, 2), [(1, 3), (3, 1)]),
    ("F.smooth_l1_loss(x, y, beta=a)", (X, Y, 0.5), [(0.0,), (2.0,)]),
    ("F.huber_loss(x, y, delta=a)", (X, Y, 0.5), [(0.1,), (2.0,)]),
    ("F.cross_entropy(x, y, label_smoothing=a)", (X, CLASSES, 0.5), [(0.0,), (0.1,), (-0.1,)]),
    ("F.cross_entropy(x, y, label_smoothing=a)", (X, Y.softmax(1), 0.5), [(0.0,), (0.1,)]),
    ("F.scaled_dot_product_attention(x, y, x, scale=a)", (X, Y, 0.5), [(0.0,), (2.0,)]),
    ("x.sum_to_size([a, b])", (X, 4, 7), [(1, 7), (4, 1), (1, 1)]),
    ("torch.histc(x, 5, a, b)", (X, 0, 0), [(0, 1), (-1, 1)]),
    ("torch.unsqueeze_copy(x, a)", (X, 0), [(3,), (-1,), (-2,), (-4,)]),
    ("torch.softmax(x, a)", (torch.tensor(2.0), 0), [(-1,)]),
    ("torch.diag_embed(x, 1, a, b)", (SQUARE, -1, 1), [(0, 1), (0, -1), (2, 0)]),
    ("torch.movedim(x, a, b)", (X, 0, -1), [(1, 0), (-1, 1)]),
    ("torch.movedim(x, [a, 0], [0, b])", (X, 1, 2), [(1, -1), (2, 1)]),
    ("torch.gradient(x, dim=a)", (X, 1), [(0,), (-1,)]),
    ("torch.gradient(x, spacing=2.0, dim=a)", (X, 1), [(0,), (-1,)]),
    ("torch.linalg.vecdot(x, y, dim=a)", (X[0, 0], X, -1), [(2,)]),
    ("F.cosine_similarity(x, y, dim=a)", (X[:, 0, :1], X[0, :2], 0), [(-1,), (1,)]),
    ("torch.fft.fft2(x, [a, b])", (X, -1, 4), [(4, -1), (-1, -1), (2, 9)]),
    ("torch.fft.irfft2(x, [a, b])", (X, -1, 4), [(4, -1), (-1, -1), (2, 9)]),
    ("torch.fft.rfftn(x, [a, b])", (X, -1, 4), [(4, -1), (-1, -1), (2, 9)]),
    ("F.one_hot(x, a)", (torch.tensor([[1, 3, 0]]), -1), [(4,), (7,)]),
    ("torch.addmm(x, y, y, beta=a)", (SQUARE, SQUARE, 1), [(2,), (0,)]),
    # Times 0 what is not finite would stay.
    ("torch.addmm(x, y, y, beta=a)", (UNUSED, torch.randn(2, 2), 1.0), [(0.0,)]),
    ("torch.addr(x, y[0], y[1], beta=a)", (UNUSED, torch.randn(2, 2), 1), [(0,)]),
]


@pytest.mark.parametrize(("call", "inputs", "more"), ROWS)
def test_agrees_with_pytorch(
    call: str, inputs: tuple[Any, ...], more: list[tuple[Any, ...]]
) -> None:
    """All dims are dynamic."""
    tensors = [v for v in inputs if isinstance(v, torch.Tensor)]
    numbers = inputs[len(tensors) :]
    parameters = [f"{name}: Tensor" for name, _ in zip("xy", tensors, strict=False)]
    parameters += [f"{n}: {type(v).__name__}" for n, v in zip("ab", numbers, strict=False)]
    body = call.replace("F.", "torch.nn.functional.")
    function = torch.jit.CompilationUnit(f"def f({', '.join(parameters)}):\n    return {body}\n").f
    calls = [(*tensors, *values) for values in more]
    check(function, *inputs, mode="script", opsets=(20,), dynamic=True, calls=calls)
