"""Compiling: `matches` in machine code, by mypyc and a C compiler. See matching/compiled.py."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from kg_builder.errors import UserError
from kg_builder.files import write_text
from kg_builder.matching.compiled import DIGEST, FOLDER, LIBRARY, MODULES, digest, is_fresh

PACKAGE = Path(__file__).parent
TOLD = 12  # lines of a compiler's complaint that are shown

# -O1: compiles in 41 s where -O3 takes 57, and what it makes is as fast.
_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
setup(name="matching", ext_modules=mypycify([*options, *sys.argv[2:]], opt_level='1'),
      script_args=["--quiet", "build_ext", "--build-lib", sys.argv[1]])
"""


class CompileError(UserError):
    """mypyc or a C compiler is missing, or failed."""


def compile_matching() -> bool:
    """Compile the modules of `matches`, about a minute; False where that was done before.

    Used from the next start of Python on. Raises CompileError.
    """
    if is_fresh():
        return False
    _check_tools()
    with tempfile.TemporaryDirectory(prefix="zhizhi-compile-") as name:
        work = Path(name)
        # A copy, so that what the compilers leave behind is not left in the package.
        shutil.copytree(
            PACKAGE, work / PACKAGE.name, ignore=shutil.ignore_patterns(".*", "__pycache__")
        )
        made = digest()
        files = [f"{PACKAGE.name}/matching/{module}.py" for module in MODULES]
        done = subprocess.run(
            [sys.executable, "-c", _SETUP, "built", *files],
            cwd=work, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            complaint = "\n".join((done.stdout + done.stderr).splitlines()[-TOLD:])
            raise CompileError(
                f"mypyc or the C compiler failed; matches goes on running from its source.\n{complaint}"
            )
        _install(work / "built", made)
    return True


def _check_tools() -> None:
    missing = [name for name in ("mypyc", "setuptools") if find_spec(name) is None]
    if missing:
        raise CompileError(
            f"{' and '.join(missing)} not installed. Run: pip install 'zhizhi[compile]' -c constraints.txt"
        )
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        raise CompileError(
            "No C compiler found. Install gcc (Debian: apt-get install gcc) or clang."
        )


def _install(built: Path, made: str) -> None:
    """Move what was built into its folder; the digest, which makes it count, comes last."""
    found = [*built.glob(f"*{LIBRARY}.*"), *(built / PACKAGE.name / "matching").iterdir()]
    try:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        for path in found:
            shutil.move(path, FOLDER / path.name)
        write_text(FOLDER / DIGEST, made)
    except OSError as error:
        raise CompileError(f"{FOLDER} cannot be written ({error.strerror}).") from error
