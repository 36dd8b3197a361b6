"""A text classifier: token ids, an embedding, a bidirectional LSTM and a linear head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, seeded, token_ids


class LSTMClassifier(nn.Module):
    """Classifies a sentence by the last states of both directions."""

    def __init__(self, vocabulary: int, width: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return one row of logits per sentence."""
        _, (h, _) = self.lstm(self.embedding(tokens))
        sentence = torch.cat((h[-2], h[-1]), dim=1)
        logits: Tensor = self.head(self.dropout(sentence))
        return logits


def lstm_classifier(vocabulary: int = 100, width: int = 32) -> Sample:
    """Build the classifier, with two numbers and lengths of sentences."""
    with seeded():
        classifier = LSTMClassifier(vocabulary, width, classes=4)
    sizes = ((1, 2, 7), (2, 3, 11), (3, 1, 1))
    return Sample(classifier, [(token_ids(seed, vocabulary, b, t),) for seed, b, t in sizes])
