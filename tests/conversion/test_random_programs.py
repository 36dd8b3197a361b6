"""Random programs give what eager PyTorch gives; `scripts/random_programs.py` runs many more."""

import os
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conversion.random_checks import Outcome, outcome_of, reduced
from tests.conversion.random_growing import random_program

COUNT = int(os.environ.get("RANDOM_PROGRAMS", "100"))


@settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(st.integers(0, 2**32))
def test_random_programs(seed: int) -> None:
    program = random_program(random.Random(seed))
    if program is None:
        return
    outcome = outcome_of(program)
    if outcome.kind == "different":
        small = reduced(program, outcome)
        raise AssertionError(f"{outcome_of(small).text}\n{small.source()}")
    assert isinstance(outcome, Outcome)
