"""The import of the function, without collections of garbage meanwhile.

An import makes many thousands of objects that stay. The collector would look through them again and again, for a tenth
of the time until the first event; so it is off meanwhile, and never looks at them later.
"""

from __future__ import annotations

import gc

_was_enabled = gc.isenabled()
gc.disable()
try:
    from .function import Function, function_settings
finally:
    if _was_enabled:
        gc.freeze()
        gc.enable()

__all__ = ["Function", "function_settings"]
