"""The model's inputs, outputs and state."""
