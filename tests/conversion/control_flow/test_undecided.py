"""Flags and optional arguments of operators that only the run knows; flags known in branches."""

from typing import Optional

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from tests.conversion.harness import check, operators

X, W, B = torch.randn(2, 3), torch.randn(4, 3), torch.randn(4)


def test_an_optional_argument() -> None:
    def program(x: Tensor, w: Tensor, b: Tensor, biased: bool) -> Tensor:
        bias: Optional[Tensor] = None
        if biased:
            bias = b
        return F.linear(x, w, bias)

    check(program, (X, W, B, True), (X, W, B, False))


def test_flags() -> None:
    def program(x: Tensor, keep: bool, down: bool) -> tuple[Tensor, Tensor, Tensor]:
        values, places = x.sort(0, descending=down)
        return x.sum(0, keepdim=keep), values, places

    check(program, *[(X, a, b) for a in (True, False) for b in (True, False)])


def test_an_operator_that_writes() -> None:
    def program(x: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
        weight: Optional[Tensor] = None
        if unbiased:
            weight = x[0]
        y = x * 1
        y.sub_(F.layer_norm(x, [3], weight), alpha=2)
        y.masked_fill_(y > 0, unbiased)
        return y, y.var(0, unbiased=unbiased)

    check(program, (X, True), (X, False))


def test_a_flag_is_known_in_its_branches() -> None:
    """The inner questions leave no `If`, nor does what is absent on a path."""

    def program(x: Tensor, flag: bool) -> Tensor:
        found: Optional[Tensor] = None
        if flag:
            found = x
        if not flag:
            y = x - 1
            if flag:
                y = y.flatten()
        elif found is not None:
            y = found + 1
        else:
            y = x
        if flag and bool(x.sum() > 0):
            if flag:
                y = y * 2
        return y

    result = check(program, (X, True), (X.abs(), True), (X, False))
    names = [node.op_type for node in result.model.graph.all_nodes()]
    assert names.count("If") <= 4


def test_what_is_there_has_its_shape() -> None:
    """A mask of which a branch on its presence knows the rank."""

    def program(x: Tensor, mask: Tensor, masked: bool) -> Tensor:
        given: Optional[Tensor] = None
        if masked:
            given = mask
        if given is not None:
            given = given.unsqueeze(0)
        if given is not None:
            given = given.expand(2, -1, -1)
            x = x + given.permute(0, 2, 1)
        return x

    x, mask = torch.randn(2, 3, 4), torch.randn(4, 3)
    result = check(program, (x, mask, True), (x, mask, False))
    assert "If" in operators(result)


def test_a_rank_that_a_branch_decides() -> None:
    """Boxes of classes, [n, 3, 4], that stay [0, 12] where there are none; one image, and two."""

    def program(codes: Tensor, limits: list[int], sizes: list[int]) -> list[Tensor]:
        if codes.size(0) > 0:
            codes = codes.reshape([codes.size(0), -1, 4])
        results: list[Tensor] = []
        for boxes in codes.split(sizes):
            last = boxes.dim()
            xs = boxes[..., 0::2].clamp(0, limits[0])
            ys = boxes[..., 1::2].clamp(0, limits[1])
            clipped = torch.stack((xs, ys), dim=last).reshape(boxes.shape)
            results.append(clipped[:, 1:].reshape(-1, 4))
        return results

    codes = torch.randn(5, 12)
    check(
        program,
        *[(codes[: a + b], [1, 2], [a, b]) for a, b in ((2, 3), (0, 1), (0, 0))],
        dynamic=True,
    )
    check(
        program,
        *[(codes[:a], [1, 2], [a]) for a in (5, 1, 0)],
        dynamic=True,
    )


def test_a_rank_that_a_size_decides() -> None:
    """`x[i : i + 1]` has a row or none; a mask of two dims for the one of the rest would fail."""

    def program(x: Tensor, limit: float) -> Tensor:
        order = x[:, 0].argsort()
        kept: list[int] = []
        while order.numel() > 0:
            i = int(order[0])
            kept.append(i)
            rest = order[1:]
            near = (x[i : i + 1, None] - x[rest]).abs().sum(-1).squeeze(0)
            order = rest[near > limit]
        return torch.tensor(kept)

    calls = [(torch.randn(n, 2), limit) for n, limit in ((6, 1.0), (9, 2.0), (1, 1.0))]
    result = check(program, *calls, dynamic_axes={"x": {0: "n"}})
    (told,) = result.report.preconditions
    assert told.startswith("a mask of 2 dims for the 1 of a tensor (")
    assert "If" not in operators(result)


def test_a_rank_that_stays_open() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.squeeze(0) * 2
        return y.relu().sum(-1), y.transpose(-1, 0)

    calls = [(torch.randn(n, 3),) for n in (1, 2, 4)]
    check(program, *calls, dynamic_axes={"x": {0: "n"}})


def test_a_rank_that_one_size_decides_beside_ones() -> None:
    """A `squeeze` of all dims, as of [batch, 1, classes]: those that are 1 anyway decide nothing."""

    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.zeros([x.size(0), 2], dtype=torch.int64)
        chosen[:, 1] = x.squeeze().argmax(-1)
        return chosen, x.squeeze((2, 0, 1)).sum(-1)

    calls = [(torch.randn(n, 1, 1, 3),) for n in (1, 2, 4)]
    check(program, *calls, dynamic_axes={"x": {0: "n"}})


def test_writes_where_a_size_decides_the_rank() -> None:
    def program(x, n: int):
        x.squeeze_(-2)
        x *= n
        x[:] += 1
        x.mul_(x.sum())
        return x, x.sum(-1)

    calls = [(torch.rand(size, 4), 2) for size in (3, 1, 0)]
    check(program, *calls, dynamic=True, input_names=["x", "n"])


def test_reductions_of_empty_tensors_of_unknown_rank() -> None:
    def program(x):
        y = x.squeeze(0)
        return y.sum(-1), y.prod(-1), y.sum([-1], keepdim=True)

    check(program, *((torch.rand(size, 4),) for size in (3, 1, 0)), dynamic=True)


def test_a_write_of_what_a_branch_gives_other_dims() -> None:
    """What is written to keeps its dims; PyTorch fails where they would become more."""

    def program(x, y, n: int):
        if n > 2:
            x = torch.stack([x, x])
        y.mul_(x)
        y[:1].add_(x[0])
        return y.sort(0)[0], y.stride(0)

    check(program, (torch.rand(3), torch.rand(3), 1), (torch.rand(3), torch.rand(3), 2))


def test_a_number_of_dims_that_fails_is_not_the_one() -> None:
    """The branch that slices stays, though a 0-d tensor, of a size of 1, can't be sliced."""

    def program(x, flag: bool):
        if flag:
            y = x.squeeze(0)[1:] + 1
        else:
            y = x
        return y

    vectors = torch.arange(3.0), torch.arange(4.0)
    check(program, *[(x, flag) for x in vectors for flag in (True, False)], dynamic=True)


@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        ("F.conv1d(y, other)", [(2, 3, 5), (4, 3, 2)]),
        ("F.max_pool1d(y, 2) + other", [(2, 3, 4), (2, 3, 2)]),
        ("F.adaptive_avg_pool1d(y, 2) + other", [(2, 3, 4), (2, 3, 2)]),
        ("torch.cat([y, other], 1)", [(2, 3), (2, 2)]),
        ("torch.hstack([y, other])", [(2, 3), (2, 2)]),
        ("torch.block_diag([y, other.double()])", [(2, 3), (2, 2)]),
        ("torch.linalg.cross(y, other)", [(2, 3), (2, 3)]),
        ("torch.take_along_dim(y, other.long(), 0)", [(2, 3), (2, 3)]),
        ("torch.trace(y) + torch.diag(other)", [(3, 3), (2, 2)]),
        ("torch.diag(y) + other", [(3, 3), (3,)]),
        ("y.t() + other", [(2, 3), (3, 2)]),
        ("y.expand(2, 3) + other", [(2, 3), (2, 3)]),
        ("y.repeat(2, 3) + other", [(2, 3), (4, 9)]),
        ("torch.select_scatter(y, other, 0, 1)", [(2, 3), (3,)]),
        ("torch.slice_scatter(y, other, 0, 0, 2)", [(2, 3), (2, 3)]),
        ("torch.index_add(y, 0, torch.tensor([1, 0]), other)", [(2, 3), (2, 3)]),
        ("F.grid_sample(y, other, 'bicubic', 'zeros', False)", [(1, 2, 4, 4), (1, 3, 3, 2)]),
        ("torch.kthvalue(y, 2, 0)[0] + other", [(2, 3), (3,)]),
    ],
)
def test_what_an_operator_does_not_take_is_not_the_number_of_dims(
    call: str, shapes: list[tuple[int, ...]]
) -> None:
    """One of the two ways is an error of the program: the other one is taken."""
    program = torch.jit.CompilationUnit(f"""
def program(x: Tensor, other: Tensor, flag: bool):
    y = x if flag else x.unsqueeze(0)
    return {call}
""").program
    x, other = (torch.rand(shape) for shape in shapes)
    check(program, (x, other, True))


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize(
    "call",
    [
        "x.squeeze().split([1, 3])[1]",
        "x.squeeze().split_with_sizes([1, 3])[1]",
        "torch.einsum('i,i->', x.squeeze(), x.squeeze())",
        "torch.einsum('...i->i...', x.squeeze())",
        "torch.stack([x[0], x[0]]).squeeze(1).triu() + torch.stack([x[0], x[0]]).squeeze(1).tril(1)",
        "torch.stack([x[0], x[0]]).squeeze(1).fill_diagonal_(7)",
        "torch.pixel_shuffle(torch.stack([x, x, x, x]).squeeze(2), 2)",
    ],
)
def test_what_takes_no_tensor_without_its_dims(call: str, opset: int) -> None:
    """If the size were 1, `squeeze` left fewer dims than the operator takes, an error of the program."""
    program = torch.jit.CompilationUnit(f"def program(x: Tensor):\n    return {call}\n").program
    check(program, (torch.rand(1, 4),), dynamic_axes={"x": {1: "n"}}, opset_version=opset)


def test_loops_over_elements_of_a_tensor_of_unknown_rank() -> None:
    def program(x: Tensor, flag: bool) -> tuple[Tensor, Tensor]:
        y = x if flag else x.unsqueeze(0)
        return torch.igamma(y, y + 1), torch.special.zeta(y + 1, y)

    calls = [(torch.rand(n) + 0.5, flag) for n in (3, 1) for flag in (True, False)]
    check(program, *calls, dynamic=True)


def test_coordinates_where_the_rank_is_unknown() -> None:
    """A 0-d tensor has none; but it counts as a vector of one element for its powers."""

    def program(x: Tensor, flag: bool) -> tuple[Tensor, Tensor]:
        y = x if flag else x.unsqueeze(0)
        return y.nonzero(), torch.linalg.vander(y, N=2)

    check(program, *[(torch.tensor(v), flag) for v in (0.0, 2.0) for flag in (True, False)])
