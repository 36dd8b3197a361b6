"""Attention under the names of the kernels that a device computes it with.

A program that was traced below `scaled_dot_product_attention` names them. Beside the result they give
what only their backward pass uses: the log of each softmax's sum is computed here, random states are
placeholders, empty or 0.
"""

from __future__ import annotations

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.layers.attention import attention_scores, scaled_dot_product_attention
from symbolics.reductions.reduction import logsumexp
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import FLOAT, INT64

__all__: list[str] = []

# What `_fused_sdp_choice` answers for the plain computation.
MATH = 0

Fused = tuple[Tensor | Dim, ...]


def attended(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
) -> tuple[Tensor, Tensor]:
    """The result, and the log of the sum that each row's softmax divides by, in float32."""
    result = scaled_dot_product_attention(
        g, query, key, value, mask, dropout_p, is_causal, scale=scale
    )
    scores = attention_scores(g, query, key, mask, is_causal, scale)
    return result, logsumexp(g, g.cast(scores, FLOAT), [-1])


def with_random_state(
    g: Builder, query: Tensor, key: Tensor, results: tuple[Tensor, Tensor], debug: bool
) -> Fused:
    """The nine results of a fused kernel: offsets of packed sequences, lengths, random states."""
    if debug:
        raise Unsupported("return_debug_mask: the mask is that of a device's random numbers")
    empty, number = g.constant(np.zeros(0, np.int32)), g.constant(0, INT64)
    rows, columns = query.require_shape()[-2], key.require_shape()[-2]
    nothing = g.constant(np.zeros(0, np.float32), query.dtype)
    return (*results, empty, empty, rows, columns, number, number, nothing)


@symbolic(
    "aten::_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0., bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)"
)
def _scaled_dot_product_flash_attention_for_cpu(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention on a CPU."""
    return attended(g, query, key, value, attn_mask, dropout_p, is_causal, scale)


@symbolic(
    "aten::_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)"
)
def _scaled_dot_product_flash_attention(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> Fused:
    """Attention on a GPU, without a mask."""
    results = attended(g, query, key, value, None, dropout_p, is_causal, scale)
    return with_random_state(g, query, key, results, return_debug_mask)


@symbolic(
    "aten::_scaled_dot_product_fused_attention_overrideable(Tensor query, Tensor key, Tensor value, Tensor? attn_bias=None, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor philox_seed, Tensor philox_offset, Tensor debug_attn_mask)"
)
def _scaled_dot_product_fused_attention_overrideable(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> Fused:
    """Attention of a device that PyTorch does not know."""
    results = attended(g, query, key, value, attn_bias, dropout_p, is_causal, scale)
    return with_random_state(g, query, key, results, return_debug_mask)


@symbolic(
    "aten::_scaled_dot_product_cudnn_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor philox_seed, Tensor philox_offset, Tensor debug_attn_mask)"
)
def _scaled_dot_product_cudnn_attention(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> Fused:
    """Attention by cuDNN; the logarithms are there whether they are asked for or not."""
    results = attended(g, query, key, value, attn_bias, dropout_p, is_causal, scale)
    return with_random_state(g, query, key, results, return_debug_mask)


@symbolic(
    "aten::_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, *, float? scale=None) -> (Tensor output, Tensor log_sumexp, Tensor philox_seed, Tensor philox_offset)"
)
def _scaled_dot_product_efficient_attention(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Tensor, ...]:
    """Attention on a GPU; the logarithms are there whether they are asked for or not."""
    number = g.constant(0, INT64)
    results = attended(g, query, key, value, attn_bias, dropout_p, is_causal, scale)
    return (*results, number, number)


@symbolic(
    "aten::_fused_sdp_choice(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> int"
)
def _fused_sdp_choice(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> int:
    """Which kernel to take: the plain computation, since all give the same."""
    return MATH
