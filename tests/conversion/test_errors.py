"""Constructs without an ONNX counterpart: what, where, and all of them together."""

import pytest
import torch

from exporter import TensorSpec, UnsupportedError, export
from tests.archive.handmade import archive
from tests.conversion.harness import check, refuses

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])


def test_data_dependent_keys() -> None:
    def program(x):
        d: dict[int, list[torch.Tensor]] = {}
        for i in range(2):
            d[int(x[i, 0])] = [x[i]]
        return d[1]

    def result(x):
        d: dict[int, torch.Tensor] = {}
        d[int(x[0, 0])] = x[0]
        return d

    error = refuses(program, X, match="dict key that is only known at run time")
    assert "d[int(x[i, 0])] = [x[i]]" in str(error)
    assert "test_errors.py:" in str(error)
    assert "in   the model itself  (the function)" in str(error)
    error = refuses(result, X, match="dict key that is only known at run time")
    assert "d[int(x[0, 0])] = x[0]" in str(error)


def test_lists_of_lists_of_run_time() -> None:
    def program(x, n: int):
        out: list[list[torch.Tensor]] = []
        for _ in range(n):
            out.append([x, x])
        return out

    error = refuses(program, X, 3, match="a list of lists whose length depends on the data")
    assert "test_errors.py:" in str(error)

    def rows(x, n: int):
        found: list[list[list[float]]] = x[None, :n].tolist()
        return found[0][0]

    error = refuses(rows, X, 3, match="3 dims whose sizes are only known at run time")
    assert "x[None, :n].tolist()" in str(error)


def test_what_was_changed_under_another_name() -> None:
    """The error names the line that changed it; a result is read at no line of the program."""

    def tensor(x, twice: bool):
        xs = [x * 2, x + 1]
        if twice:
            xs.append(xs[0])
        xs[0].mul_(2)
        return xs

    def container(x, flag: bool):
        xs = [x]
        zs = xs if flag else [x * 2]
        zs.append(x)
        return torch.stack(xs)

    lines = str(refuses(tensor, X, True, match="may share memory")).splitlines()
    assert "in   the output output" in lines[1]
    assert lines[2].startswith("  changed at ")
    assert lines[2].endswith("xs[0].mul_(2)")
    lines = str(refuses(container, X, True, match="may be another one")).splitlines()
    assert "return torch.stack(xs)" in lines[2]
    assert lines[3].startswith("  changed at ")
    assert lines[3].endswith("zs.append(x)")


def test_a_dtype_that_depends_on_the_data() -> None:
    def program(x):
        if x.sum() > 0:
            y = x.to(torch.int64)
        else:
            y = x
        return y.sum()

    error = refuses(program, X, match="one dtype")
    assert "if x.sum() > 0:" in str(error)


def test_unsupported_operators_are_shown_together() -> None:
    def program(x):
        y = torch._standard_gamma_grad(x, x)
        z = torch.sspaddmm(x, x, x)
        return y + z

    error = refuses(program, X, match="no symbolic for aten::")
    text = str(error)
    assert "aten::_standard_gamma_grad(Tensor self" in text
    assert "also no symbolic for aten::sspaddmm" in text
    assert "y = torch._standard_gamma_grad(x, x)" in text
    assert "z = torch.sspaddmm(x, x, x)" in text


def test_operators_that_can_have_no_symbolic() -> None:
    def seeded(x):
        torch.manual_seed(3)
        return x + torch.rand(2)

    def generated(x):
        g = torch.Generator(device="cpu")
        g.manual_seed(7)
        return x + torch.rand(2, generator=g)

    def saved(x):
        torch.save(x, "f.pt")
        return x

    for program, reason in (
        (seeded, "no operator can seed"),
        (generated, "no operator can seed"),
        (saved, "can't read or write files"),
    ):
        text = str(refuses(program, X, match="no symbolic for aten::"))
        assert reason in text
        assert "register_symbolic" not in text


def test_a_place_without_a_line_of_the_user() -> None:
    """The archive's own line is shown, where it doesn't say what that came from."""

    def program(x):
        g = torch.Generator(device="cpu", seed=7)
        return x + torch.rand(2, generator=g)

    text = str(refuses(program, X, match="aten::Generator"))
    assert "of __torch__ in the archive    _0 = torch.Generator(" in text


