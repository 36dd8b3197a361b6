"""The operators: one module a family. Importing this package registers them all."""

from symbolics import (  # noqa: F401
    adaptive_pooling,
    convolution,
    copies,
    einsum,
    indexing,
    joining,
    matmul,
    normalization,
    packed_sequence,
    pooling,
    rearranging,
    recurrent,
    recurrent_cells,
    scatter,
    shape,
    splitting,
    view_scatter,
    view_writes,
    views,
)
