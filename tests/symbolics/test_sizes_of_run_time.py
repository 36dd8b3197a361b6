"""PyTorch's own samples of operators, scripted, with every dim dynamic and run at other sizes.

A sample becomes the text of a function: its tensors are arguments, its numbers stand in it. The
model is exported once and run at each size that PyTorch takes: all dims of one size made another,
1 and 0 among them, and single dims made 1, which may broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

from tests.symbolics.harness import check

# Operators where sizes decide over more than the size of the result.
OPERATORS = """
    addbmm addmm addr all amax argmin atleast_2d baddbmm broadcast_tensors bmm bucketize cat cdist
    chunk clamp column_stack corrcoef count_nonzero cov cumsum cumulative_trapezoid diag_embed
    diagonal diff dist dot expand_as flip fliplr gather gradient hstack index_add index_copy
    index_fill index_select kron linalg.cross linalg.vecdot logsumexp masked_fill matmul mean median
    mv nansum narrow norm outer prod put quantile renorm repeat repeat_interleave reshape_as roll
    rot90 scatter_add select select_scatter slice_scatter softmax split squeeze stack std
    sum_to_size tensor_split tensordot tile topk trace transpose trapezoid tril triu unflatten
    unfold unsqueeze var vdot view_as vstack
    nn.functional.adaptive_avg_pool2d nn.functional.adaptive_max_pool1d nn.functional.avg_pool2d
    nn.functional.bilinear nn.functional.conv1d nn.functional.conv2d
    nn.functional.conv_transpose1d nn.functional.cosine_similarity nn.functional.cross_entropy
    nn.functional.glu nn.functional.group_norm nn.functional.linear
    nn.functional.local_response_norm nn.functional.max_pool2d nn.functional.mse_loss
    nn.functional.nll_loss nn.functional.normalize nn.functional.pairwise_distance
    nn.functional.pixel_shuffle nn.functional.prelu nn.functional.scaled_dot_product_attention
    nn.functional.unfold
""".split()  # noqa: SIM905
DATABASE = {op.name: op for op in reversed(op_db) if not op.variant_test_name}
MOST_CALLS = 6


def text(value: Any, tensors: list[torch.Tensor]) -> str:
    """A value as code; tensors get names."""
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return f"x{len(tensors) - 1}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(text(v, tensors) for v in value)}]"
    return str(value) if isinstance(value, torch.dtype) else repr(value)


def function_of(name: str, sample: Any) -> tuple[Any, list[torch.Tensor]]:
    """The sample as a scripted function, and its tensors."""
    tensors: list[torch.Tensor] = []
    first, *rest = [text(v, tensors) for v in (sample.input, *sample.args)]
    rest += [f"{key}={text(value, tensors)}" for key, value in sample.kwargs.items()]
    everything = ", ".join([first, *rest])
    method = not hasattr(torch, name) and "." not in name
    call = f"{first}.{name}({', '.join(rest)})" if method else f"torch.{name}({everything})"
    parameters = ", ".join(f"x{i}: Tensor" for i in range(len(tensors)))
    unit = torch.jit.CompilationUnit(f"def f({parameters}):\n    return {call}\n")
    return unit.f, [t.detach().clone() for t in tensors]


def resized(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Another size, the elements cut or repeated; repeated floats a little smaller."""
    for dim, (old, new) in enumerate(zip(tensor.shape, shape, strict=True)):
        if new == old:
            continue
        if old == 0:
            return torch.ones(tuple(shape), dtype=tensor.dtype)
        tensor = tensor.index_select(dim, torch.arange(new) % old)
        if tensor.is_floating_point() and new > old:
            factors = torch.linspace(1.0, 0.9, new)
            tensor = tensor * factors.reshape(-1, *[1] * (tensor.dim() - dim - 1))
    return tensor


def other_shapes(tensors: Sequence[torch.Tensor]) -> Iterator[list[tuple[int, ...]]]:
    """All dims of one size as another size, then single dims as 1."""
    shapes = [tuple(t.shape) for t in tensors]
    for size in sorted({n for shape in shapes for n in shape}):
        for new in (size + 1, 1, 0):
            if new != size:
                yield [tuple(new if n == size else n for n in shape) for shape in shapes]
    for i, shape in enumerate(shapes):
        for dim, size in enumerate(shape):
            if size != 1:
                yield [*shapes[:i], (*shape[:dim], 1, *shape[dim + 1 :]), *shapes[i + 1 :]]


def calls_of(function: Any, tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """The inputs of other sizes that PyTorch takes."""
    for shapes in other_shapes(tensors):
        inputs = [resized(t, shape) for t, shape in zip(tensors, shapes, strict=True)]
        try:
            function(*[t.clone() for t in inputs])
        except (RuntimeError, IndexError):
            continue
        yield inputs


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.filterwarnings("ignore")
def test_samples_of_other_sizes(name: str) -> None:
    """The first sample with a tensor of two dims, else the first of all."""
    torch.manual_seed(0)
    samples = list(islice(DATABASE[name].sample_inputs("cpu", torch.float32), 20))
    wide = [s for s in samples if getattr(s.input, "ndim", 2) >= 2]
    function, tensors = function_of(name, (wide or samples)[0])
    calls = list(islice(calls_of(function, tensors), MOST_CALLS))
    assert calls
    check(function, *tensors, mode="script", opsets=(20,), dynamic=True, calls=calls, rtol=1e-3)
