"""Operators on Python values, and what asks tensors something."""
