"""Programs to run from a checkout: `python -m cmd.stream`.

This package carries the name of a standard library module, and wherever the
repository root comes first on `sys.path` it is found instead of that module.
`pdb` imports `cmd`, and with it do `breakpoint()`, doctest and pytest; so this
package has to *be* the standard module as well: the interpreter's own
`Lib/cmd.py` is executed in this namespace.

No code of ours belongs here; it lives in `chatbots.cli`.
The wheel never holds this package.
"""

import os as _os
import sys as _sys
from importlib.machinery import PathFinder as _PathFinder
from types import CodeType as _CodeType


def _become_the_standard_module() -> None:
    here = _os.path.realpath(_os.path.dirname(_os.path.dirname(__file__)))
    # The directory of os.py is Lib/; the rest of sys.path covers a zipped library.
    places = (_os.path.dirname(_os.__file__), *_sys.path)
    elsewhere = [place for place in places if _os.path.realpath(place or _os.curdir) != here]
    spec = _PathFinder.find_spec("cmd", elsewhere)
    if spec is None or spec.loader is None or spec.submodule_search_locations:
        raise ImportError("The standard library's module was not found.", name="cmd")
    ours = globals()["__doc__"]
    # A loader of files has get_code (importlib.abc.InspectLoader), which spec does not promise.
    code: _CodeType = getattr(spec.loader, "get_code")("cmd")  # noqa: B009
    exec(code, globals())  # noqa: S102 - the interpreter's own file
    globals()["__doc__"] = ours


_become_the_standard_module()
