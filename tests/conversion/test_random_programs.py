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
@given(st.integers(0, 2**32), st.booleans())
def test_random_programs(seed: int, unroll: bool) -> None:
    program = random_program(random.Random(seed))
    if program is None:
        return
    outcome = outcome_of(program, unroll=unroll)
    if outcome.kind == "different":
        small = reduced(program, outcome, unroll=unroll)
        raise AssertionError(
            f"{outcome_of(small, unroll=unroll).text}\n{small.setting}\n{small.source()}"
        )
    assert isinstance(outcome, Outcome)
