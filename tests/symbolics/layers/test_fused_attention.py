"""Attention under the names of a device's kernels gives the plain computation's results."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.symbolics.harness import check, refuses
from tests.symbolics.layers.test_device_layers import same

Q, K, V = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5, 8), torch.randn(2, 3, 5, 8)
MASK = torch.randn(4, 5)


@pytest.mark.parametrize("is_causal", [False, True])
def test_on_a_cpu(is_causal: bool) -> None:
    """The result, and the log of each softmax's sum."""
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    check(lambda q, k, v: fused(q, k, v, 0.0, is_causal), Q, K, V, dynamic=True)
    check(lambda q, k, v: fused(q, k, v, scale=0.3), Q, K, V, opsets=[20])


def test_with_a_mask_on_a_cpu() -> None:
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    check(lambda q, k, v, m: fused(q, k, v, attn_mask=m), Q, K, V, MASK, opsets=[20])


def flash(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True)
    return found[0], found[1]


def efficient(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, m, True)
    return found[0], found[1]


def cudnn(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.ops.aten._scaled_dot_product_cudnn_attention(q, k, v, m, True)
    return found[0], found[1]


def overrideable(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.ops.aten._scaled_dot_product_fused_attention_overrideable(q, k, v, m)
    return found[0], found[1]


def test_without_a_mask_on_a_gpu(tmp_path: Path) -> None:
    def reference(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.ones(4, 5).tril().logical_not()
        sums = (q @ k.mT / 8**0.5).masked_fill(hidden, -torch.inf).logsumexp(-1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True), sums

    same(flash, reference, Q, K, V, MASK, folder=tmp_path)


@pytest.mark.parametrize("program", [efficient, cudnn, overrideable])
def test_with_a_mask_on_a_gpu(program: object, tmp_path: Path) -> None:
    def reference(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        sums = (q @ k.mT / 8**0.5 + m).logsumexp(-1)
        return F.scaled_dot_product_attention(q, k, v, m), sums

    same(program, reference, Q, K, V, MASK, folder=tmp_path)


def test_the_mask_of_dropout_is_refused() -> None:
    @torch.jit.script
    def program(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, False, True)[8]

    refuses(program, Q, K, V, mode="script", match="return_debug_mask")


def test_the_choice_of_a_kernel_is_the_plain_one(tmp_path: Path) -> None:
    def program(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if torch._fused_sdp_choice(q, k, v) == 0:
            return F.scaled_dot_product_attention(q, k, v)
        return q

    same(program, F.scaled_dot_product_attention, Q, K, V, folder=tmp_path)
