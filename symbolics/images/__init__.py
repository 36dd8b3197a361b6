"""Interpolation, sampling, and what detection needs."""
