"""How sentences and names are joined in a passage, and how other names are introduced."""

from __future__ import annotations

from kg_builder.question import Language

STOP: dict[Language, str] = {"zh": "。", "en": ". "}
COMMA: dict[Language, str] = {"zh": "、", "en": ", "}
ALSO: dict[Language, str] = {"zh": "{s}又称{o}", "en": "{s} is also known as {o}"}
MAX_ALIASES = 3
