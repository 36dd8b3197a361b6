"""What the builder refuses to build."""

import pytest

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder


def test_bodies_are_nested_no_deeper_than_a_file_can_be_read() -> None:
    g = Builder(20)

    def nest(depth: int) -> None:
        if depth:
            with g.body("then"):
                nest(depth - 1)

    nest(31)
    with pytest.raises(UnsupportedError, match="in one another more than 31 deep"):
        nest(32)
