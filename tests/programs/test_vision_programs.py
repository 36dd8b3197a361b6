"""Detection, matching, images, point clouds, clusters.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

# ruff: noqa: B905, RUF046  TorchScript's zip takes no `strict`; programs as people write them

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.programs.harness import check_program


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of all pairs."""
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    top_left = torch.max(a[:, None, :2], b[:, :2])
    bottom_right = torch.min(a[:, None, 2:], b[:, 2:])
    size = (bottom_right - top_left).clamp(min=0)
    inter = size[:, :, 0] * size[:, :, 1]
    return inter / (area_a[:, None] + area_b - inter)


class YoloPost(nn.Module):
    """Decodes a grid of predictions and suppresses by hand."""

    def __init__(self, stride: int = 8, classes: int = 3):
        super().__init__()
        self.stride = stride
        self.classes = classes
        self.register_buffer("anchors", torch.tensor([[10.0, 13.0], [16.0, 30.0]]))

    def forward(self, x: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        batch, _, height, width = x.shape
        count = self.anchors.size(0)
        x = x.view(batch, count, self.classes + 5, height, width).permute(0, 1, 3, 4, 2)
        x = x.contiguous().sigmoid()
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack((columns, rows), 2).view(1, 1, height, width, 2).float()
        x[..., 0:2] = (x[..., 0:2] * 2.0 - 0.5 + grid) * self.stride
        x[..., 2:4] = (x[..., 2:4] * 2) ** 2 * self.anchors.view(1, count, 1, 1, 2)
        rows_of_all = x.view(batch, -1, self.classes + 5)[0]
        scores, labels = (rows_of_all[:, 5:] * rows_of_all[:, 4:5]).max(1)
        keep = scores > threshold
        xywh = rows_of_all[keep, :4]
        scores, labels = scores[keep], labels[keep]
        boxes = torch.cat([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2], 1)
        order = scores.argsort(descending=True)
        boxes, scores, labels = boxes[order], scores[order], labels[order]
        offset = boxes + (labels * 4096).unsqueeze(1)
        alive = torch.ones(boxes.size(0), dtype=torch.bool)
        iou = box_iou(offset, offset)
        for i in range(boxes.size(0)):
            if bool(alive[i]):
                suppressed = iou[i] > 0.45
                suppressed[: i + 1] = False
                alive = alive & ~suppressed
        return boxes[alive], scores[alive], labels[alive]


def test_yolo_post_processing() -> None:
    torch.manual_seed(0)
    calls = [
        (torch.randn(1, 16, h, w), t)
        for h, w, t in [(4, 4, 0.3), (3, 5, 0.2), (2, 2, 0.99), (1, 1, 0.0)]
    ]
    axes = [{2: "height", 3: "width"}]
    check_program(YoloPost(), *calls, axes=axes, modes=["scripted"])


class AnchorGenerator(nn.Module):
    """Anchors of several levels, their grids by the features' and the image's sizes."""

    def __init__(self):
        super().__init__()
        self.sizes = [[16.0, 32.0], [64.0]]
        self.ratios = [0.5, 1.0, 2.0]

    def cells(self, sizes: list[float]) -> Tensor:
        scales = torch.as_tensor(sizes)
        ratios = torch.as_tensor(self.ratios)
        h = torch.sqrt(ratios)
        w = 1 / h
        ws = (w[:, None] * scales[None, :]).view(-1)
        hs = (h[:, None] * scales[None, :]).view(-1)
        return (torch.stack([-ws, -hs, ws, hs], dim=1) / 2).round()

    def forward(self, image: Tensor, features: list[Tensor]) -> Tensor:
        anchors: list[Tensor] = []
        image_size = image.shape[-2:]
        for feature, sizes in zip(features, self.sizes):
            height, width = feature.shape[-2:]
            stride_h = torch.tensor(image_size[0] // height, dtype=torch.int64)
            stride_w = torch.tensor(image_size[1] // width, dtype=torch.int64)
            shifts_x = torch.arange(0, width, dtype=torch.int32) * stride_w
            shifts_y = torch.arange(0, height, dtype=torch.int32) * stride_h
            y, x = torch.meshgrid(shifts_y, shifts_x, indexing="ij")
            x, y = x.reshape(-1), y.reshape(-1)
            shifts = torch.stack((x, y, x, y), dim=1)
            anchors.append(
                (shifts.view(-1, 1, 4) + self.cells(sizes).view(1, -1, 4)).reshape(-1, 4)
            )
        return torch.cat(anchors)


def test_anchor_generator() -> None:
    def call(h: int, w: int) -> tuple:
        return (
            torch.zeros(1, 3, h, w),
            [torch.zeros(1, 8, h // 8, w // 8), torch.zeros(1, 8, h // 16, w // 16)],
        )

    axes = [{2: "h", 3: "w"}, {2: "h8", 3: "w8"}, {2: "h16", 3: "w16"}]
    check_program(
        AnchorGenerator(),
        call(64, 32),
        call(48, 80),
        axes=axes,
        unwanted={"If", "Loop"},
        modes=["scripted"],
    )


class DetrMatching(nn.Module):
    """The cost matrix of DETR, and a greedy matching where the optimal one has no operator."""

    def forward(
        self, logits: Tensor, boxes: Tensor, targets: list[dict[str, Tensor]]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        batch, queries = logits.shape[:2]
        probabilities = logits.flatten(0, 1).softmax(-1)
        flat = boxes.flatten(0, 1)
        ids = torch.cat([t["labels"] for t in targets])
        wanted = torch.cat([t["boxes"] for t in targets])
        cost = torch.cdist(flat, wanted, p=1.0) - probabilities[:, ids]
        cost = cost.view(batch, queries, -1)
        sizes = [len(t["boxes"]) for t in targets]
        found: list[tuple[Tensor, Tensor]] = []
        for i, part in enumerate(cost.split(sizes, -1)):
            matrix = part[i].clone()
            rows = torch.zeros(matrix.size(1), dtype=torch.int64)
            for j in range(matrix.size(1)):
                row = matrix[:, j].argmin()
                rows[j] = row
                matrix[row] = float("inf")
            found.append((rows, torch.arange(matrix.size(1))))
        return cost, found


def test_detr_matching() -> None:
    torch.manual_seed(1)

    def call(queries: int, counts: list[int]) -> tuple:
        targets = [{"labels": torch.randint(4, (n,)), "boxes": torch.rand(n, 4)} for n in counts]
        return torch.randn(2, queries, 4), torch.rand(2, queries, 4), targets

    axes = [{1: "queries"}, {1: "queries"}, {0: "n"}, {0: "n"}, {0: "m"}, {0: "m"}]
    check_program(DetrMatching(), call(6, [2, 3]), call(9, [1, 0]), axes=axes, modes=["scripted"])


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Farthest point sampling of a batch of clouds."""
    batch, total, _ = points.shape
    centroids = torch.zeros(batch, count, dtype=torch.long)
    distance = torch.full([batch, total], 1e10)
    farthest = torch.zeros(batch, dtype=torch.long)
    rows = torch.arange(batch)
    for i in range(count):
        centroids[:, i] = farthest
        centroid = points[rows, farthest].unsqueeze(1)
        d = torch.sum((points - centroid) ** 2, -1)
        mask = d < distance
        distance[mask] = d[mask]
        farthest = torch.max(distance, -1)[1]
    return centroids


def test_farthest_point_sampling() -> None:
    torch.manual_seed(2)
    calls = [(torch.randn(b, n, 3), k) for b, n, k in [(2, 9, 4), (1, 5, 1), (3, 70, 66)]]
    axes = [{0: "batch", 1: "points"}]
    check_program(farthest_points, *calls, axes=axes, modes=["scripted"])


def grouped_points(points: Tensor, centers: Tensor, radius: float) -> Tensor:
    """The ball query of PointNet++: the first neighbours, padded by the nearest."""
    batch, total, _ = points.shape
    count = centers.size(1)
    index = torch.arange(total).view(1, 1, total).repeat([batch, count, 1])
    squared = torch.sum(centers**2, -1).unsqueeze(2) + torch.sum(points**2, -1).unsqueeze(1)
    squared = squared - 2 * torch.matmul(centers, points.permute(0, 2, 1))
    index[squared > radius**2] = total
    index = index.sort(dim=-1)[0][:, :, :4]
    first = index[:, :, :1].repeat([1, 1, index.size(2)])
    mask = index == total
    index[mask] = first[mask]
    index = index.clamp(max=total - 1)
    rows = torch.arange(batch).view(batch, 1, 1).expand_as(index)
    return points[rows, index] - centers.unsqueeze(2)


def test_ball_query() -> None:
    torch.manual_seed(3)
    calls = [
        (torch.randn(b, n, 3), torch.randn(b, k, 3), 1.5) for b, n, k in [(2, 9, 4), (1, 6, 2)]
    ]
    axes = [{0: "batch", 1: "points"}, {0: "batch", 1: "centers"}]
    check_program(grouped_points, *calls, axes=axes, modes=["scripted"], unwanted={"If", "Loop"})


def k_means(x: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Lloyd's iterations until nothing moves."""
    centers = x[:3].clone()
    labels = torch.zeros(x.size(0), dtype=torch.long)
    for _ in range(steps):
        labels = torch.cdist(x, centers).argmin(1)
        sums = torch.zeros_like(centers).index_add_(0, labels, x)
        counts = torch.bincount(labels, minlength=3).clamp(min=1)
        new = sums / counts.unsqueeze(1)
        if torch.allclose(new, centers):
            break
        centers = new
    return centers, labels


def test_k_means() -> None:
    torch.manual_seed(4)
    calls = [(torch.randn(n, 2), s) for n, s in [(12, 10), (5, 1), (30, 0)]]
    check_program(k_means, *calls, axes=[{0: "n"}], modes=["scripted"])


class Fpn(nn.Module):
    """Features of each level added to the next, resized to its size; all in dicts."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, groups=1, bias=False),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, 2, 1, groups=4, bias=False),
            nn.BatchNorm2d(8),
            nn.Hardswish(inplace=True),
        )
        self.down = nn.ModuleList([nn.Conv2d(8, 8, 3, 2, 1) for _ in range(2)])
        self.lateral = nn.ModuleDict({str(i): nn.Conv2d(8, 4, 1) for i in range(3)})
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        x = x * self.squeeze(x)
        levels = [x]
        for down in self.down:
            x = F.relu(down(x))
            levels.append(x)
        results: list[Tensor] = []
        for i, lateral in enumerate(self.lateral.values()):
            results.append(lateral(levels[i]))
        for i in range(1, -1, -1):
            size = results[i].shape[-2:]
            results[i] = results[i] + F.interpolate(results[i + 1], size=size, mode="nearest")
        return {f"p{i}": result for i, result in enumerate(results)}


def test_fpn() -> None:
    torch.manual_seed(5)
    calls = [(torch.randn(b, 3, h, w),) for b, h, w in [(2, 32, 32), (1, 37, 50)]]
    axes = [{0: "batch", 2: "height", 3: "width"}]
    module = Fpn()
    check_program(
        module, *calls, axes=axes, modes=["traced"], unwanted={"If", "Loop", "BatchNormalization"}
    )
    # A dict comprehension over an enumeration is beyond TorchScript's compiler.


def preprocess(image: Tensor) -> Tensor:
    """uint8 HWC to a normalised crop: the shorter side resized, the centre taken."""
    x = image.permute(2, 0, 1).to(torch.float32) / 255.0
    height, width = x.shape[-2:]
    size = 8
    if height < width:
        new_h, new_w = size, int(size * width / height)
    else:
        new_h, new_w = int(size * height / width), size
    x = F.interpolate(x.unsqueeze(0), size=[new_h, new_w], mode="bilinear", align_corners=False)
    top = int(round((new_h - size) / 2.0))
    left = int(round((new_w - size) / 2.0))
    x = x[:, :, top : top + size, left : left + size]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return x.sub_(mean).div_(std)


def test_image_preprocessing() -> None:
    torch.manual_seed(6)
    calls = [
        (torch.randint(256, (h, w, 3), dtype=torch.uint8),)
        for h, w in [(12, 16), (20, 10), (8, 8), (9, 31)]
    ]
    axes = [{0: "height", 1: "width"}]
    check_program(preprocess, *calls, axes=axes, modes=["scripted"])


class BoxList:
    """Boxes with their image's size, as a script class."""

    def __init__(self, boxes: Tensor, width: int, height: int):
        self.boxes = boxes
        self.width = width
        self.height = height

    def clipped(self) -> "BoxList":
        x = self.boxes[:, 0::2].clamp(0, self.width)
        y = self.boxes[:, 1::2].clamp(0, self.height)
        boxes = torch.stack([x, y], 2).flatten(1)
        return BoxList(boxes, self.width, self.height)

    def large(self, least: float) -> Tensor:
        sizes = self.boxes[:, 2:] - self.boxes[:, :2]
        return torch.where((sizes >= least).all(1))[0]


ScriptedBoxList = torch.jit.script(BoxList)


def proposals(boxes: Tensor, image: Tensor, least: float | None) -> tuple[Tensor, Tensor | None]:
    found = BoxList(boxes, image.size(-1), image.size(-2)).clipped()
    if least is not None:
        return found.boxes, found.large(least)
    return found.boxes, None


@pytest.mark.parametrize("least", [3.0, None])
def test_script_class(least: float | None) -> None:
    torch.manual_seed(7)
    calls = [
        (torch.rand(n, 4) * 20, torch.zeros(3, h, w), least) for n, h, w in [(6, 9, 12), (1, 15, 4)]
    ]
    axes = [{0: "n"}, {1: "h", 2: "w"}]
    check_program(proposals, *calls, axes=axes, modes=["scripted"], unwanted={"If", "Loop"})


class Gated(nn.Module):
    """Means over the planes of layers that refuse an image without a window in it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.stem(x)
        y = y * self.gate(y.mean((2, 3), keepdim=True)).sigmoid()
        y = self.pool(y)
        return y.mean(dim=[-2, -1]), F.avg_pool2d(y, 1).mean()


def test_means_of_planes_that_are_never_empty() -> None:
    torch.manual_seed(0)
    calls = [(torch.randn(2, 3, h, w),) for h, w in [(9, 12), (3, 3), (5, 4)]]
    axes = [{2: "height", 3: "width"}]
    check_program(Gated(), *calls, axes=axes, unwanted={"Shape", "ReduceSum"})
