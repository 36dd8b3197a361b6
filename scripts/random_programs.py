#!/usr/bin/env python3
"""Convert random TorchScript programs and compare them with eager PyTorch.

random_programs.py --count 2000 [--start 0] [--reduce] [--loops] [--size 12]

Exits with 1 if a program gives something else than PyTorch. Programs that PyTorch itself rejects
don't count; those we refuse are counted apart, with the reasons.
"""

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.conversion.random_checks import outcome_of, reduced
from tests.conversion.random_growing import random_program


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, default=12, help="the most statements of a program")
    parser.add_argument("--reduce", action="store_true", help="show the smallest failing programs")
    parser.add_argument("--verbose", action="store_true", help="name each seed before it runs")
    parser.add_argument("--loops", action="store_true", help="unroll no loop")
    parser.add_argument("--unsupported", action="store_true", help="show programs that are refused")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    seed = options.start
    while sum(kinds.values()) - kinds["rejected"] < options.count:
        if options.verbose:
            print("seed", seed, flush=True)
        program = random_program(random.Random(seed), options.size)
        seed += 1
        if program is None:
            continue
        outcome = outcome_of(program, unroll=not options.loops)
        kinds[outcome.kind] += 1
        if outcome.kind == "unsupported":
            reasons[outcome.text.splitlines()[0]] += 1
        if outcome.kind == "rejected":
            reasons["(PyTorch) " + outcome.text[:60]] += 1
        if outcome.kind == "different" or (options.unsupported and outcome.kind == "unsupported"):
            shown = program
            if options.reduce:
                shown = reduced(program, outcome, unroll=not options.loops)
            text = outcome_of(shown, unroll=not options.loops).text or outcome.text
            print(
                f"--- seed {seed - 1}: {text[:800]}\n{shown.setting}\n{shown.source()}", flush=True
            )
    print(dict(kinds))
    for reason, count in reasons.most_common():
        print(f"{count:6d}  {reason}")
    return 1 if kinds["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
