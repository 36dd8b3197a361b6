"""The commands of `ts2onnx`, one module each, and what they share."""
