"""Programs that decode step by step: searches, stop tokens, queues of tokens.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

# ruff: noqa: B905, SIM108  TorchScript's zip takes no `strict`; programs as people write them

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.programs.harness import check_program


class Seq2Seq(nn.Module):
    """A GRU encoder and a decoder with dot attention, with or without the target as input."""

    def __init__(self, words: int = 11, size: int = 8):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.encoder = nn.GRU(size, size, batch_first=True)
        self.cell = nn.GRUCell(2 * size, size)
        self.out = nn.Linear(2 * size, words)

    def forward(self, source: Tensor, target: Tensor, teacher_forcing: bool) -> Tensor:
        memory, state = self.encoder(self.embedding(source))
        hidden = state[-1]
        token = target[:, 0]
        logits: list[Tensor] = []
        for step in range(target.size(1)):
            scores = torch.bmm(memory, hidden.unsqueeze(2)).squeeze(2)
            context = torch.bmm(scores.softmax(1).unsqueeze(1), memory).squeeze(1)
            hidden = self.cell(torch.cat([self.embedding(token), context], 1), hidden)
            found = self.out(torch.cat([hidden, context], 1))
            logits.append(found)
            if teacher_forcing:
                token = target[:, step]
            else:
                token = found.argmax(1)
        return torch.stack(logits, 1)


def test_seq2seq_with_a_flag_of_run_time() -> None:
    torch.manual_seed(0)
    calls = [
        (torch.randint(11, (b, s)), torch.randint(11, (b, t)), forced)
        for b, s, t, forced in [(2, 5, 3, True), (1, 4, 6, False), (3, 2, 1, True)]
    ]
    check_program(
        Seq2Seq(),
        *calls,
        axes=[{0: "batch", 1: "source"}, {0: "batch", 1: "target"}],
        modes=["scripted"],
    )


class BeamSearch(nn.Module):
    """Beam search over a recurrent language model, hypotheses kept in one tensor."""

    def __init__(self, words: int = 9, size: int = 6, beams: int = 3, end: int = 1):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.cell = nn.LSTMCell(size, size)
        self.out = nn.Linear(size, words)
        self.beams = beams
        self.end = end

    def forward(self, context: Tensor, max_steps: int) -> tuple[Tensor, Tensor]:
        hidden = context.expand(self.beams, -1)
        cell = torch.zeros_like(hidden)
        tokens = torch.zeros(self.beams, 1, dtype=torch.long)
        scores = torch.full((self.beams,), float("-inf"))
        scores[0] = 0.0
        finished = torch.zeros(self.beams, dtype=torch.bool)
        for _ in range(max_steps):
            hidden, cell = self.cell(self.embedding(tokens[:, -1]), (hidden, cell))
            log_probs = F.log_softmax(self.out(hidden), dim=-1)
            frozen = torch.full_like(log_probs, float("-inf"))
            frozen[:, self.end] = 0.0
            log_probs = torch.where(finished.unsqueeze(1), frozen, log_probs)
            total = scores.unsqueeze(1) + log_probs
            scores, flat = total.view(-1).topk(self.beams)
            words = log_probs.size(1)
            parent = torch.div(flat, words, rounding_mode="floor")
            word = flat % words
            tokens = torch.cat([tokens[parent], word.unsqueeze(1)], 1)
            hidden, cell = hidden[parent], cell[parent]
            finished = finished[parent] | (word == self.end)
            if bool(finished.all()):
                break
        return tokens, scores


def test_beam_search() -> None:
    torch.manual_seed(1)
    calls = [(torch.randn(1, 6), n) for n in (4, 0, 1, 12)]
    check_program(BeamSearch(), *calls, modes=["scripted"])


class CtcGreedy(nn.Module):
    """Best path of CTC: argmax, runs collapsed, blanks dropped; a list of ints per loop."""

    def __init__(self, blank: int = 0):
        super().__init__()
        self.blank = blank

    def forward(self, log_probs: Tensor) -> tuple[Tensor, list[int], int]:
        best = log_probs.argmax(-1)
        collapsed = torch.unique_consecutive(best)
        collapsed = collapsed[collapsed != self.blank]
        found: list[int] = []
        previous = self.blank
        for i in range(best.size(0)):
            token = int(best[i])
            if token != self.blank and token != previous:
                found.append(token)
            previous = token
        return collapsed, found, len(found)


def test_ctc_greedy() -> None:
    torch.manual_seed(2)
    calls = [(torch.randn(n, 4),) for n in (9, 1, 30)]
    calls.append((torch.eye(4)[[0, 0, 0]],))
    check_program(CtcGreedy(), *calls, axes=[{0: "time"}], modes=["scripted"])


class Crf(nn.Module):
    """Viterbi decoding of a linear-chain CRF with masks, by loops, and the sequence's score."""

    def __init__(self, tags: int = 5):
        super().__init__()
        self.start = nn.Parameter(torch.randn(tags))
        self.end = nn.Parameter(torch.randn(tags))
        self.transitions = nn.Parameter(torch.randn(tags, tags))

    def forward(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        steps = emissions.size(0)
        score = self.start + emissions[0]
        history: list[Tensor] = []
        for i in range(1, steps):
            next_score = score.unsqueeze(2) + self.transitions + emissions[i].unsqueeze(1)
            next_score, indices = next_score.max(dim=1)
            score = torch.where(mask[i].unsqueeze(1), next_score, score)
            kept = torch.arange(score.size(1)).expand_as(indices)
            history.append(torch.where(mask[i].unsqueeze(1), indices, kept))
        score = score + self.end
        best_score, last = score.max(1)
        path = [last]
        for i in range(len(history) - 1, -1, -1):
            last = history[i].gather(1, last.unsqueeze(1)).squeeze(1)
            path.insert(0, last)
        return torch.stack(path), best_score

    def log_likelihood(self, emissions: Tensor) -> Tensor:
        score = self.start + emissions[0]
        for emission in emissions[1:]:
            score = torch.logsumexp(score.unsqueeze(2) + self.transitions, 1) + emission
        return torch.logsumexp(score + self.end, 1)


def test_crf_viterbi() -> None:
    torch.manual_seed(3)
    calls = []
    for steps, batch in [(6, 2), (1, 3), (9, 1)]:
        lengths = torch.randint(1, steps + 1, (batch,))
        calls.append((torch.randn(steps, batch, 5), torch.arange(steps).unsqueeze(1) < lengths))
    axes = [{0: "time", 1: "batch"}, {0: "time", 1: "batch"}]
    check_program(Crf(), *calls, axes=axes, modes=["scripted"])


class CrfPartition(nn.Module):
    """The partition function alone."""

    def __init__(self):
        super().__init__()
        self.crf = Crf()

    def forward(self, emissions: Tensor) -> Tensor:
        return self.crf.log_likelihood(emissions)


def test_crf_partition_function() -> None:
    torch.manual_seed(3)
    calls = [(torch.randn(s, b, 5),) for s, b in [(6, 2), (1, 3), (9, 1)]]
    check_program(CrfPartition(), *calls, axes=[{0: "time", 1: "batch"}], modes=["scripted"])


class RnnTransducer(nn.Module):
    """Greedy decoding of an RNN-T: a while loop in each frame, as MLPerf writes it."""

    def __init__(self, words: int = 6, size: int = 4, max_symbols: int = 3):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.prediction = nn.LSTM(size, size)
        self.joint = nn.Linear(2 * size, words + 1)
        self.blank = words
        self.max_symbols = max_symbols

    def predict(
        self, last: int, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if last == self.blank:
            y = torch.zeros(1, 1, 4)
        else:
            y = self.embedding(torch.tensor([[last]]))
        out, new_state = self.prediction(y, state)
        return out, new_state

    def forward(self, frames: Tensor) -> tuple[list[int], int]:
        words: list[int] = []
        state: tuple[Tensor, Tensor] | None = None
        last = self.blank
        for t in range(frames.size(0)):
            frame = frames[t : t + 1]
            not_blank = True
            symbols = 0
            while not_blank and symbols < self.max_symbols:
                out, new_state = self.predict(last, state)
                logits = self.joint(torch.cat([frame, out[0]], 1))[0]
                k = int(logits.argmax())
                if k == self.blank:
                    not_blank = False
                else:
                    words.append(k)
                    state = new_state
                    last = k
                symbols += 1
        return words, last


def test_rnn_transducer() -> None:
    torch.manual_seed(11)
    calls = [(torch.randn(n, 4) * 3,) for n in (5, 1, 12)]
    check_program(RnnTransducer(), *calls, axes=[{0: "time"}], modes=["scripted"])


class Tacotron(nn.Module):
    """An autoregressive mel decoder with location attention and a stop token."""

    def __init__(self, mels: int = 4, size: int = 6, max_steps: int = 20):
        super().__init__()
        self.prenet = nn.Linear(mels, size)
        self.attention_rnn = nn.LSTMCell(2 * size, size)
        self.location = nn.Conv1d(2, size, 3, padding=1, bias=False)
        self.energy = nn.Linear(size, 1)
        self.mel = nn.Linear(2 * size, mels)
        self.gate = nn.Linear(2 * size, 1)
        self.max_steps = max_steps
        self.mels = mels

    def forward(self, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, time, size = memory.shape
        frame = memory.new_zeros(batch, self.mels)
        hidden = memory.new_zeros(batch, size)
        cell = memory.new_zeros(batch, size)
        weights = memory.new_zeros(batch, time)
        cumulative = memory.new_zeros(batch, time)
        context = memory.new_zeros(batch, size)
        lengths = torch.zeros(batch, dtype=torch.int32)
        not_finished = torch.ones(batch, dtype=torch.int32)
        mels = torch.zeros(1)
        alignments = torch.zeros(1)
        first = True
        while True:
            frame = F.relu(self.prenet(frame))
            hidden, cell = self.attention_rnn(torch.cat((frame, context), -1), (hidden, cell))
            both = torch.cat((weights.unsqueeze(1), cumulative.unsqueeze(1)), dim=1)
            located = self.location(both).transpose(1, 2)
            energies = self.energy(torch.tanh(located + memory + hidden.unsqueeze(1))).squeeze(-1)
            weights = F.softmax(energies, dim=1)
            cumulative += weights
            context = torch.bmm(weights.unsqueeze(1), memory).squeeze(1)
            joined = torch.cat((hidden, context), dim=1)
            frame = self.mel(joined)
            gate = self.gate(joined)
            if first:
                mels = frame.unsqueeze(0)
                alignments = weights.unsqueeze(0)
                first = False
            else:
                mels = torch.cat((mels, frame.unsqueeze(0)), dim=0)
                alignments = torch.cat((alignments, weights.unsqueeze(0)), dim=0)
            dec = torch.le(torch.sigmoid(gate), 0.55).to(torch.int32).squeeze(1)
            not_finished = not_finished * dec
            lengths += not_finished
            if torch.sum(not_finished) == 0 or len(mels) == self.max_steps:
                break
        return mels, alignments, lengths


def test_tacotron() -> None:
    torch.manual_seed(5)
    calls = [(torch.randn(b, t, 6) * s,) for b, t, s in [(2, 5, 1.0), (1, 3, 5.0), (3, 1, 9.0)]]
    axes = [{0: "batch", 1: "time"}]
    check_program(Tacotron(), *calls, axes=axes, modes=["scripted"])


class Generate(nn.Module):
    """Sampling-free generation with repetition penalty, top-k filter and a stop list."""

    def __init__(self, words: int = 12, size: int = 8):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.mix = nn.Linear(size, size)
        self.stops = [3, 7]

    def logits(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        n = ids.size(1)
        mask = torch.ones(n, n, dtype=torch.bool).tril()
        scores = (x @ x.transpose(1, 2)).masked_fill(~mask, float("-inf"))
        return (self.mix(scores.softmax(-1) @ x)[:, -1]) @ self.embedding.weight.t()

    def forward(self, ids: Tensor, max_new: int, penalty: float, top_k: int) -> dict[str, Tensor]:
        steps = 0
        done = False
        while steps < max_new and not done:
            logits = self.logits(ids)
            seen = logits.gather(1, ids)
            seen = torch.where(seen < 0, seen * penalty, seen / penalty)
            logits = logits.scatter(1, ids, seen)
            kept = logits.topk(top_k)[0]
            logits[logits < kept[:, [-1]]] = float("-inf")
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=-1)
            for stop in self.stops:
                if bool((ids[:, -1] == stop).all()):
                    done = True
            steps += 1
        return {"ids": ids, "steps": torch.tensor(steps)}


def test_generate() -> None:
    torch.manual_seed(6)
    calls = [
        (torch.randint(12, (b, t)), n, p, k)
        for b, t, n, p, k in [(1, 3, 5, 1.3, 4), (2, 1, 7, 1.0, 1), (1, 4, 0, 2.0, 12)]
    ]
    check_program(Generate(), *calls, axes=[{0: "batch", 1: "time"}], modes=["scripted"])


def test_adaptive_computation_time() -> None:
    class Act(nn.Module):
        """Halting per element, in a while loop."""

        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(4, 4)
            self.halt = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            hidden = torch.zeros_like(x)
            output = torch.zeros_like(x)
            halting = torch.zeros(x.size(0))
            ponder = torch.zeros(x.size(0))
            step = 0
            while bool((halting < 0.99).any()) and step < 10:
                hidden = self.cell(x, hidden)
                p = torch.sigmoid(self.halt(hidden)).squeeze(-1)
                running = halting < 0.99
                last = running & (halting + p >= 0.99)
                weight = torch.where(last, 1 - halting, p) * running
                output += weight.unsqueeze(-1) * hidden
                halting = halting + weight
                ponder[running] += 1
                step += 1
            return output, ponder

    torch.manual_seed(7)
    calls = [(torch.randn(n, 4) * 4,) for n in (3, 1, 8)]
    check_program(Act(), *calls, axes=[{0: "batch"}], modes=["scripted"])


def test_early_exit_classifier() -> None:
    class EarlyExit(nn.Module):
        """Returns from inside the loop over its stages."""

        def __init__(self):
            super().__init__()
            self.stages = nn.ModuleList([nn.Linear(5, 5) for _ in range(4)])
            self.heads = nn.ModuleList([nn.Linear(5, 3) for _ in range(4)])

        def forward(self, x: Tensor, threshold: float) -> tuple[Tensor, int]:
            probabilities = x.new_zeros(x.size(0), 3)
            for i, (stage, head) in enumerate(zip(self.stages, self.heads)):
                x = torch.tanh(stage(x))
                probabilities = head(x).softmax(-1)
                if float(probabilities.max(-1)[0].min()) > threshold:
                    return probabilities, i
            return probabilities, len(self.stages)

    torch.manual_seed(8)
    calls = [(torch.randn(b, 5), t) for b, t in [(2, 0.45), (1, 0.0), (3, 0.9), (1, 0.42)]]
    check_program(EarlyExit(), *calls, axes=[{0: "batch"}], modes=["scripted"])
