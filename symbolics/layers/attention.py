"""Attention, and the fused layers that traced transformers record in evaluation mode.

`nn.MultiheadAttention` and `nn.TransformerEncoder` have a fast path of their own: whole layers as
one operator, with sequences of different lengths as a nested tensor. ONNX has no nested tensors; one
stays padded here, and which of its elements are real is remembered beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.conditions import Flag
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, sym_max
from exporter.onnx_graph.values import SymBool, Tensor
from symbolics.elementwise.activation import gelu, safe_softmax
from symbolics.layers.normalization import layer_norm
from symbolics.layers.packed_sequence import remember, remembered
from symbolics.linear_algebra.matmul import linear
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import BOOL, FLOAT, INT64, D, is_bool
from symbolics.views.shape import mT

__all__ = ["attention_scores", "scaled_dot_product_attention"]

# ------------------------------------------------------------ scaled dot product


def scaled(g: Builder, query: Tensor, scale: float | None) -> Tensor:
    """The query times the scale, by default 1 / sqrt(its width)."""
    if scale is not None:
        return g.Mul(query, g.constant(scale, query.dtype))
    width = query.require_shape()[-1]
    if isinstance(width, SymInt):
        return g.Div(query, g.Sqrt(g.cast(g.constant(width, INT64), query.dtype)))
    return g.Mul(query, 1 / math.sqrt(width) if width else math.inf)


def causal_mask(g: Builder, rows: Dim, columns: Dim) -> Tensor:
    """True where a row may look: at columns up to its own number."""
    row = g.reshape(consecutive(g, rows), [rows, 1])
    return g.LessOrEqual(g.reshape(consecutive(g, columns), [1, columns]), row)


def masked(g: Builder, scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with -inf where a bool mask is False, or with a float mask added."""
    if is_bool(mask.dtype):
        return g.Where(mask, scores, g.constant(-math.inf, scores.dtype))
    return g.Add(scores, g.cast(mask, scores.dtype))


def hides_a_row(mask: Tensor) -> bool:
    """Whether the mask may leave nothing to a row, as far as can be told now."""
    if mask.array is None:
        return True
    array = mask.array
    seen = array if array.dtype == np.bool_ else array != -math.inf
    return not bool(seen.any(axis=-1).all()) if seen.ndim else True


def repeated_heads(g: Builder, x: Tensor, heads: Dim) -> Tensor:
    """[..., groups, length, width] with each group repeated, to `heads` in all."""
    *lead, groups, length, width = x.require_shape()
    if heads == groups:
        return x
    times = heads // sym_max(groups, 1)
    spread = g.Expand(
        g.reshape(x, [*lead, groups, 1, length, width]), [*lead, groups, times, length, width]
    )
    return g.reshape(spread, [*lead, groups * times, length, width])


