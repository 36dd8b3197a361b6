"""Attention agrees with PyTorch, and so do the layers that traced transformers fuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)
Q, K, V = torch.randn(2, 4, 5, 8), torch.randn(2, 4, 6, 8), torch.randn(2, 4, 6, 3)
SEEN = torch.rand(5, 6) > 0.5
SEEN[2] = False
ADDED = torch.randn(5, 6).masked_fill(~SEEN, -torch.inf)

ATTENTION: dict[str, Callable[..., Tensor]] = {
    "plain": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "scale": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.3),
    "bool mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, SEEN),
    "float mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, ADDED),
    "groups": lambda q, k, v: F.scaled_dot_product_attention(
        q, k[:, :2], v[:, :2], enable_gqa=True
    ),
    "no batch": lambda q, k, v: F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0]),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_bfloat16(name: str) -> None:
    """The scores are float32: rounded, such large ones would make other weights."""

    def function(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        halves = (t.bfloat16() for t in (20 * q, k, v))
        return ATTENTION[name](*halves).float()

    check(function, Q, K, V, opsets=(13, 20), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ATTENTION)
def test_scaled_dot_product(name: str) -> None:
    """A row that may look nowhere is zero."""
    check(ATTENTION[name], Q, K, V)
    check(ATTENTION[name], Q.double(), K.double(), V.double(), opsets=(20,))
    check(ATTENTION[name], Q, K, V, opsets=(20,), dynamic=True)


def test_masks_of_run_time() -> None:
    """A mask that is an input."""
    check(F.scaled_dot_product_attention, Q, K, V, SEEN, dynamic=True)
    check(F.scaled_dot_product_attention, Q, K, V, ADDED)


def test_a_number_of_groups_of_run_time() -> None:
    """As many heads as groups, several to each group, none at all."""

    def function(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    def call(heads: int, groups: int) -> tuple[Tensor, ...]:
        return torch.randn(2, heads, 5, 8), *torch.randn(2, 2, groups, 6, 8).unbind()

    calls = [call(2, 2), call(6, 2), call(3, 1), call(0, 0)]
    for heads, groups in ((4, 2), (4, 4)):
        check(function, *call(heads, groups), opsets=(20,), dynamic=True, calls=calls)
    check(function, *call(0, 0), opsets=(20,))


def test_a_dynamic_length() -> None:
    """The causal mask grows with the sequence."""
    more = tuple(torch.randn(1, 4, 9, 8) for _ in range(3))
    check(ATTENTION["causal"], Q, K, V, opsets=(20,), dynamic=True, calls=[more])


# ------------------------------------------------------------ fused layers

X, SHORT = torch.randn(3, 5, 8), torch.randn(2, 4, 8)
PADDED = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).bool()
SHORT_PADDED = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]]).bool()
CAUSAL = nn.Transformer.generate_square_subsequent_mask(5)


class Calling(nn.Module):
    """A module called in some way."""

    def __init__(self, module: nn.Module, way: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module
        self.way = way
        self.eval()

    def forward(self, *inputs: Tensor) -> Any:
        """Call it so."""
        return self.way(self.module, *inputs)


class Encoding(nn.Module):
    """An encoder whose padding is given, as TorchScript wants it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """The encoding."""
        return self.encoder(x, src_key_padding_mask=padding)


def encoder(**settings: Any) -> nn.Module:
    """Two layers, with a norm behind them where norms come first."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **settings)
    first = settings.get("norm_first", False)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(8) if first else None, not first)


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"activation": "gelu"}, {"norm_first": True}])
def test_transformer_encoder(settings: dict[str, Any]) -> None:
    """The fast path records whole layers; with padding, a nested tensor."""
    model = encoder(**settings)
    check(Calling(model, lambda m, x: m(x)), X, dynamic=True, calls=[(SHORT,)])
    check(Calling(model, lambda m, x: m(x, mask=CAUSAL)), X, opsets=(20,))
    check(
        Calling(model, lambda m, x, p: m(x, src_key_padding_mask=p)),
        X,
        PADDED,
        dynamic=True,
        calls=[(SHORT, SHORT_PADDED)],
    )


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"activation": "gelu"}])
def test_scripted_transformer_encoder(settings: dict[str, Any]) -> None:
    """A script looks whether the padding is behind; where it is not, its elements keep values."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **settings)
    model = nn.TransformerEncoder(layer, 2)
    between = torch.tensor([[False, True, False], [False, False, True]])
    check(
        Encoding(model).eval(),
        X,
        PADDED,
        mode="script",
        dynamic=True,
        calls=[(SHORT, SHORT_PADDED), (X[:2, :3], between), (X[:1, :3], ~between[:1])],
    )


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
@pytest.mark.parametrize(
    "way",
    [
        lambda m, x, p: m(x, x, x),
        lambda m, x, p: m(x, x, x, average_attn_weights=False),
        lambda m, x, p: m(x, x, x, need_weights=False)[0],
        lambda m, x, p: m(x, x, x, key_padding_mask=p),
        lambda m, x, p: m(x, x, x, attn_mask=CAUSAL, need_weights=False)[0],
        lambda m, x, p: m(x, x[:, :3], x[:, :3]),
    ],
)
def test_multihead_attention(way: Callable[..., Any]) -> None:
    """The fast path, and what it does not take."""
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    check(Calling(model, way), X, PADDED, opsets=(13, 20))


@torch.no_grad()
def test_scripted_multihead_attention() -> None:
    """A script holds both paths."""
    model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    check(model, X, X, X, mode="script", opsets=(20,))


def test_with_weights() -> None:
    """The form that returns the weights as well."""
    math = torch.ops.aten._scaled_dot_product_attention_math
    check(lambda q, k, v: math(q, k, v, None, 0.0, True), Q, K, V, opsets=(20,))


def test_a_mask_that_hides_a_row_is_refused_there() -> None:
    """That form does not give zeros."""
    math = torch.ops.aten._scaled_dot_product_attention_math
    refuses(lambda q, k, v: math(q, k, v, SEEN), Q, K, V, match="bool mask")
