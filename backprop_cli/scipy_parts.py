"""Single modules of SciPy, without the package around them, which takes longer to import."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


@cache
def part_of_scipy(name: str, public: str) -> Any:
    """Return a module of SciPy, loaded by its file; where that fails, the `public` module, which has the same names.

    It fails where the file is elsewhere, and on Windows, where extensions find their libraries through the package.
    """
    package, *folders, last = name.split(".")
    with suppress(ImportError):
        found = find_spec(package) if name not in sys.modules else None
        places = [str(Path(place, *folders)) for place in (found and found.submodule_search_locations) or ()]
        file = PathFinder.find_spec(last, places)
        spec = spec_from_file_location(name, file.origin) if file and file.origin else None
        if spec and spec.loader:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return import_module(public)
