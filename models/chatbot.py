"""A chatbot: a recurrent encoder and an attention decoder that picks the best word, step by step.

The encoder and the decoder are traced, the search around them is scripted, because the number of
steps is an argument. The attention is Luong's (Luong et al., 2015) with its three scores.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.sample import Sample, seeded, token_ids, traced

_START_TOKEN = 1
_LONGEST = 10


class Encoder(nn.Module):
    """Reads a padded batch of sentences both ways."""

    def __init__(self, embedding: nn.Embedding, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.embedding = embedding
        self.gru = nn.GRU(hidden, hidden, layers, bidirectional=True)

    def forward(self, sentences: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (time, batch, hidden), directions summed, and the last states."""
        packed = pack_padded_sequence(self.embedding(sentences), lengths)
        outputs, state = self.gru(packed)
        outputs, _ = pad_packed_sequence(outputs)
        outputs = outputs[:, :, : self.hidden] + outputs[:, :, self.hidden :]
        return outputs, state


class Attention(nn.Module):
    """Weighs the encoder's outputs by their score with the decoder's output.

    The score is the product of the two ("dot"), the product after a linear map ("general"), or
    what a small network makes of both together ("concat").
    """

    def __init__(self, method: str, hidden: int) -> None:
        super().__init__()
        if method not in ("dot", "general", "concat"):
            raise ValueError(f"unknown attention method {method!r}")
        self.method = method
        if method == "general":
            self.attention = nn.Linear(hidden, hidden)
        elif method == "concat":
            self.attention = nn.Linear(2 * hidden, hidden)
            self.v = nn.Parameter(torch.randn(hidden))

    def forward(self, output: Tensor, encoded: Tensor) -> Tensor:
        """Return weights (batch, 1, time) that sum to one."""
        if self.method == "dot":
            scores = torch.sum(output * encoded, dim=2)
        elif self.method == "general":
            scores = torch.sum(output * self.attention(encoded), dim=2)
        else:
            pairs = torch.cat((output.expand(encoded.size(0), -1, -1), encoded), dim=2)
            scores = torch.sum(self.v * self.attention(pairs).tanh(), dim=2)
        return functional.softmax(scores.t(), dim=1).unsqueeze(1)


class Decoder(nn.Module):
    """Turns one word and the state into a distribution over the next word, and the new state."""

    def __init__(
        self, method: str, embedding: nn.Embedding, hidden: int, layers: int, vocabulary: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.gru = nn.GRU(hidden, hidden, layers)
        self.attention = Attention(method, hidden)
        self.join = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, word: Tensor, state: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step."""
        output, state = self.gru(self.embedding(word), state)
        weights = self.attention(output, encoded)
        context = weights.bmm(encoded.transpose(0, 1)).squeeze(1)
        joined = torch.tanh(self.join(torch.cat((output.squeeze(0), context), dim=1)))
        return functional.softmax(self.out(joined), dim=1), state


class GreedySearchDecoder(nn.Module):
    """Answers a sentence with the most likely word at each step; to be scripted."""

    __constants__ = ("layers", "start")

    def __init__(self, encoder: nn.Module, decoder: nn.Module, layers: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.layers = layers
        self.start = _START_TOKEN

    def forward(
        self, input_seq: Tensor, input_length: Tensor, max_length: int
    ) -> tuple[Tensor, Tensor]:
        """Return `max_length` words and the probability of each."""
        encoded, state = self.encoder(input_seq, input_length)
        # The decoder starts from the forward and backward states of the first layers.
        state = state[: self.layers]
        word = torch.ones(1, 1, dtype=torch.long) * self.start
        tokens = torch.zeros([0], dtype=torch.long)
        scores = torch.zeros([0])
        for _ in range(max_length):
            probabilities, state = self.decoder(word, state, encoded)
            score, word = torch.max(probabilities, dim=1)
            tokens = torch.cat((tokens, word), dim=0)
            scores = torch.cat((scores, score), dim=0)
            word = torch.unsqueeze(word, 0)
        return tokens, scores


def sentence(seed: int, vocabulary: int, length: int) -> tuple[Tensor, Tensor]:
    """Return a random sentence (time, 1) and its length (1)."""
    return token_ids(seed, vocabulary, length, 1), torch.tensor([length])


def chatbot(
    method: str = "dot", hidden: int = 64, vocabulary: int = 200, layers: int = 2
) -> Sample:
    """Build the search over traced parts, with sentences and answers of several lengths."""
    with seeded():
        embedding = nn.Embedding(vocabulary, hidden)
        encoder = Encoder(embedding, hidden, layers).eval()
        decoder = Decoder(method, embedding, hidden, layers, vocabulary).eval()
    example = sentence(0, vocabulary, _LONGEST)
    with torch.no_grad():
        encoded, state = encoder(*example)
    word = torch.full((1, 1), _START_TOKEN)
    search = GreedySearchDecoder(
        traced(encoder, example),
        traced(decoder, (word, state[:layers], encoded)),
        layers,
    )
    sizes = ((_LONGEST, _LONGEST), (4, 1), (1, 10), (7, 0))
    return Sample(
        search,
        [(*sentence(i, vocabulary, length), steps) for i, (length, steps) in enumerate(sizes)],
    )
