#!/usr/bin/env python3
"""Convert the chatbot of `models/chatbot.py` and compare what it answers with PyTorch.

    check_chatbot.py [--sentences 30]

The search is converted live and from its archive, for each of the three attention methods, to one
model whose inputs are the sentence, its length and the number of steps. It then answers random
sentences of 1 to 10 words with 0, 1 and 10 words. The words must be the same, their probabilities
equal to tolerance. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from exporter import export  # noqa: E402
from models.chatbot import chatbot, sentence  # noqa: E402

METHODS = ("dot", "general", "concat")
LONGEST = 10
STEPS = (0, 1, 10)
VOCABULARY = 200


def main() -> int:
    """Check each method from each source; 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=30)
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            for source in ("live", "archive"):
                problem = problem_with(method, source, Path(folder), arguments.sentences)
                failed += problem is not None
                print(f"{method:8} {source:8} {problem or 'equal'}", flush=True)
    count = 2 * len(METHODS)
    print(f"{count - failed} of {count}")
    return int(failed > 0)


def problem_with(method: str, source: str, folder: Path, sentences: int) -> str | None:
    """What is wrong with one model, or None."""
    search = chatbot(method, vocabulary=VOCABULARY).compiled("scripted")
    model: object = search
    if source == "archive":
        model = folder / "chatbot.pt"
        search.save(str(model))
    path = folder / "chatbot.onnx"
    export(
        model,
        (*sentence(0, VOCABULARY, LONGEST), LONGEST),
        path,
        output_names=["tokens", "scores"],
        dynamic_axes={"input_seq": {0: "time"}},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    if names != {"input_seq", "input_length", "max_length"}:
        return f"the inputs are {', '.join(sorted(names))}"
    for seed in range(sentences):
        words, length = sentence(seed, VOCABULARY, seed % LONGEST + 1)
        for steps in STEPS:
            with torch.no_grad():
                tokens, scores = search(words, length, steps)
            given = {
                "input_seq": words.numpy(),
                "input_length": length.numpy(),
                "max_length": np.array(steps),
            }
            found_tokens, found_scores = session.run(None, given)
            where = f"sentence {seed} of {int(length)} words, {steps} steps"
            if found_tokens.dtype != np.int64 or found_tokens.tolist() != tokens.tolist():
                return f"{where}: the words are {found_tokens.tolist()}, not {tokens.tolist()}"
            wanted = scores.numpy()
            if found_scores.dtype != wanted.dtype or found_scores.shape != wanted.shape:
                return f"{where}: the scores are {found_scores.dtype}{list(found_scores.shape)}"
            if not np.allclose(found_scores, wanted, rtol=1e-4, atol=1e-5):
                return f"{where}: the scores differ by {np.abs(found_scores - wanted).max():.3g}"
    return None


if __name__ == "__main__":
    sys.exit(main())
