"""`*_backward` operators, called as graphs captured from autograd call them."""

import pytest
import torch

from tests.symbolics.harness import check

aten = torch.ops.aten
GRAD, X, Y = torch.randn(3, 4), torch.randn(3, 4) * 2, torch.rand(3, 4) * 0.8 + 0.1
T = torch.rand(3, 4)
CLASSES = torch.tensor([0, 3, 1])


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (aten.tanh_backward, (GRAD, Y)),
        (aten.sigmoid_backward, (GRAD, Y)),
        (aten.threshold_backward, (GRAD, X, 0)),
        (aten.threshold_backward, (GRAD, X, 0.5)),
        (aten.gelu_backward, (GRAD, X)),
        (lambda g, x: aten.gelu_backward(g, x, approximate="tanh"), (GRAD, X)),
        (aten.silu_backward, (GRAD, X)),
        (aten.mish_backward, (GRAD, X)),
        (aten.softplus_backward, (GRAD, X * 9, 2, 20)),
        (aten.hardswish_backward, (GRAD, X * 2)),
        (aten.hardsigmoid_backward, (GRAD, X * 2)),
        (aten.hardtanh_backward, (GRAD, X, -1, 1)),
        (aten.hardshrink_backward, (GRAD, X, 0.5)),
        (aten.softshrink_backward, (GRAD, X, 0.5)),
        (aten.leaky_relu_backward, (GRAD, X, 0.1, False)),
        (aten.elu_backward, (GRAD, 1.5, 2, 0.5, False, X)),
        (aten.elu_backward, (GRAD, 1.5, 2, 1, True, X.clamp(min=-1))),
        (aten.logit_backward, (GRAD, Y)),
        (aten.logit_backward, (GRAD, Y, 0.3)),
        (lambda g, x: aten.log_sigmoid_backward(g, x, torch.exp(-x.abs())), (GRAD, X)),
        (aten.glu_backward, (GRAD[:, :2], X, 1)),
        (aten._prelu_kernel_backward, (GRAD, X, torch.rand(1, 4))),
        (aten.rrelu_with_noise_backward, (GRAD, X, Y, 0.1, 0.3, False, False)),
        (aten.rrelu_with_noise_backward, (GRAD, X, Y, 0.1, 0.3, True, False)),
        (aten.native_dropout_backward, (GRAD, X > 0, 2.0)),
        (lambda g, y: aten._softmax_backward_data(g, y, 1, torch.float), (GRAD, Y)),
        (lambda g, y: aten._log_softmax_backward_data(g, y, 0, torch.float), (GRAD, Y.log())),
        (lambda g, y: aten._softmax_backward_data(g, y, 0, torch.float), (GRAD[0, 0], Y[0, 0])),
    ],
)
def test_activations(function, inputs):
    """Both kinds: those given the input and those given the result."""
    check(function, *inputs)
    check(function, *inputs, opsets=(11,), dynamic=True)


@pytest.mark.parametrize("reduction", [0, 1, 2])
@pytest.mark.parametrize(
    "function",
    [
        lambda g, x, r: aten.mse_loss_backward(g, x, T, r),
        lambda g, x, r: aten.smooth_l1_loss_backward(g, x, T, r, 0.7),
        lambda g, x, r: aten.huber_loss_backward(g, x, T, r, 0.7),
        lambda g, x, r: aten.soft_margin_loss_backward(g, x, T.round() * 2 - 1, r),
        lambda g, x, r: aten.binary_cross_entropy_backward(g, x, T, None, r),
        lambda g, x, r: aten.binary_cross_entropy_backward(g, x, T, T + 1, r),
    ],
)
def test_losses(function, reduction):
    """With each reduction."""
    grad = GRAD if reduction == 0 else torch.tensor(1.5)
    check(function, grad, Y, reduction, opsets=(13, 20))


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_nll_loss(reduction):
    """One class is ignored; the weights differ."""
    weight = torch.rand(4)
    _, total = aten.nll_loss_forward(X, CLASSES, weight, reduction, 3)
    grad = GRAD[:, 0] if reduction == 0 else torch.tensor(1.5)
    check(aten.nll_loss_backward, grad, X, CLASSES, weight, reduction, 3, total)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (aten.slice_backward, (GRAD[:, :2], [3, 4], 1, 0, 4, 2)),
        (aten.select_backward, (GRAD, [3, 5, 4], 1, -2)),
        (aten.diagonal_backward, (GRAD[0, :3], [3, 4], 1, 0, 1)),
        (aten.trace_backward, (torch.tensor(2.0), [3, 4])),
        (aten.unfold_backward, (torch.randn(3, 3, 2), [3, 4], 1, 2, 1)),
        (aten.gather_backward, (GRAD[:, :2], X, 1, torch.tensor([[0, 0], [3, 1], [2, 2]]), False)),
        (aten.index_select_backward, (GRAD, [5, 4], 0, torch.tensor([4, 0, 4]))),
        (aten.value_selecting_reduction_backward, (GRAD[:, 0], 1, CLASSES, [3, 4], False)),
        (aten.embedding_dense_backward, (GRAD, torch.tensor([2, 0, 2]), 5, -1, False)),
        (aten.embedding_dense_backward, (GRAD, torch.tensor([2, 0, 2]), 5, 2, False)),
    ],
)
def test_views_and_indices(function, inputs):
    """Gradients that meet in one place add up."""
    check(function, *inputs)


IMAGE = torch.randn(2, 4, 6, 7)


# What takes a mask can't be traced: these are scripted.


