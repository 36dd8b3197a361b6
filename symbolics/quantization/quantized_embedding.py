"""Tables that are quantized by rows, to 8 or 4 bits, and bags of their rows."""

from __future__ import annotations

from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.packed_weights import PackedEmbedding
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.values import Tensor
from symbolics.indexing.embedding import SUM, bags, rows_at
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import INT64, element_count

_PACKED = "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase"


@symbolic(f"quantized::embedding_bag_prepack(Tensor weight) -> {_PACKED} W_prepack")
def embedding_bag_prepack(g: Builder, weight: Tensor) -> PackedEmbedding:
    """The table as it is."""
    quantized.meaning_of(weight)
    return PackedEmbedding(weight)


@symbolic(f"quantized::embedding_bag_unpack({_PACKED} W_prepack) -> Tensor W_origin")
def embedding_bag_unpack(g: Builder, W_prepack: PackedEmbedding) -> Tensor:
    """The table again."""
    return W_prepack.weight


@symbolic(
    f"quantized::embedding_4bit({_PACKED} weight, Tensor indices, bool pruned_weights=False) -> Tensor"
)
@symbolic(
    f"quantized::embedding_byte({_PACKED} weight, Tensor indices, bool pruned_weights=False) -> Tensor"
)
def embedding_byte(
    g: Builder, weight: PackedEmbedding, indices: Tensor, pruned_weights: bool = False
) -> Tensor:
    """Rows of the table, as floats."""
    if pruned_weights:
        raise Unsupported("a quantized embedding with pruned weights")
    return rows_at(g, weight.weight, indices)


@symbolic(
    f"quantized::embedding_bag_4bit({_PACKED} weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor"
)
@symbolic(
    f"quantized::embedding_bag_byte({_PACKED} weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor"
)
def embedding_bag_byte(
    g: Builder,
    weight: PackedEmbedding,
    indices: Tensor,
    offsets: Tensor | None = None,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    pruned_weights: bool = False,
    per_sample_weights: Tensor | None = None,
    compressed_indices_mapping: Tensor | None = None,
    include_last_offset: bool = False,
) -> Tensor:
    """Sums of rows: PyTorch does not look at the mode. The rows of a matrix of indices are bags."""
    if pruned_weights or compressed_indices_mapping is not None:
        raise Unsupported("a quantized embedding_bag with pruned weights")
    if indices.require_rank() == 2:
        if offsets is not None or include_last_offset:
            # With `include_last_offset` PyTorch forgets the last row, or refuses.
            raise Unsupported("quantized::embedding_bag of a matrix of indices, with offsets")
        count, length = indices.require_shape()
        offsets = g.Mul(consecutive(g, count), g.constant(length, INT64))
        indices = g.reshape(indices, [element_count(g, indices)])
        if per_sample_weights is not None:
            per_sample_weights = g.reshape(
                per_sample_weights, [element_count(g, per_sample_weights)]
            )
    if offsets is None:
        raise Unsupported("quantized::embedding_bag without offsets")
    return bags(
        g, weight.weight, indices, offsets, SUM, per_sample_weights, include_last_offset, None
    )[0]
