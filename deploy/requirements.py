"""Print what the named extras of pyproject.toml need, one requirement a line.

Used while building images, where the dependencies are installed before the code is there:

    python deploy/requirements.py service store
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def requirements(names: list[str]) -> list[str]:
    """The requirements of the project and of ``names``, extras of extras resolved."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    found = list(project["dependencies"])
    queue, seen = list(names), set()
    while queue:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name not in extras:
            sys.exit(f"pyproject.toml has no extra {name!r}. It has: {', '.join(sorted(extras))}.")
        for requirement in extras[name]:
            own = re.fullmatch(r"zhizhi\[([\w,-]+)\]", requirement.replace(" ", ""))
            if own:
                queue += own[1].split(",")
            else:
                found.append(requirement)
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
