"""The loss of connectionist temporal classification."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor
from symbolics.layers.losses import MEAN, NONE
from symbolics.reductions.cumulative import cumsum
from symbolics.registry import Raised, symbolic
from symbolics.rules import INT64

__all__ = ["ctc_loss"]


@symbolic(
    "aten::ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor"
)
def ctc_loss_intlist(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Sequence[Dim],
    target_lengths: Sequence[Dim],
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """The lengths as numbers."""
    inputs = g.constant(list(input_lengths), INT64)
    lengths = g.constant(list(target_lengths), INT64)
    return ctc_loss(g, log_probs, targets, inputs, lengths, blank, reduction, zero_infinity)


@symbolic(
    "aten::ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor"
)
def ctc_loss(
    g: Builder,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all paths that read as the targets.

    1. The labels of a path's states: the targets with a blank before, between and after them.
    2. Step by step the log probability of being in each state, coming from the same state, the one
       before, or the one before that if this skips a blank between two different targets. Before
       the first step a path stands at the first blank.
    3. A path ends in the last target or in the blank after it.
    """
    is_batch = log_probs.require_rank() == 3
    if not is_batch and log_probs.rank != 2:
        raise Raised(f"ctc_loss of {log_probs.rank} dims: it takes 2 or 3")
    if not is_batch:
        log_probs = g.Unsqueeze(log_probs, [1])
    steps, batch, _ = log_probs.require_shape()
    inputs = g.reshape(g.cast(input_lengths, INT64), [batch])
    lengths = g.reshape(g.cast(target_lengths, INT64), [batch])
    states = state_labels(g, target_rows(g, targets, lengths, batch, blank), blank)
    width = states.require_shape()[1]
    before = [g.Expand(g.constant(blank, INT64), [batch, 2]), states]
    before = g.Slice(g.Concat(*before, axis=1), [0], [-2], [1])
    may_skip = g.Not(g.Equal(states, before))
    nowhere = g.constant(-math.inf, log_probs.dtype)
    first = g.Equal(g.Expand(consecutive(g, width), [batch, width]), 0)
    start = g.Where(first, g.constant(0, log_probs.dtype), nowhere)
    edge = g.Expand(nowhere, [batch, 2])
    ends = g.Unsqueeze(inputs, [1])

    def step(index: Tensor, carried: list[Tensor]) -> list[Tensor]:
        (paths,) = carried
        shifted = g.Concat(edge, paths, axis=1)
        skipped = g.Where(may_skip, g.Slice(shifted, [0], [-2], [1]), nowhere)
        reached = log_sum(g, paths, g.Slice(shifted, [1], [-1], [1]), skipped)
        now = g.GatherElements(g.Gather(log_probs, index, axis=0), states, axis=1)
        return [g.Where(g.Less(index, ends), g.Add(reached, now), paths)]

    (paths,) = loop(g, steps, step, [start])
    last = g.Unsqueeze(g.Mul(lengths, 2), [1])
    at_blank = g.GatherElements(paths, last, axis=1)
    at_target = g.GatherElements(paths, g.Max(g.Sub(last, 1), g.constant(0, INT64)), axis=1)
    at_target = g.Where(g.Greater(last, 0), at_target, nowhere)
    losses = g.Neg(g.Squeeze(log_sum(g, at_blank, at_target), [1]))
    if zero_infinity:
        losses = g.Where(g.Equal(losses, math.inf), g.constant(0, losses.dtype), losses)
    if reduction == MEAN:
        counts = g.cast(g.Max(lengths, g.constant(1, INT64)), losses.dtype)
        return g.ReduceMean(g.Div(losses, counts), axes=[0], keepdims=False)
    if reduction == NONE:
        return losses if is_batch else g.Squeeze(losses, [0])
    return g.ReduceSum(losses, axes=[0], keepdims=False)


def target_rows(g: Builder, targets: Tensor, lengths: Tensor, batch: Dim, blank: int) -> Tensor:
    """The targets as [batch, longest], with blanks after each row's own; they may come in a row."""
    targets = g.cast(targets, INT64)
    if targets.require_rank() == 2:
        longest = targets.require_shape()[1]
        place = g.Unsqueeze(consecutive(g, longest), [0])
        rows = targets
    else:
        longest = g.integer(g.ReduceMax(lengths, keepdims=False))
        place = g.Unsqueeze(consecutive(g, longest), [0])
        starts = g.Unsqueeze(g.Sub(cumsum(g, lengths, 0), lengths), [1])
        inside = g.Less(place, g.Unsqueeze(lengths, [1]))
        # One more, so that there is something to gather where there are no targets at all.
        padded = g.Concat(targets, g.constant([blank], INT64), axis=0)
        rows = g.Gather(padded, g.Where(inside, g.Add(starts, place), 0), axis=0)
    inside = g.Less(place, g.Unsqueeze(lengths, [1]))
    return g.Where(inside, rows, blank)


def state_labels(g: Builder, rows: Tensor, blank: int) -> Tensor:
    """[batch, n] targets as [batch, 2n + 1] with blanks around each."""
    batch, longest = rows.require_shape()
    blanks = g.Expand(g.constant(blank, INT64), [batch, longest, 1])
    pairs = g.Concat(g.Unsqueeze(rows, [2]), blanks, axis=2)
    pairs = g.reshape(pairs, [batch, longest * 2])
    return g.Concat(g.Expand(g.constant(blank, INT64), [batch, 1]), pairs, axis=1)


def log_sum(g: Builder, *terms: Tensor) -> Tensor:
    """log(exp(a) + exp(b) + ...), -inf where all are."""
    highest = g.Max(*terms)
    highest = g.Where(g.Equal(highest, -math.inf), g.constant(0, highest.dtype), highest)
    total: Tensor | None = None
    for term in terms:
        part = g.Exp(g.Sub(term, highest))
        total = part if total is None else g.Add(total, part)
    assert total is not None
    return g.Add(g.Log(total), highest)
