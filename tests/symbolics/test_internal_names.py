"""Operators that programs name below PyTorch's public functions give what these give.

`torch.fx.experimental.proxy_tensor.make_fx` and decompositions record them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check
from tests.symbolics.layers.test_device_layers import same

torch.manual_seed(0)
ops = torch.ops.aten
X, SQUARE = torch.randn(4, 5), torch.randn(2, 4, 4)
POSITIVE = SQUARE @ SQUARE.mT + torch.eye(4)
SYMMETRIC = SQUARE + SQUARE.mT
BOOLS = torch.tensor([[True, False, True], [True, True, True]])

ROWS: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "_aminmax": (lambda x: (*ops._aminmax(x), *ops._aminmax(x, 1, True)), (X,)),
    "_is_all_true": (lambda b: (ops._is_all_true(b), ops._is_any_true(b)), (BOOLS,)),
    "_logcumsumexp": (lambda x: ops._logcumsumexp(x, 1), (X,)),
    "_pdist_forward": (lambda x: ops._pdist_forward(x, 3.0), (X,)),
    "linalg__powsum": (lambda x: (ops.linalg__powsum(x, 3, [0]), ops.linalg__powsum(x)), (X,)),
    "_cholesky_solve_helper": (
        lambda a, b: ops._cholesky_solve_helper(b, torch.linalg.cholesky(a), False),
        (POSITIVE, torch.randn(2, 4, 3)),
    ),
    "_linalg_slogdet": (lambda a: (*ops._linalg_slogdet(a)[:2], ops._linalg_det(a)[0]), (SQUARE,)),
    "_linalg_solve_ex": (
        lambda a, b: (*ops._linalg_solve_ex(a, b), ops._linalg_solve_ex(a, b.mT, left=False)[0]),
        (SQUARE, torch.randn(2, 4, 3)),
    ),
    "_linalg_svd": (lambda a: (ops._linalg_svd(a)[1], *ops._linalg_svd(a, False, False)), (X,)),
    "_linalg_eigh": (
        lambda a: (ops._linalg_eigh(a)[0], *ops._linalg_eigh(a, "U", False)), (SYMMETRIC,)
    ),
    "_weight_int8pack_mm": (
        lambda x, w, s: ops._weight_int8pack_mm(x, w, s),
        (torch.randn(3, 32), torch.randint(-9, 9, (16, 32), dtype=torch.int8), torch.rand(16)),
    ),
    "_trilinear": (
        lambda a, b, c: (
            ops._trilinear(a, b, c, [1, 3], [0], [1, 2], [2, 3]),
            ops._trilinear(a, b, c, [1, 3], [0], [1, 2], []),
        ),
        (torch.randn(2, 3), torch.randn(4, 3, 5), torch.randn(2, 5)),
    ),
    "_transform_bias_rescale_qkv": (
        lambda q, b: ops._transform_bias_rescale_qkv(q, b, 2),
        (torch.randn(2, 3, 24), torch.randn(24)),
    ),
    "_masked_softmax": (
        lambda x, m: (
            ops._masked_softmax(x, m, 3, 0), ops._masked_softmax(x, m[:2], 3, 1),
            ops._masked_softmax(x, m.expand(2, 2, 3, 3).contiguous()),
        ),
        (torch.randn(2, 2, 3, 3), torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 1]]).bool()),
    ),
    "rrelu_with_noise": (lambda x: ops.rrelu_with_noise(x, torch.empty_like(x)), (X,)),
    "rrelu_with_noise_functional": (lambda x: ops.rrelu_with_noise_functional(x, x * 2), (X,)),
    "_pin_memory": (lambda x: (ops._lazy_clone(x) + 1, ops.to_dense(x, torch.float64)), (X,)),
    "flatten_dense_tensors": (
        lambda x, y: ops.unflatten_dense_tensors(ops.flatten_dense_tensors([x, y]) * 2, [x, y]),
        (X, torch.randn(3)),
    ),
    "_chunk_cat": (
        lambda x, y: (ops._chunk_cat([x, y], 0, 3), ops._chunk_cat([x, x[:, :3]], 1, 2)),
        (X, torch.randn(3, 2, 2)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_results(name: str) -> None:
    function, inputs = ROWS[name]
    check(function, *inputs, opsets=[20], atol=1e-4)


def dtypes(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, bool, bool]:
    first = torch.zeros(2, dtype=torch.result_type(x, y))
    second = torch.zeros(2, dtype=torch.result_type(x, 1.5))
    third = torch.zeros(2, dtype=torch.promote_types(x.dtype, torch.int16))
    return first, second, third, torch.can_cast(x.dtype, y.dtype), torch.can_cast(y.dtype, x.dtype)


@pytest.mark.parametrize("left", [torch.uint8, torch.int32, torch.bool])
@pytest.mark.parametrize("right", [torch.float16, torch.float64, torch.int8])
def test_questions_about_dtypes(left: torch.dtype, right: torch.dtype) -> None:
    """Their answers are known while converting."""
    check(
        dtypes, torch.ones(2, dtype=left), torch.ones((), dtype=right), mode="script", opsets=[20]
    )


def helpers(x: Tensor, a: int, b: int) -> tuple[Tensor, int, int, Tensor]:
    size = torch.zeros(torch.ops.aten._infer_size(x.shape, [5, 4, 1]))
    known = torch.ops.aten.__round_to_zero_floordiv(-7, 2)
    return (
        torch.ops.aten._dim_arange(x, 1),
        torch.ops.aten.__round_to_zero_floordiv(a, b),
        known,
        size,
    )


def test_helpers_of_scripts() -> None:
    calls = [(torch.randn(4, 3), 7, -2), (torch.randn(4, 2), 6, 3)]
    check(helpers, X, -7, 2, mode="script", dynamic=True, calls=calls)


def in_place(x: Tensor) -> Tensor:
    x = torch.nn.init.zeros_(x.clone())
    torch.nn.init.constant_(x[1:], 2.0)
    torch.nn.init.uniform_(x[:, :1], 3.0, 3.0)
    return x + 1


def test_initialisation_in_a_script() -> None:
    check(in_place, X, mode="script")


def test_dropout_of_a_gpu(tmp_path: Path) -> None:
    def program(x: Tensor, mask: Tensor) -> Tensor:
        return torch.ops.aten._masked_scale(x, mask, 2.0)

    same(program, lambda x, mask: x * mask * 2, X, X > 0, folder=tmp_path)
