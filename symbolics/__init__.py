"""The operators: one module a family. Importing this package registers them all."""

from symbolics import (  # noqa: F401
    einsum,
    matmul,
)
