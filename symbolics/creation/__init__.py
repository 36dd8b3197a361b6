"""Tensors from nothing: filled ones, grids, random ones."""
