"""The ToONNX pass: a staged interpreter over the IR, its values, control flow and state."""
