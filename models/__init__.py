"""Small models for the README, the tests and CI: the classic TorchScript examples.

`MODELS` lists them, small ones first. Each lives in a module named for its subject, which is
imported when the model is built; this table itself needs no PyTorch.

    >>> from models import MODELS
    >>> sample = MODELS["my_cell"].sample()
    >>> sample.compiled("traced"), sample.calls[0]

`models/archives/` holds small variants as ready files, see `scripts/make_archives.py`.
"""

from __future__ import annotations

from models.registry import ARCHIVES, DEFAULT_OPSETS, Mode, Model

__all__ = ["ARCHIVES", "DEFAULT_OPSETS", "MODELS", "Mode", "Model"]

_BATCH = {0: "batch"}
_BATCH_TIME = {0: "batch", 1: "time"}
_IMAGE = {0: "batch", 2: "height", 3: "width"}
_SMALL_RESNET = {"width": 2, "size": 20, "classes": 10, "blocks": 1}

_TABLE = (
    Model(
        "my_cell",
        "cells:my_cell",
        ("traced", "scripted"),
        ("x", "h"),
        ("y", "new_h"),
        {"x": _BATCH, "h": _BATCH, "y": _BATCH, "new_h": _BATCH},
    ),
    Model("decision_gate", "cells:decision_gate", ("scripted",), ("x",), ("y",), {"x": _BATCH}),
    Model(
        "gated_cell",
        "cells:gated_cell",
        ("traced", "scripted"),
        ("x", "h"),
        ("y", "new_h"),
        {"x": _BATCH, "h": _BATCH, "y": _BATCH, "new_h": _BATCH},
    ),
    Model("rnn_loop", "cells:rnn_loop", ("scripted",), ("xs",), ("y", "h"), {"xs": {0: "time"}}),
    Model(
        "wrap_rnn",
        "cells:wrap_rnn",
        ("traced",),
        ("xs",),
        ("y",),
        {"xs": {0: "time"}},
        reloaded=True,
    ),
    Model("branch_shapes", "branches:branch_shapes", ("scripted",), ("x",), ("y",), open_rank=True),
    Model(
        "max_gate",
        "branches:max_gate",
        ("function",),
        ("input_x", "input_y"),
        ("output",),
        {"input_x": {0: "batch_size"}, "output": {0: "batch_size"}},
        small={"size": 6},
    ),
    Model(
        "gate_and_add",
        "branches:gate_and_add",
        ("traced",),
        ("x", "y", "z"),
        ("output",),
        {"x": _BATCH, "y": _BATCH, "z": _BATCH, "output": _BATCH},
    ),
    Model(
        "gate_of_same",
        "branches:gate_of_same",
        ("function",),
        ("x",),
        ("output",),
        {"x": _BATCH, "output": _BATCH},
    ),
    Model(
        "running_mean",
        "stateful:running_mean",
        ("scripted",),
        ("x",),
        ("y",),
        state=("mean", "count"),
    ),
    Model(
        "stateful_lstm_cell",
        "stateful:stateful_lstm_cell",
        ("scripted",),
        ("x",),
        ("y",),
        state=("h", "c"),
    ),
    Model(
        "super_resolution",
        "super_resolution:super_resolution",
        ("traced", "scripted"),
        ("input",),
        ("output",),
        {"input": _BATCH, "output": _BATCH},
        small={"size": 8, "width": 4},
        kept=("traced",),
    ),
    Model(
        "lstm_classifier",
        "lstm_classifier:lstm_classifier",
        ("traced", "scripted"),
        ("tokens",),
        ("logits",),
        {"tokens": _BATCH_TIME, "logits": _BATCH},
        small={"vocabulary": 20, "width": 6},
    ),
    Model(
        "quantized_cnn",
        "quantized:quantized_cnn",
        ("traced", "scripted"),
        ("images",),
        ("logits",),
        {"images": _BATCH, "logits": _BATCH},
        small={"width": 8, "classes": 5},
        kept=("scripted",),
        # Scales by channel came with opset 13.
        opsets=tuple(opset for opset in DEFAULT_OPSETS if opset >= 13),
        # A step of the logits, or two.
        atol=5e-3,
    ),
    Model(
        "quantized_tagger",
        "quantized:quantized_tagger",
        ("scripted",),
        ("tokens",),
        ("logits",),
        {"tokens": _BATCH_TIME, "logits": _BATCH_TIME},
        small={"vocabulary": 20, "width": 6},
        opsets=tuple(opset for opset in DEFAULT_OPSETS if opset >= 11),
    ),
    Model(
        "transformer_encoder",
        "transformer_encoder:transformer_encoder",
        ("traced", "scripted"),
        ("x",),
        ("y",),
        {"x": _BATCH_TIME, "y": _BATCH_TIME},
        small={"width": 8, "layers": 1},
    ),
    Model(
        "gpt_block",
        "gpt_block:gpt_block",
        ("traced", "scripted"),
        ("x",),
        ("y",),
        {"x": _BATCH_TIME, "y": _BATCH_TIME},
        small={"width": 8},
        kept=("traced",),
    ),
    Model(
        "unet",
        "unet:unet",
        ("traced", "scripted"),
        ("image",),
        ("mask",),
        {"image": _IMAGE, "mask": _IMAGE},
        small={"width": 2, "size": 16},
        kept=("traced",),
    ),
    # Resize has PyTorch's linear coordinates (half_pixel) from opset 11 on.
    Model(
        "unet_bilinear",
        "unet:unet",
        ("traced", "scripted"),
        ("image",),
        ("mask",),
        {"image": _IMAGE, "mask": _IMAGE},
        options={"mode": "bilinear"},
        kept=(),
        opsets=tuple(o for o in DEFAULT_OPSETS if o >= 11),
    ),
    Model(
        "resnet18",
        "resnet:resnet18_sample",
        ("traced", "scripted"),
        ("image",),
        ("logits",),
        {"image": _BATCH, "logits": _BATCH},
        small=_SMALL_RESNET,
        kept=("traced",),
    ),
    Model(
        "resnet18_layer1",
        "resnet:layer1_sample",
        ("traced", "scripted"),
        ("x",),
        ("y",),
        {"x": _BATCH, "y": _BATCH},
        small=_SMALL_RESNET,
    ),
    Model(
        "normalized_resnet",
        "resnet:normalized_sample",
        ("scripted",),
        ("image",),
        ("logits",),
        {"image": _BATCH, "logits": _BATCH},
        small=_SMALL_RESNET,
        kept=(),
    ),
    *(
        Model(
            f"chatbot_{method}",
            "chatbot:chatbot",
            ("scripted",),
            ("input_seq", "input_length", "max_length"),
            ("tokens", "scores"),
            {"input_seq": {0: "time"}, "tokens": {0: "words"}, "scores": {0: "words"}},
            options={"method": method},
            small={"hidden": 6, "vocabulary": 17},
            kept=("scripted",) if method == "general" else (),
        )
        for method in ("dot", "general", "concat")
    ),
)

#: Every model by its name.
MODELS: dict[str, Model] = {model.name: model for model in _TABLE}