def test_strings_of_run_time() -> None:
    def cut(x, n: int):
        return [ord(c) for c in "abc"[:n]]

    def joined(x, n: int):
        words: list[str] = []
        for _ in range(n):
            words.append("a")
        return len(",".join(words))

    error = refuses(cut, X, 3, match="ONNX has no operators on strings")
    assert "constants={...}" in str(error)
    assert '"abc"[:n]' in str(error)
    refuses(joined, X, 99, match="a list of strings whose length depends on the data")


def product(x, y):
    return x @ y


def linear(x, y):
    return torch.nn.functional.linear(x, y)


def convolution(x, y):
    return torch.nn.functional.conv2d(x, y)


def joined(x, y):
    return torch.cat([x, y])


def reshaped(x, y):
    return x.view(3, 5) + y


def total(x, y):
    return x + y


def ragged(x, y):
    return x + torch.tensor([[1, 2], [3]]).sum() + y


def constants(x, y):
    return x + (torch.ones(3) + torch.ones(2)).sum() + y


def crossed(x, y):
    return torch.linalg.cross(x, y)


def differences(x, y):
    return torch.diff(x) + y


def counts(x, y):
    return torch.bincount(x, y)


IMAGE, FILTERS = torch.ones(2, 4, 5, 5), torch.ones(2, 3, 2, 2)


@pytest.mark.parametrize(
    ("program", "x", "y", "match"),
    [
        (product, X, torch.ones(3, 2), "of sizes 2 and 3, which must be equal"),
        (linear, X, torch.ones(4, 3), "of sizes 2 and 3, which must be equal"),
        (linear, torch.ones(2, 2, 2), torch.ones(4, 3), "of sizes 2 and 3, which must be equal"),
        (convolution, IMAGE, FILTERS, "of sizes 4 and 3, which must be equal"),
        (joined, X, torch.ones(2, 3), "of sizes 2 and 3, which must be equal"),
        (reshaped, X, X, "of sizes 4 and 15, which must be equal"),
        (total, X, torch.ones(3), "tensors of sizes .* don't broadcast"),
        (ragged, X, X, "of sizes 3 and 4, which must be equal"),
        (constants, X, X, "tensors of sizes .* don't broadcast"),
        (product, X, X.double(), "of dtypes float and double, which must be one"),
        (linear, X.long(), X, "of dtypes int64 and float, which must be one"),
        (linear, X.half(), X, "of dtypes float16 and float, which must be one"),
        (convolution, IMAGE.double(), torch.ones(2, 4, 2, 2), "of dtypes double and float"),
        (crossed, X, X, "vectors of 2 and 2 elements, not 3"),
        (crossed, X[0, 0], X[0, 0], "dim 0 is out of range"),
        (differences, X[0, 0], X, "diff of a tensor without dims"),
        (counts, X.abs().long(), X, "bincount of a tensor with 2 dims, not 1"),
        (counts, X[0, 0].long(), X[0, 0], "bincount of a tensor with 0 dims, not 1"),
    ],
)
def test_what_does_not_fit_together(program, x, y, match) -> None:
    """An example or a spec of another size or dtype than the program takes: PyTorch refuses it."""
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        program(x, y)
    error = refuses(program, x, y, match=f"the program raises: .*{match}")
    assert "test_errors.py:" in str(error)


def test_a_branch_in_which_sizes_do_not_fit() -> None:
    """It is dropped, as one is that raises."""

    def program(x, y, wide: bool):
        if wide:
            z = x @ y
        else:
            z = x
        return z

    result = check(program, (X, torch.ones(3, 2), False))
    (precondition,) = result.report.preconditions
    assert precondition.startswith("MatMul of sizes 2 and 3, which must be equal")


def test_a_method_that_calls_itself() -> None:
    """PyTorch compiles no such program: the archive is damaged, or made to do harm."""
    code = (
        "class M(Module):\n"
        "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n"
        "    return (self).forward(torch.neg(x), )\n"
    )
    damaged = archive(**{"code/__torch__.py": code.encode()})
    with pytest.raises(UnsupportedError, match="a function that calls itself"):
        export(damaged, (TensorSpec("float32", (2,)),))