def strided(g, x, w):
    return torch.ops.aten.convolution_backward(
        g, x, w, [6], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, True]
    )


def grouped(g, x, w):
    return torch.ops.aten.convolution_backward(
        g, x, w, [6], [2, 1], [1, 0], [1, 2], False, [0, 0], 2, [True, True, True]
    )


def transposed(g, x, w):
    return torch.ops.aten.convolution_backward(
        g, x, w, [3], [2, 2], [1, 1], [1, 1], True, [1, 0], 1, [True, True, True]
    )


def transposed_by_groups(g, x, w):
    return torch.ops.aten.convolution_backward(
        g, x, w, [8], [1, 2], [0, 1], [1, 1], True, [0, 0], 4, [True, True, True]
    )


@pytest.mark.parametrize(
    ("function", "kernel", "out"),
    [
        (strided, (6, 4, 3, 3), (6, 4, 5)),
        (grouped, (6, 2, 3, 2), (6, 3, 5)),
        (transposed, (4, 3, 3, 3), (3, 12, 13)),
        (transposed_by_groups, (4, 2, 2, 3), (8, 7, 13)),
    ],
)
def test_convolution(function, kernel, out):
    """To the input, the weight and the bias; also where the stride does not come out even."""
    check(
        function,
        *(torch.randn(2, *out), IMAGE, torch.randn(kernel)),
        mode="script",
        atol=1e-4,
    )


def layer_norm(g, x, m, r, w, b):
    return torch.ops.aten.native_layer_norm_backward(g, x, [3, 4], m, r, w, b, [True, True, True])


def test_layer_norm():
    """By the saved statistics."""
    x, grad = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    weight, bias = torch.randn(3, 4), torch.randn(3, 4)
    _, mean, rstd = aten.native_layer_norm(x, [3, 4], weight, bias, 1e-5)
    check(layer_norm, grad, x, mean, rstd, weight, bias, mode="script")


def group_norm(g, x, m, r, w):
    return torch.ops.aten.native_group_norm_backward(g, x, m, r, w, 2, 4, 42, 2, [True, True, True])


def test_group_norm():
    """By the saved statistics of each group."""
    weight = torch.randn(4)
    _, mean, rstd = aten.native_group_norm(IMAGE, weight, None, 2, 4, 42, 2, 1e-5)
    grad = torch.randn_like(IMAGE)
    check(group_norm, grad, IMAGE, mean, rstd, weight, mode="script", atol=1e-4)


def batch_norm_training(g, x, w, m, v, s, i):
    return torch.ops.aten.native_batch_norm_backward(
        g, x, w, m, v, s, i, True, 1e-5, [True, True, True]
    )


def batch_norm(g, x, w, m, v, s, i):
    return torch.ops.aten.native_batch_norm_backward(
        g, x, w, m, v, s, i, False, 1e-5, [True, True, True]
    )


@pytest.mark.parametrize("function", [batch_norm_training, batch_norm])
def test_batch_norm(function):
    """With the batch's statistics and with the running ones."""
    weight, mean, var = torch.randn(4), torch.randn(4), torch.rand(4) + 0.5
    _, save_mean, save_invstd = aten.native_batch_norm(
        IMAGE, weight, None, mean.clone(), var.clone(), True, 0.1, 1e-5
    )
    check(
        function,
        *(torch.randn_like(IMAGE), IMAGE, weight, mean, var, save_mean, save_invstd),
        mode="script",
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "counted"),
    [
        ([2, 2], [2, 2], [0, 0], True),
        ([3, 3], [2, 1], [1, 1], True),
        ([3, 2], [2, 2], [1, 0], False),
    ],
)
def test_avg_pool(kernel, stride, padding, counted):
    """With padding that counts and that does not."""
    out = aten.avg_pool2d(IMAGE, kernel, stride, padding, False, counted)
    check(
        lambda g, x: aten.avg_pool2d_backward(g, x, kernel, stride, padding, False, counted, None),
        torch.randn_like(out),
        IMAGE,
    )


def test_adaptive_avg_pool():
    """Windows that overlap."""
    check(aten._adaptive_avg_pool2d_backward, torch.randn(2, 4, 4, 3), IMAGE)


def test_max_pool():
    """Windows that overlap: gradients add up."""
    out, indices = aten.max_pool2d_with_indices(IMAGE, [3, 3], [1, 2], [1, 1])
    check(
        lambda g, x, i: aten.max_pool2d_with_indices_backward(
            g, x, [3, 3], [1, 2], [1, 1], [1, 1], False, i
        ),
        *(torch.randn_like(out), IMAGE, indices),
    )


@pytest.mark.parametrize("name", ["reflection", "replication"])
def test_padding(name):
    """Elements that were repeated collect their gradients."""
    backward = getattr(aten, f"{name}_pad2d_backward")
    check(lambda g, x: backward(g, x, [1, 2, 3, 0]), torch.randn(2, 4, 9, 10), IMAGE)


@pytest.mark.parametrize(
    "function",
    [
        lambda g: aten.upsample_nearest2d_backward(g, [9, 14], [2, 4, 6, 7]),
        lambda g: aten.upsample_bilinear2d_backward(g, [9, 14], [2, 4, 6, 7], False),
        lambda g: aten.upsample_bilinear2d_backward(g, [9, 14], [2, 4, 6, 7], True),
        lambda g: aten.upsample_bicubic2d_backward(g, [9, 14], [2, 4, 6, 7], False),
    ],
)
def test_upsampling(function):
    """To sizes that are no multiples."""
    check(function, torch.randn(2, 4, 9, 14))
