"""Functions of single elements: arithmetic, comparisons, special functions, activations."""
