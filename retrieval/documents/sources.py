"""Sources: the names by which an index knows the folders and files that its documents came from.

FOLDER/sources.json   name → path, written with the index

A document's id begins with the name of its source: two folders may each have a README.md, and a file has
the same id whether it was named itself or found in its folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from kg_builder.files import write_json
from retrieval.documents.characters import clean

SOURCES = "sources.json"


class Sources:
    """Names of sources, each unlike all others; a new one is named after its file or folder."""

    def __init__(self, paths: dict[str, Path] | None = None) -> None:
        self._paths = dict(paths or {})

    @classmethod
    def load(cls, folder: Path) -> Sources:
        """The sources of the index in ``folder``; none where nothing is known of them."""
        try:
            held = json.loads((folder / SOURCES).read_text(encoding="utf-8"))
            return cls({str(name): Path(path) for name, path in held.items()})
        except (OSError, ValueError, AttributeError, TypeError):
            return cls()

    def save(self, folder: Path) -> None:
        write_json(folder / SOURCES, {name: clean(str(path)) for name, path in self._paths.items()})

    def of(self, path: Path) -> str:
        """The id of an absolute path: the name of its source, and the path below it.

        A path below no known source becomes one. A source that is gone gives its name to the next one
        that is called so: it was moved.
        """
        for name, root in self._paths.items():
            if path == root:
                return name
            if root in path.parents:
                return f"{name}/{path.relative_to(root).as_posix()}"
        name = path.name or "root"
        above = list(path.parents)
        while self._is_taken(name):
            # The folders above tell two of one name apart.
            parent = above.pop(0).name if above else ""
            name = f"{parent}/{name}" if parent else f"{name}+"
        self._paths[name] = path
        return name

    def _is_taken(self, name: str) -> bool:
        return any(
            root.exists() and (f"{held}/".startswith(f"{name}/") or name.startswith(f"{held}/"))
            for held, root in self._paths.items()
        )
