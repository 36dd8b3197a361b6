"""One block of a GPT: causal self-attention and a feed-forward part, normalized before each."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.sample import Sample, normal, seeded


class CausalSelfAttention(nn.Module):
    """Attention in which no position sees a later one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over the second dim of (batch, time, width)."""
        batch, time, width = x.size()
        q, k, v = self.qkv(x).split(width, dim=2)
        q = q.view(batch, time, self.heads, -1).transpose(1, 2)
        k = k.view(batch, time, self.heads, -1).transpose(1, 2)
        v = v.view(batch, time, self.heads, -1).transpose(1, 2)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(batch, time, width)
        out: Tensor = self.out(y)
        return out


class GPTBlock(nn.Module):
    """Attention, then a feed-forward part; both add to what comes in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x  # noqa: RET504  (the steps read as the layers do)


def gpt_block(width: int = 32) -> Sample:
    """Build a block with four heads, with two batch sizes and sequence lengths."""
    with seeded():
        block = GPTBlock(width, heads=4)
    return Sample(block, [(normal(1, 2, 7, width),), (normal(2, 3, 11, width),)])
