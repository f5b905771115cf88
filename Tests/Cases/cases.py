"""All cases. A new one is a function with a decorator (`making.py`) in the file of its subject."""
import cameras  # noqa: F401
import commands  # noqa: F401
import elsewhere  # noqa: F401
import filterkeys  # noqa: F401
import layouts  # noqa: F401
import lerobot  # noqa: F401
import links  # noqa: F401
import metadata  # noqa: F401
import shapes  # noqa: F401
import storage  # noqa: F401
import structure  # noqa: F401
import types_of_numbers  # noqa: F401
import weights  # noqa: F401
from making import CASES

__all__ = ["CASES"]
