"""Loss functions over classes, and over pairs and triples of vectors.

Regression and yes-or-no questions are in `losses`.
"""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, SymFloat, Tensor
from symbolics.elementwise.activation import log_softmax_int
from symbolics.elementwise.arithmetic import mul
from symbolics.elementwise.pointwise import as_float
from symbolics.layers.losses import MEAN, NONE, SUM, reduced
from symbolics.reductions import reduction as reductions
from symbolics.reductions.norms import pairwise_distance
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import INT64, element_count, is_float, promote

__all__ = ["cross_entropy_loss", "nll_loss_nd"]

# ---------------------------------------------------------------- negative log likelihood


def class_dim(self: Tensor) -> int:
    """The dim of the classes: the first, or the second where there is a batch."""
    return 0 if self.require_rank() == 1 else 1


def picked_losses(
    g: Builder, self: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """The weighted losses of the targets and their weights, both 0 where the target is ignored."""
    dim = class_dim(self)
    target = g.cast(target, INT64)
    ignored = g.Equal(target, ignore_index)
    # The ignored target may lie outside the classes.
    index = g.Where(ignored, g.constant(0, INT64), target)
    where = g.Unsqueeze(index, [dim])
    picked = g.Squeeze(g.GatherElements(self, where, axis=dim), [dim])
    zero = g.constant(0, self.dtype)
    if weight is None:
        weights = g.cast(g.Not(ignored), self.dtype)
    else:
        weights = g.Where(ignored, zero, g.Gather(weight, index, axis=0))
    return g.Where(ignored, zero, g.Neg(g.Mul(picked, weights))), weights


def total(g: Builder, tensor: Tensor) -> Tensor:
    """The sum of all elements."""
    return g.ReduceSum(tensor, keepdims=False) if tensor.rank != 0 else tensor


@symbolic(
    "aten::nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor"
)
@symbolic(
    "aten::nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor"
)
@symbolic(
    "aten::nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor"
)
def nll_loss_nd(
    g: Builder,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: int = 1,
    ignore_index: int = -100,
) -> Tensor:
    """-x at the target class, weighted by class; the mean is over the weights that took part."""
    losses, weights = picked_losses(g, self, target, weight, ignore_index)
    if reduction == NONE:
        return losses
    if reduction == SUM:
        return total(g, losses)
    return g.Div(total(g, losses), total(g, weights))


@symbolic(
    "aten::nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)"
)
@symbolic(
    "aten::nll_loss2d_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)"
)
def nll_loss_forward(
    g: Builder,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    ignore_index: int,
) -> tuple[Tensor, Tensor]:
    """`nll_loss_nd`, and the sum of the weights (0 where nothing is reduced)."""
    losses, weights = picked_losses(g, self, target, weight, ignore_index)
    if reduction == NONE:
        return losses, g.constant(0, self.dtype)
    weight_sum = total(g, weights)
    if reduction == SUM:
        return total(g, losses), weight_sum
    return g.Div(total(g, losses), weight_sum), weight_sum


@symbolic(
    "aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.) -> Tensor"
)
def cross_entropy_loss(
    g: Builder,
    self: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: int = 1,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """`nll_loss_nd` of the log softmax; a float target holds a probability for each class.

    Label smoothing mixes in the mean loss over all classes.
    """
    dim = class_dim(self)
    scores = log_softmax_int(g, self, dim)
    classes = g.size(self, dim)
    if is_float(target.dtype):
        return probability_loss(g, scores, target, weight, reduction, label_smoothing)
    if not isinstance(label_smoothing, SymFloat) and label_smoothing <= 0:
        return nll_loss_nd(g, scores, target, weight, reduction, ignore_index)
    losses, weights = picked_losses(g, scores, target, weight, ignore_index)
    if weight is not None:
        scores = g.Mul(scores, g.reshape(weight, along_classes(scores, classes)))
    spread = g.Neg(g.ReduceSum(scores, axes=[dim], keepdims=False))
    ignored = g.Equal(g.cast(target, INT64), ignore_index)
    spread = g.Where(ignored, g.constant(0, spread.dtype), spread)
    if reduction == MEAN:
        count = total(g, weights)
        losses, spread = g.Div(total(g, losses), count), g.Div(total(g, spread), count)
    elif reduction == SUM:
        losses, spread = total(g, losses), total(g, spread)
    smoothing = g.constant(label_smoothing, losses.dtype)
    share = g.Div(smoothing, g.constant(classes, losses.dtype))
    mixed = g.Add(g.Mul(losses, g.Sub(1, smoothing)), g.Mul(spread, share))
    if isinstance(label_smoothing, SymFloat):
        return g.Where(g.Greater(smoothing, 0), mixed, losses)
    return mixed


def along_classes(self: Tensor, classes: Dim) -> list[Dim]:
    """The shape in which class weights broadcast."""
    return [classes, *[1] * (self.require_rank() - class_dim(self) - 1)]


def probability_loss(
    g: Builder,
    scores: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    label_smoothing: float,
) -> Tensor:
    """The cross entropy with probabilities as targets; the mean is over all but the classes."""
    dim = class_dim(scores)
    classes = g.size(scores, dim)
    target = g.cast(target, scores.dtype)
    if isinstance(label_smoothing, SymFloat) or label_smoothing > 0:
        smoothing = g.Max(g.constant(label_smoothing, target.dtype), 0)
        share = g.Div(smoothing, g.constant(classes, target.dtype))
        target = g.Add(g.Mul(target, g.Sub(1, smoothing)), share)
    losses = g.Mul(scores, target)
    if weight is not None:
        losses = g.Mul(losses, g.reshape(weight, along_classes(scores, classes)))
    if reduction == NONE:
        return g.Neg(g.ReduceSum(losses, axes=[dim], keepdims=False))
    loss = g.Neg(total(g, losses))
    if reduction == SUM:
        return loss
    others = [i for i in range(scores.require_rank()) if i != dim]
    return g.Div(loss, g.constant(element_count(g, scores, others), loss.dtype))


# ---------------------------------------------------------------- margins between classes


@symbolic(
    "aten::multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=1) -> Tensor"
)
def multi_margin_loss(
    g: Builder,
    self: Tensor,
    target: Tensor,
    p: Number = 1,
    margin: Number = 1,
    weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """The mean over the other classes of max(0, margin - x at the target + x) to the power p."""
    if p not in (1, 2):
        raise Unsupported(f"PyTorch's multi_margin_loss has p = 1 and 2, not {p}")
    rank = self.require_rank()
    classes = g.size(self, -1) if rank else 1
    rows = g.reshape(self, [1, classes]) if rank < 2 else self
    index = g.reshape(g.cast(target, INT64), [g.size(rows, 0), 1])
    own = g.GatherElements(rows, index, axis=1)
    gap = g.Max(g.Add(g.Sub(rows, own), g.constant(margin, rows.dtype)), 0)
    if p == 2:
        gap = g.Mul(gap, gap)
    if weight is not None:
        gap = g.Mul(gap, g.Gather(weight, index, axis=0))
    others = g.Not(g.Equal(g.reshape(consecutive(g, classes), [1, classes]), index))
    gap = g.Where(others, gap, g.constant(0, rows.dtype))
    count = g.constant(classes, rows.dtype)
    losses = g.Div(g.ReduceSum(gap, axes=[1], keepdims=False), count)
    if rank < 2 and target.rank == 0:
        losses = g.reshape(losses, [])
    return reduced(g, losses, reduction)


def margin_terms(g: Builder, self: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of `multilabel_margin_loss` by row, and which classes are targets (1 or 0).

    1. A row of targets ends at its first -1: what comes later does not count.
    2. A class is a target if an entry that counts names it.
    3. Each target is compared with each class that is none.
    """
    classes = g.size(self, -1) if self.require_rank() else 1
    rows = self if self.rank == 2 else g.reshape(self, [1, classes])
    labels = g.reshape(g.cast(target, INT64), list(rows.require_shape()))
    ended = g.CumSum(g.cast(g.Less(labels, 0), INT64), g.constant(1, INT64))
    counts = g.Equal(ended, 0)
    index = g.Where(counts, labels, g.constant(0, INT64))
    named = g.Equal(g.Unsqueeze(index, [2]), consecutive(g, classes))
    named = g.cast(g.And(named, g.Unsqueeze(counts, [2])), rows.dtype)
    is_target = g.ReduceMax(named, axes=[1], keepdims=False)
    own = g.Unsqueeze(g.GatherElements(rows, index, axis=1), [2])
    gap = g.Max(g.Add(g.Sub(g.Unsqueeze(rows, [1]), own), 1.0), 0)
    wanted = g.cast(g.Unsqueeze(counts, [2]), rows.dtype)
    other = g.Unsqueeze(g.Sub(g.constant(1.0, rows.dtype), is_target), [1])
    terms = g.Mul(gap, g.Mul(wanted, other))
    losses = g.Div(g.ReduceSum(terms, axes=[1, 2], keepdims=False), g.constant(classes, rows.dtype))
    return losses, is_target


@symbolic(
    "aten::multilabel_margin_loss_forward(Tensor self, Tensor target, int reduction) -> (Tensor output, Tensor is_target)"
)
def multilabel_margin_loss_forward(
    g: Builder, self: Tensor, target: Tensor, reduction: int
) -> tuple[Tensor, Tensor]:
    """max(0, 1 - x at a target + x elsewhere) over the number of classes, for all such pairs."""
    losses, is_target = margin_terms(g, self, target)
    if self.require_rank() < 2:
        losses = g.reshape(losses, [])
    return reduced(g, losses, reduction), g.reshape(is_target, list(target.require_shape()))


@symbolic("aten::multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor")
def multilabel_margin_loss(g: Builder, self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """See `multilabel_margin_loss_forward`."""
    return multilabel_margin_loss_forward(g, self, target, reduction)[0]


# ---------------------------------------------------------------- vectors


@symbolic(
    "aten::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor"
)
def cosine_embedding_loss(
    g: Builder,
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    reduction: int = 1,
) -> Tensor:
    """1 - cos for a target of 1, what cos exceeds the margin by for -1, 0 for any other."""
    dim = target.require_rank()
    tiny = 1e-12

    def over_dim(left: Tensor, right: Tensor) -> Tensor:
        return as_float(g, reductions.sum_dim(g, mul(g, left, right), [dim]))

    product = over_dim(input1, input2)
    first, second = g.Add(over_dim(input1, input1), tiny), g.Add(over_dim(input2, input2), tiny)
    cosine = g.Div(product, g.Sqrt(g.Mul(first, second)))
    zero = g.constant(0, cosine.dtype)
    near = g.Sub(g.constant(1.0, cosine.dtype), cosine)
    apart = g.Max(g.Sub(cosine, margin), zero)
    loss = g.Where(g.Equal(target, 1), near, zero)
    is_apart = g.Equal(*promote(g, target, -1))
    return reduced(g, g.Add(loss, g.Where(is_apart, apart, zero)), reduction)


@symbolic(
    "aten::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., float eps=1e-06, bool swap=False, int reduction=1) -> Tensor"
)
def triplet_margin_loss(
    g: Builder,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """max(0, margin + distance to the positive - distance to the negative).

    `swap` takes the negative's distance from the positive where that is smaller.
    """
    near = pairwise_distance(g, anchor, positive, p, eps)
    far = pairwise_distance(g, anchor, negative, p, eps)
    if swap:
        far = g.Min(far, pairwise_distance(g, positive, negative, p, eps))
    return reduced(g, g.Max(g.Sub(g.Add(near, margin), far), 0), reduction)