def attention_scores(
    g: Builder,
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """query @ key.T * scale + mask."""
    scores = g.MatMul(scaled(g, query, scale), mT(g, key))
    if is_causal:
        rows, columns = query.require_shape()[-2], key.require_shape()[-2]
        scores = masked(g, scores, causal_mask(g, rows, columns))
    return scores if mask is None else masked(g, scores, mask)


def attention_weights(
    g: Builder,
    query: Tensor,
    key: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    """The softmax of the scores; a row with nothing to look at is all zero, not NaN."""
    scores = attention_scores(g, query, key, attn_mask, is_causal, scale)
    if attn_mask is not None and hides_a_row(attn_mask):
        return safe_softmax(g, scores, -1)
    return g.Softmax(scores, axis=-1)


@symbolic(
    "aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor"
)
def scaled_dot_product_attention(
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
) -> Tensor:
    """Attention of any number of leading dims, which broadcast.

    `enable_gqa` repeats the heads of key and value (dim -3) to those of the query. Dropout, random,
    is left to ONNX. Scores of bfloat16 are float32 in PyTorch's kernel, and here.
    """
    if query.dtype == D.BFLOAT16:
        query, key, value = (g.cast(t, FLOAT) for t in (query, key, value))
        result = scaled_dot_product_attention(
            g,
            query,
            key,
            value,
            attn_mask,
            dropout_p,
            is_causal,
            scale=scale,
            enable_gqa=enable_gqa,
        )
        return g.cast(result, D.BFLOAT16)
    if enable_gqa:
        heads = query.require_shape()[-3]
        key, value = repeated_heads(g, key, heads), repeated_heads(g, value, heads)
    weights = attention_weights(g, query, key, attn_mask, is_causal, scale)
    if dropout_p:
        weights = g.Dropout(weights, g.constant(float(dropout_p), FLOAT), g.constant(True, BOOL))
    return g.MatMul(weights, value)


@symbolic(
    "aten::_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None, bool enable_gqa=False) -> (Tensor, Tensor)"
)
def _scaled_dot_product_attention_math(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    dropout_mask: Tensor | None = None,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attention with its weights."""
    if dropout_p or dropout_mask is not None:
        raise Unsupported(f"dropout_p={dropout_p} with the attention weights as a result")
    if attn_mask is not None and is_bool(attn_mask.dtype) and hides_a_row(attn_mask):
        raise Unsupported("a bool mask here: PyTorch ignores it in rows that it hides as a whole")
    if enable_gqa:
        heads = query.require_shape()[-3]
        key, value = repeated_heads(g, key, heads), repeated_heads(g, value, heads)
    weights = attention_weights(g, query, key, attn_mask, is_causal, scale)
    return g.MatMul(weights, value), weights


# ------------------------------------------------------------ nested tensors, kept padded

# `nn.TransformerEncoder` asks whether the valid elements come first in their rows, and if so works
# on a nested tensor, whose end it fills up with zeros; if not, on all elements with a mask that
# hides the others as keys. Kept padded, both are the same but for what is filled up. So the program
# is converted as if they came first, and nothing is filled up at a run where they do not.


def nested(g: Builder, padded: Tensor, valid: Tensor, kept: Tensor) -> Tensor:
    """A new tensor that stands for the valid elements, [batch, time], of a padded one.

    The others are filled up in the end, except those that are `kept`.
    """
    result = g.Identity(padded)
    if result is padded:
        result = Tensor(padded.dtype, padded.shape, value=g.value(padded), scope=padded.scope)
    remember(g, "nested", (result,), valid)
    remember(g, "kept", (result,), kept)
    return result


@symbolic("aten::_nested_tensor_from_mask(Tensor t, Tensor mask, bool mask_check=True) -> Tensor")
def _nested_tensor_from_mask(
    g: Builder, t: Tensor, mask: Tensor, mask_check: bool = True
) -> Tensor:
    """The elements of [batch, time, width] where the mask is True; they come first in their row."""
    valid = g.cast(mask, BOOL)
    aligned = None if mask_check else remembered(g, "aligned", (t,))
    return nested(g, t, valid, valid if aligned is None else g.Or(valid, g.Not(aligned)))


@symbolic("aten::_nested_tensor_from_mask_left_aligned(Tensor t, Tensor mask) -> bool")
def _nested_tensor_from_mask_left_aligned(g: Builder, t: Tensor, mask: Tensor) -> SymBool:
    """Whether in each row of the mask no True follows a False; branches take it for granted."""
    counts = g.cast(g.cast(mask, BOOL), INT64)
    time = mask.require_shape()[1]
    first = g.reshape(g.ReduceSum(counts, axes=[1], keepdims=True), [mask.require_shape()[0], 1])
    aligned = g.Less(g.reshape(consecutive(g, time), [1, time]), first)
    same = g.cast(g.Equal(g.cast(aligned, INT64), counts), INT64)
    result = g.cast(g.ReduceMin(same, keepdims=False), BOOL)
    remember(g, "aligned", (t,), result)
    return SymBool(result, Flag(known=True))


def to_padded(
    g: Builder, self: Tensor, padding: float, output_size: Sequence[Dim] | None
) -> Tensor:
    """A nested tensor's elements, and the padding value elsewhere.

    Without an output size the time dim ends with the longest sequence.
    """
    valid, kept = (remembered(g, kind, (self,)) for kind in ("nested", "kept"))
    if valid is None or kept is None:
        raise Unsupported("to_padded_tensor of what is not known to be a nested tensor")
    batch, time, *rest = self.require_shape()
    mask = g.reshape(kept, [batch, time, *[1] * len(rest)])
    x = g.Where(mask, self, g.constant(padding, self.dtype))
    if output_size is None:
        lengths = g.ReduceSum(g.cast(valid, INT64), axes=[1], keepdims=False)
        longest = g.integer(g.ReduceMax(lengths, keepdims=False))
        return g.Slice(x, [0], [longest], [1])
    if list(output_size[:2]) != [batch, time]:
        raise Unsupported(f"to_padded_tensor with output_size={list(output_size)} of {self!r}")
    return x


@symbolic(
    "aten::to_padded_tensor(Tensor self, float padding, SymInt[]? output_size=None) -> Tensor"
)
def to_padded_tensor(
    g: Builder, self: Tensor, padding: float, output_size: Sequence[Dim] | None = None
) -> Tensor:
    """A nested tensor as a padded one."""
    return to_padded(g, self, padding, output_size)


@symbolic(
    "aten::nested_to_padded_tensor(Tensor self, float padding, int[]? output_size=None) -> Tensor"
)
def nested_to_padded_tensor(
    g: Builder, self: Tensor, padding: float, output_size: Sequence[Dim] | None = None
) -> Tensor:
    """A nested tensor as a padded one."""
    return to_padded(g, self, padding, output_size)


# ------------------------------------------------------------ fused layers

# What the masks of the fused layers range over: True (or any number but 0) hides an element.
ROWS_AND_COLUMNS, KEYS, EVERYTHING = 0, 1, 2


def fused_mask(g: Builder, mask: Tensor | None, mask_type: int | None) -> Tensor | None:
    """The mask of a fused layer as one that is True where to look, broadcast to [batch, heads, T, T]."""
    if mask is None:
        return None
    seen = g.Not(g.cast(mask, BOOL))
    shape = mask.require_shape()
    if mask_type == KEYS:
        return g.reshape(seen, [shape[0], 1, 1, shape[1]])
    if mask_type in (ROWS_AND_COLUMNS, EVERYTHING):
        return seen
    raise Unsupported(f"a fused attention layer with mask_type={mask_type}")


def split_heads(g: Builder, x: Tensor, heads: int) -> Tensor:
    """[batch, time, width] as [batch, heads, time, width / heads]."""
    batch, time, width = x.require_shape()
    return g.Transpose(g.reshape(x, [batch, time, heads, width // heads]), perm=[0, 2, 1, 3])


def projections(
    g: Builder,
    inputs: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor,
    width: int,
) -> list[Tensor]:
    """Query, key and value: one product where all are of one input, else one for each."""
    query, key, value = inputs
    if query is key and key is value:
        joined = linear(g, query, weight, bias)
        return list(g.Split(joined, [width] * 3, axis=-1, outputs=3))
    weights = g.Split(weight, [width] * 3, axis=0, outputs=3)
    biases = g.Split(bias, [width] * 3, axis=0, outputs=3)
    return [linear(g, x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]


def multi_head(
    g: Builder,
    inputs: Sequence[Tensor],
    embed_dim: int,
    heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    seen: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Attention by heads over [batch, time, width]: the result, and the weights of each head.

    A row with nothing to look at is NaN here, as in PyTorch's fused layer.
    """
    parts = projections(g, inputs, qkv_weight, qkv_bias, int(embed_dim))
    query, key, value = (split_heads(g, part, heads) for part in parts)
    weights = g.Softmax(attention_scores(g, query, key, seen), axis=-1)
    mixed = g.Transpose(g.MatMul(weights, value), perm=[0, 2, 1, 3])
    batch, time, _ = inputs[0].require_shape()
    return linear(g, g.reshape(mixed, [batch, time, embed_dim]), proj_weight, proj_bias), weights


@symbolic(
    "aten::_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)"
)
def _native_multi_head_attention(
    g: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_head: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    mask: Tensor | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """What `nn.MultiheadAttention` records in evaluation; without `need_weights` no second result."""
    result, weights = multi_head(
        g,
        [query, key, value],
        embed_dim,
        num_head,
        qkv_weight,
        qkv_bias,
        proj_weight,
        proj_bias,
        fused_mask(g, mask, mask_type),
    )
    if not need_weights:
        return result, None
    if average_attn_weights:
        weights = g.ReduceMean(weights, axes=[1], keepdims=False)
    return result, weights


@symbolic(
    "aten::_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor"
)
def _transformer_encoder_layer_fwd(
    g: Builder,
    src: Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Tensor,
    norm_bias_1: Tensor,
    norm_weight_2: Tensor,
    norm_bias_2: Tensor,
    ffn_weight_1: Tensor,
    ffn_bias_1: Tensor,
    ffn_weight_2: Tensor,
    ffn_bias_2: Tensor,
    mask: Tensor | None = None,
    mask_type: int | None = None,
) -> Tensor:
    """A whole encoder layer: attention and two linear layers, each with a skip and a layer norm.

    Of a nested input only the valid elements are keys; the result is nested as well.
    """
    valid, kept = (remembered(g, kind, (src,)) for kind in ("nested", "kept"))
    seen = fused_mask(g, mask, mask_type)
    if valid is not None:
        batch, time = valid.require_shape()
        own = g.reshape(valid, [batch, 1, 1, time])
        seen = own if seen is None else g.And(seen, own)

    def normalized(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return layer_norm(g, x, [embed_dim], weight, bias, eps)

    x = normalized(src, norm_weight_1, norm_bias_1) if norm_first else src
    attended, _ = multi_head(
        g, [x, x, x], embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, seen
    )
    x = g.Add(attended, src)
    if not norm_first:
        x = normalized(x, norm_weight_1, norm_bias_1)
    skipped = x
    if norm_first:
        x = normalized(x, norm_weight_2, norm_bias_2)
    x = linear(g, x, ffn_weight_1, ffn_bias_1)
    x = gelu(g, x) if use_gelu else g.Relu(x)
    x = g.Add(linear(g, x, ffn_weight_2, ffn_bias_2), skipped)
    if not norm_first:
        x = normalized(x, norm_weight_2, norm_bias_2)
    return x if valid is None or kept is None else nested(g, x, valid, kept)


@symbolic(
    "aten::_transform_bias_rescale_qkv(Tensor qkv, Tensor qkv_bias, int num_heads) -> (Tensor, Tensor, Tensor)"
)
def _transform_bias_rescale_qkv(
    g: Builder, qkv: Tensor, qkv_bias: Tensor, num_heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value side by side as three tensors, [batch, heads, length, width] each.

    The query is divided by the root of its width.
    """
    batch, length, total = qkv.require_shape()
    width = total // 3 // num_heads
    parts = g.reshape(g.Add(qkv, qkv_bias), [batch, length, 3, num_heads, width])
    parts = g.Transpose(parts, perm=[2, 0, 3, 1, 4])
    query, key, value = (g.Gather(parts, i, axis=0) for i in range(3))
    return scaled(g, query, None), key, value
