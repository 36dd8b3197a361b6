"""Where elements lie in memory decides whether `reshape`, `to` and `contiguous` copy."""

import pytest
import torch

from tests.conversion.harness import check, check_state, refuses

X = torch.arange(48.0).reshape(2, 3, 2, 4)
M = X[0, 0]

# Of y, made of x, a z is made that is written: y shows whether they share memory.
SHARED = {
    "channels last": ("x.clone()", "y.contiguous(memory_format=torch.channels_last)"),
    "channels last already": (
        "x.contiguous(memory_format=torch.channels_last)",
        "y.contiguous(memory_format=torch.channels_last)",
    ),
    "rows again": ("x.contiguous(memory_format=torch.channels_last)", "y.contiguous()"),
    "to channels last": ("x.clone()", "y.to(memory_format=torch.channels_last)"),
    "to what it is": ("x.clone()", "y.to(memory_format=torch.contiguous_format)"),
    "to a copy": ("x.clone()", "y.to(torch.float32, copy=True)"),
    "clone of channels last": ("x.clone(memory_format=torch.channels_last)", "y.flatten()"),
    "zeros of channels last": (
        "torch.zeros_like(x, memory_format=torch.channels_last)",
        "y.reshape(2, -1)",
    ),
    "planes of channels last": (
        "x.contiguous(memory_format=torch.channels_last)",
        "y[:, 1].reshape(-1)",
    ),
    "clone of another order": ("x.transpose(1, 2).clone()", "y.flatten()"),
    "conversion in another order": ("x.transpose(1, 2).double()", "y.flatten()"),
    "conversion of a part": ("x[:, ::2].double()", "y.flatten()"),
    "like another order": ("torch.ones_like(x.transpose(1, 2))", "y.flatten()"),
    "a pad of another order": (
        "torch.nn.functional.pad(x[0].transpose(0, 1), (1, 2))",
        "y.flatten()",
    ),
    "a pad of a permuted batch": (
        "torch.nn.functional.pad(x.transpose(1, 2), (1, 2))",
        "y.flatten()",
    ),
    "a pad of channels last": (
        "torch.nn.functional.pad(x.permute(0, 3, 1, 2), (1, 2))",
        "y.flatten()",
    ),
    "a pad of rows that are also channels last": (
        "torch.nn.functional.pad(x[:, :1, :1].permute(0, 3, 1, 2), (1, 2, 1, 0))",
        "y.flatten()",
    ),
    "a pad of a copy that is also channels last": (
        "torch.nn.functional.pad(x[:, :1, :1].permute(0, 3, 1, 2).clone(), (1, 2, 1, 0))",
        "y.flatten()",
    ),
    "a mirrored border of channels last": (
        "torch.nn.functional.pad(x.permute(0, 3, 1, 2), (1, 0, 0, 1), mode='reflect')",
        "y.flatten()",
    ),
    "a border from the other side of channels last": (
        "torch.nn.functional.pad(x.permute(0, 3, 1, 2), (1, 0, 0, 1), mode='circular')",
        "y.flatten()",
    ),
    "a pad that takes away": (
        "torch.nn.functional.pad(x.permute(3, 0, 1, 2), (0, 0, 0, 0, 0, -1))",
        "y.permute(1, 2, 3, 0).reshape(-1)",
    ),
    "a pad of nothing": (
        "torch.nn.functional.pad(x[0].transpose(0, 2), (0, 0))",
        "y.transpose(0, 2).flatten()",
    ),
    "a conversion of a part in another order": (
        "x.permute(3, 2, 0, 1)[:, :1].double()",
        "y.permute(2, 3, 1, 0).reshape(-1)",
    ),
    "a conversion of rows that repeat": (
        "x[:, :1, :1].expand(2, 3, 2, 4).double()",
        "y.flatten()",
    ),
    "a diagonal": ("x.diagonal(1, 1, 3)", "y.reshape(2, 6)"),
    "columns of a diagonal": ("x.diagonal()", "y[0].reshape(-1)"),
    "a diagonal of the last dims": ("torch.linalg.diagonal(x)", "y.reshape(2, 3, 2, 1)"),
    "windows that overlap": ("x.unfold(3, 2, 1)[:, :, :, 0]", "y.reshape(2, 3, 4)"),
    "windows side by side": ("x.unfold(3, 2, 2)", "y.reshape(-1)"),
    "a number in strides": ("x.as_strided((2, 3), (1, 4), 2)", "y.reshape(2, 3, 1)"),
    "columns in strides": ("x.as_strided((2, 3), (1, 4), 2)", "y.reshape(-1)"),
    "a half of columns": ("x[0].hsplit(2)[1]", "y.reshape(-1)"),
    "a half of rows": ("x[0].hsplit(2)[1]", "y.reshape(3, 2, 2)"),
    "real parts": ("torch.view_as_complex(x.reshape(2, 3, 4, 2)).real", "y.reshape(-1)"),
    "imaginary parts": (
        "torch.view_as_complex(x.reshape(2, 3, 4, 2)[:, ::2]).imag",
        "y.reshape(-1)",
    ),
    "pairs": (
        "torch.view_as_real(torch.view_as_complex(x.reshape(2, 3, 4, 2)))",
        "y.reshape(-1)",
    ),
    "unflattened columns": ("x.transpose(1, 3).unflatten(0, (1, 2))", "y.reshape(2, 4, 2, 3)"),
    "a column of its own": ("x[0, 0, :, 1]", "y.ravel()"),
    "a column of its own dims": ("x[0, 0, :, 1]", "y.reshape(-1)"),
    "rows of their own": ("x[1:]", "y.ravel()"),
    "columns that are rows": ("x.transpose(0, 3)", "y.ravel()"),
    "a clone of columns that repeat": (
        "x.transpose(1, 3)[:, :, :1].expand(2, 4, 5, 3).clone()",
        "y.permute(0, 3, 2, 1).reshape(-1)",
    ),
    "a clone in rows": (
        "x.transpose(1, 2).clone(memory_format=torch.contiguous_format)",
        "y.flatten()",
    ),
}


