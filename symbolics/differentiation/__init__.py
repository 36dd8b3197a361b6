"""Gradients in programs, and `*_backward` operators."""
