"""Compiled: the modules of this package in machine code, where `zhizhi kg compile` made it.

mypyc compiles the modules as they are: nothing is written twice. What it makes lies in a folder of its
own beside the digest of its sources, and is left alone where they have changed since: a module is never
older than its source. ZHIZHI_COMPILED=0 runs the sources all the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

SOURCES = Path(__file__).parent
FOLDER = SOURCES / ".compiled"
DIGEST = "sources.sha256"
MODULES = (
    "answer", "counters", "dates", "features", "golds", "judge", "mentions", "names", "normalise",
    "numbers", "overlap",
    "quantities", "shares", "stance", "stems", "surroundings", "verdict",
)  # fmt: skip
LIBRARY = "__mypyc"  # how the name of the library ends that holds the code of all of them
SWITCH = "ZHIZHI_COMPILED"


def digest() -> str:
    """Of the sources, and of the Python that the compiled code would be for."""
    state = hashlib.sha256(EXTENSION_SUFFIXES[0].encode())
    for name in MODULES:
        state.update((SOURCES / f"{name}.py").read_bytes())
    return state.hexdigest()


def is_fresh() -> bool:
    """Whether there is compiled code, made of the sources as they are."""
    try:
        return (FOLDER / DIGEST).read_text(encoding="ascii") == digest()
    except OSError:
        return False


def use(package_path: list[str]) -> bool:
    """Have the modules of the package at ``package_path`` come from the compiled code, if it is fresh."""
    if os.environ.get(SWITCH) == "0" or not is_fresh():
        return False
    suffix = EXTENSION_SUFFIXES[0]
    library = next(FOLDER.glob(f"*{LIBRARY}{suffix}"), None)
    if library is None:
        return False
    # The modules ask for their library by its bare name, which is nowhere on the path.
    name = library.name.removesuffix(suffix)
    loader = ExtensionFileLoader(name, str(library))
    try:
        module = module_from_spec(ModuleSpec(name, loader, origin=str(library)))
        sys.modules[name] = module
        loader.exec_module(module)
    except ImportError:  # made on another machine, or cut short
        sys.modules.pop(name, None)
        return False
    package_path.insert(0, str(FOLDER))
    return True
