"""Quantized tensors, and operators on them."""
