"""Statements of random programs that write in place by unusual ways: dims, masks, strides, dtypes."""

from tests.conversion.random_statements import Statements

__all__ = ["Writes"]


class Writes(Statements):
    """Writes to parts of tensors, through views of views and through containers."""

    def on_dims(self) -> str:
        """Other dims in place, in branches and loops, too."""
        a = self.tensor()
        dim = self.dim(a)
        return self.rng.choice([
            f"{a}.unsqueeze_({self.dim(a, 1)})", f"{a}.squeeze_({dim})", f"{a}.transpose_({dim}, {self.dim(a)})", f"{a}.t_()",
            f"{a}.swapdims_({dim}, 0)", f"{a}.unsqueeze_(0).squeeze_(0)", f"{a}.transpose_({dim}, 0).add_(1)",
            f"{a}.resize_([{a}.numel()])", f"{a}.resize_([{a}.size({dim})])", f"{a}.squeeze_()",
        ])  # fmt: skip

    def on_mask(self) -> str:
        """By masks and several tensors of indices."""
        a, b, k = self.tensor(), self.tensor(), self.integer()
        dim, size = self.dim(a), self.size(a, 0)
        place = self.rng.choice([
            f"{a}[{a} > {k}, None]", f"{a}[({a} > {k}) & ({b} < 2)]", f"{a}[i, :, i]", f"{a}[i, {self.index(2)}]", f"{a}[i[:1], i]", f"{a}[..., i]",
            f"{a}[None, i]", f"{a}[i, None]", f"{a}[i, ::2]", f"{a}[1:, i]", f"{a}[({a}.sum(-1) > {k}), 0]", f"{a}[({a} > 0).any(-1), 1:]", f"{a}[i][0]",
            f"{a}[:, {a}[0] > 0]", f"{a}[[0, -1]]", f"{a}[torch.arange(min({a}.size(0), 2)), i[:2]]", f"{a}[{a}.argmax()]", f"{a}[i.flip(0), i]",
            f"{a}[torch.nonzero({a}[:, 0] > 0)[:, 0]]", f"{a}[{self.index(size)}][{b} > 0]", f"{a}[i > 0]",
        ])  # fmt: skip
        value = self.rng.choice(
            [f"{k}", f"{b}", f"{b}.sum()", f"{a}[:1]", f"{b}[0]", f"{b}.sum().long()"]
        )
        update = self.rng.choice([" = ", " = ", " += ", " *= ", " -= "])
        if self.maybe(0.2):
            return self.rng.choice([
                f"{a}.index_put_([i, i], torch.tensor({k}).to({a}.dtype))", f"{a}.index_put_([{a} > {k}], {b}.sum().to({a}.dtype))",
                f"{a}.index_put_([i], {b}[:1].to({a}.dtype), accumulate=True)", f"{a}.index_reduce_({dim}, i, {b}, 'amax')",
                f"{a}.scatter_reduce_({dim}, {self.places(a, b, dim)}, {b}, 'sum')", f"{a}.masked_fill_({a} > {k}, {b}.sum())",
                f"{a}.put_(i, {b}[i])", f"{a}.fill_diagonal_({k})",
            ])  # fmt: skip
        return place + update + value

    def on_chain(self) -> str:
        """Through views of views, with steps."""
        a, b, k = self.tensor(), self.tensor(), self.integer()
        dim = self.dim(a)
        one = self.rng.choice([
            "[::2]", "[1::2]", "[..., ::2]", ".flatten()", ".t()", ".unsqueeze(0)", f".transpose({dim}, 0)", "[1:]", "[:, ::3]", ".view(-1)", f".select({dim}, 0)",
            "[-2:]", ".mT", f".unbind({dim})[-1]", ".diagonal()", f".split(2, {dim})[0]", ".reshape(-1)", f".movedim({dim}, -1)", "[..., -1]", f".unfold({dim}, 1, 2)",
        ])  # fmt: skip
        two = self.rng.choice(
            [
                "[::2]",
                "[0]",
                "[..., 1:]",
                "[1:]",
                ".view(-1)",
                ".flatten()",
                "[..., None]",
                "[:, 0]",
                ".unsqueeze(-1)",
                ".t()",
                "[-1:]",
                "[1:2]",
            ]
        )
        write = self.rng.choice(
            [
                f".add_({k})",
                f".copy_({b})",
                f".mul_({k})",
                f".fill_({k})",
                f".sub_({b})",
                f"[0] = {k}",
                f"[:] = {b}",
                f"[...] += {k}",
                ".zero_()",
                f".clamp_(max={k})",
            ]
        )
        return f"{a}{one}{two}{write}"

    def on_conversion(self) -> str:
        """From another dtype, of fewer dims."""
        a, b, k = self.tensor(), self.tensor(), self.integer()
        r = self.rng.choice(self.scope.of("float"))
        return self.rng.choice([
            f"{a}.copy_({b}.long())", f"{a}.copy_({b}[0])", f"{a}.copy_({b} > 0)", f"{a}[:] = {b}.double()", f"{a}[0] = {b}[0].to(torch.int32)", f"{a}.fill_({r})",
            f"{a}.add_({b}.long(), alpha={k})", f"{a}.add_({b} > 0)", f"{a}.copy_(torch.tensor({k}))", f"{a}[::2].copy_({b}.sum())", f"{a}.mul_(torch.tensor({k}))",
            f"{a}.copy_({b}.half())", f"{a}[...] = {r}", f"{a}[0] = {b}.any()", f"{a}.clamp_({k}, 3).copy_({b}[-1].to(torch.bool))", f"{a}.floor_divide_(2)", f"{a}[1:] = {a}[:-1].clone()",
            f"{a}[:-1] = {a}[1:].clone()", f"torch.mul({a}, {k}, out={a})", f"{a}.addcmul_({b}, {b}, value=2)", f"{a}.lerp_({b}, 0.5)", f"{a}.logical_not_()",
            f"{a} %= 3", f"{a} /= 2", f"{a}.pow_(2)", f"{a}.bitwise_and_(3)",
        ])  # fmt: skip

    def on_held(self) -> str:
        """What a list, a dict or a tuple holds, under another name."""
        values, a, k = self.tensors(), self.tensor(), self.integer()
        name = self.fresh("list")
        self.scope.of("list").append(name)
        return self.rng.choice([
            f"{name} = [{a}, {a}]; {name}[0].add_({k})", f"{name} = {values}[:1]; {name}[0].mul_(2)", f"{name} = [{a}[0], {a}[-1]]; {name}[-1].add_({k})",
            f"{name} = list({a}.unbind(0)); {name}[0].copy_({name}[-1])", f"{name} = {values}; {name}[-1] = {a}", f"{name} = {values} + [{a}]; {name}[-1].zero_()",
            f"{name} = [{a}, {values}[0]]; {name}.reverse(); {name}[0].add_({k})",
        ])  # fmt: skip
