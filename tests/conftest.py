"""The same random inputs in every run, however the tests are spread over processes."""

import sys

import pytest


def seed() -> None:
    """Seed PyTorch where it is in use: the tests that do without it must not import it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Of inputs that a test file draws when it is imported."""
    if isinstance(collector, pytest.Module):
        seed()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Of inputs that a test draws."""
    seed()
