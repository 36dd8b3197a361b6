"""A small stack of `nn.TransformerEncoderLayer`, as PyTorch ships it."""

from __future__ import annotations

from torch import nn

from models.sample import Sample, normal, seeded


def transformer_encoder(width: int = 32, layers: int = 2) -> Sample:
    """Build layers with four heads, with two batch sizes and sequence lengths."""
    with seeded():
        layer = nn.TransformerEncoderLayer(
            d_model=width, nhead=4, dim_feedforward=2 * width, activation="gelu", batch_first=True
        )
        # Nested tensors serve padding masks only, and this model has none.
        encoder = nn.TransformerEncoder(layer, num_layers=layers, enable_nested_tensor=False)
    return Sample(encoder, [(normal(1, 2, 7, width),), (normal(2, 3, 11, width),)])
