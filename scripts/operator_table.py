#!/usr/bin/env python3
"""Writes docs/operators.md: every operator that converts, by family, from the registry.

operator_table.py            write it
operator_table.py --check    say whether it is up to date (exit code 1 if not)
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import exporter  # noqa: F401  registers the operators
from exporter.conversion.builtins.builtin import BUILTINS
from symbolics.registry import registered

TABLE = Path(__file__).parent.parent / "docs" / "operators.md"


def table() -> str:
    """The page."""
    families: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for overload in registered():
        head = overload.text.split("(", 1)[0]
        name, _, variant = head.partition(".")
        family = overload.function.__module__.removeprefix("symbolics.").replace(".", "/")
        families[family][name].append(variant)
    names = {name for rows in families.values() for name in rows}
    lines = [
        "# Operators that convert",
        "",
        f"{len(names)} operators on tensors ({len(registered())} overloads), by the file of their",
        "symbolics. The in-place (`add_`) and `out=` forms of each convert too. Which arguments",
        "are refused, and why, the error says. Made by `scripts/operator_table.py`.",
        "",
    ]
    for family in sorted(families):
        rows = families[family]
        shown = [f"`{n.removeprefix('aten::')}`" for n in sorted(rows)]
        lines += [f"## {family}", "", ", ".join(shown), ""]
    plain = sorted({n.removeprefix("aten::") for n in BUILTINS} - {n[6:] for n in names})
    lines += [
        "## Python values",
        "",
        "On numbers, strings, lists, dicts and properties of tensors, computed while converting:",
        ", ".join(f"`{n}`" for n in plain),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    options = parser.parse_args()
    page = table()
    if options.check:
        current = TABLE.exists() and TABLE.read_text() == page
        print(f"{TABLE.name} is {'up to date' if current else 'out of date: run this script'}")
        return 0 if current else 1
    TABLE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