@pytest.mark.parametrize(("made", "taken"), SHARED.values(), ids=SHARED.keys())
def test_what_shares_memory(made: str, taken: str) -> None:
    unit = torch.jit.CompilationUnit(
        f"def program(x):\n    y = {made}\n    z = {taken}\n    z.add_(1)\n    return y, z\n"
    )
    check(unit.program, (X,))


def test_strided_view_of_a_pad() -> None:
    """Chunks that overlap, of a padded copy of heads that came last."""

    def program(x):
        y = torch.nn.functional.pad(x.transpose(1, 2).reshape(4, 3, 4), (0, 0, 1, 1), value=-1.0)
        return y.as_strided((4, 4, 2, 4), (20, 4, 4, 1))

    check(program, (X,))


def test_contiguous_in_a_memory_format() -> None:
    def program(x):
        y = x.contiguous(memory_format=torch.channels_last)
        first = y.is_contiguous(), y.is_contiguous(memory_format=torch.channels_last)
        return first, x.is_contiguous(memory_format=torch.channels_last), x[0].is_contiguous()

    check(program, (X,))


def test_columns_of_nonzero() -> None:
    """They lie one after the other: a row is not next to another."""

    def program(x):
        y = x.nonzero()
        columns = y.t().reshape(-1)
        columns[0] = 7
        return y, columns

    check(program, (M,))


@pytest.mark.parametrize(
    "made",
    [
        "x.nonzero()",
        "torch.einsum('ij->ji', x)",
        "torch.linalg.inv(x[:, :2])",
        "x[torch.tensor([[0, 1], [1, 0], [0, 0]]).t()]",
    ],
)
def test_of_an_unknown_order_a_copy_may_be_a_view(made: str) -> None:
    """Which shows when one of the two is written."""
    unit = torch.jit.CompilationUnit(
        f"def program(x):\n    y = {made}\n    z = y.flatten()\n    z.add_(1)\n    return y, z\n"
    )
    refuses(unit.program, M, match="strides that are not known")


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ("x[:, 0]", "y.reshape(y.size(0), 2, 2, 2)"),
        ("x[:, :, 0]", "y.flatten(2)"),
        ("x.transpose(0, 2)", "y.reshape(2, 3, -1, 2, 2)"),
        ("x.transpose(1, 3)", "y.reshape(x.size(0), 2, 2, 2, 3)"),
        ("x[:, :, 0, :x.size(0)]", "y.reshape_as(y)"),
        ("x[:, 1:, :, ::2]", "y.reshape(-1, 2, 2, 2)"),
    ],
)
def test_other_dims_beside_a_size_of_run_time(made: str, taken: str) -> None:
    """What stays as it is leaves the others to be told apart."""
    unit = torch.jit.CompilationUnit(
        f"def program(x):\n    y = {made}\n    z = {taken}\n    z.add_(1)\n    return y, z\n"
    )
    check(unit.program, *((X[:n],) for n in (2, 1, 0)), dynamic_axes={"x": {0: "n"}})


def test_whether_a_size_of_run_time_is_repeated() -> None:
    """If it is 4 already, `expand` repeats nothing and `contiguous` has nothing to do."""

    def program(x):
        y = x.expand(2, 4).contiguous()
        y[0] += 1
        return x, y

    refuses(program, M, match="strides that are not known", dynamic=True)
    check(program, (M,))
    check(program, (M[:, :1],))


def test_whether_a_tensor_of_unknown_order_is_contiguous() -> None:
    """Which no program is told; whether dims that are swapped leave it so depends on their sizes."""

    def unknown(x):
        return torch.einsum("ij->ji", x).is_contiguous()

    def swapped(x):
        return x.t().is_contiguous()

    refuses(unknown, M, match="whose place in memory is not known")
    refuses(swapped, M, match="whose place in memory is not known", dynamic=True)
    check(swapped, (M,))
    check(swapped, (M[:1],))


class Flattened(torch.nn.Module):
    """State that is written through a view, which `flatten` only takes of a contiguous tensor."""

    def __init__(self, rows: torch.Tensor, swap: bool = False) -> None:
        super().__init__()
        self.rows = torch.nn.Buffer(rows)
        self.swap = swap

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows = torch.cat([self.rows, x])
        flat = self.rows.flatten()
        flat.add_(1)
        return self.rows * 2


class Written(Flattened):
    """The rows of before are written; those of after may lie in another order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = self.rows.flatten()
        flat.add_(1)
        result = self.rows * 2
        self.rows += x[0]
        if self.swap:
            self.rows = self.rows.t()
        return result


def test_state_that_stays_contiguous() -> None:
    """State is contiguous in each call if it is in the archive and after each call."""
    rows = torch.arange(4.0).reshape(2, 2)
    x = torch.ones(1, 2)
    check_state(Flattened(rows), (x,), (x,), (x,))
    check_state(Written(rows), (x,), (x,), (x,))
    refuses(Written(rows.t()), x, match="may share memory")
    refuses(Written(rows, swap=True), x, match="may share memory")


def test_views_of_one_number() -> None:
    def program(x):
        y = x.movedim(0, -1).clone()
        y += 1
        x.moveaxis([0], [-1]).mul_(2)
        return y, x.transpose(0, -1).clone(), x.swapaxes(0, 0).flatten(), x.t().permute([])

    check(program, (torch.tensor(3.0),))
