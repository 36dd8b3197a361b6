"""Runs a model in onnxruntime and compares it with a reference."""
