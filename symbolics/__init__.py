"""The operators: one module a family.

Importing this package imports what any program may need without calling it by name: the core of the
operators, what is done with complex tensors, and the writes to views. The other families are
imported by the registry when an operator is asked for that those before do not have
(`symbolics.families`).
"""

from symbolics import prims  # noqa: F401
from symbolics.elementwise import complex_functions  # noqa: F401
from symbolics.views import view_writes  # noqa: F401
