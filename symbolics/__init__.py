"""The operators: one module a family. Importing this package registers them all."""

from symbolics import prims  # noqa: F401
from symbolics.creation import creation, grids, random  # noqa: F401
from symbolics.differentiation import autograd, backward, backward_layers  # noqa: F401
from symbolics.elementwise import (  # noqa: F401
    activation,
    arithmetic,
    bessel,
    clamping,
    comparison,
    complex_functions,
    complex_numbers,
    gamma,
    orthogonal,
    pointwise,
    special,
)
from symbolics.images import grid_sample, upsampling, vision  # noqa: F401
from symbolics.indexing import (  # noqa: F401
    embedding,
    index_put,
    indexing,
    scatter,
)
from symbolics.layers import (  # noqa: F401
    adaptive_pooling,
    attention,
    class_losses,
    convolution,
    ctc,
    dropout,
    fractional_pooling,
    losses,
    normalization,
    packed_sequence,
    padding,
    pooling,
    recurrent,
    recurrent_cells,
    unfolding,
)
from symbolics.linear_algebra import (  # noqa: F401
    decompositions,
    einsum,
    linalg,
    matmul,
    spectral,
    triangular,
)
from symbolics.quantization import (  # noqa: F401
    fake_quantization,
    quantization,
    quantized_arithmetic,
    quantized_convolution,
    quantized_embedding,
    quantized_functions,
    quantized_linear,
    quantized_recurrent,
    quantized_tensors,
)
from symbolics.reductions import (  # noqa: F401
    cumulative,
    distances,
    gradients,
    histograms,
    norms,
    reduction,
    searching,
    sorting,
    statistics,
    uniqueness,
)
from symbolics.signals import (  # noqa: F401
    fourier,
    frequencies,
    spectrogram,
    window_functions,
)
from symbolics.views import (  # noqa: F401
    conversion,
    copies,
    joining,
    rearranging,
    shape,
    splitting,
    view_scatter,
    view_writes,
    views,
)
