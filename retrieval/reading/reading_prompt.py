"""The reading prompt: numbered evidence between fences that no page can forge."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from retrieval.evidence import Evidence
from retrieval.quarantine import visible
from retrieval.reading.reading_pack import ReadingPack

# Unknown outside this process, and the same for all its prompts: equal questions stay equal.
FENCE = secrets.token_hex(4)
_BRACKETS = re.compile(r"<{2,}|>{2,}|<\||\|>")
_CITATION = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_ROUND = str.maketrans("<>", "‹›")


def escaped(text: str) -> str:
    """Evidence as a prompt may hold it: nothing invisible, no delimiter, no citation mark, no fence."""
    text = _BRACKETS.sub(lambda found: found.group().translate(_ROUND), visible(text))
    return _CITATION.sub(r"(\1)", text).replace(FENCE, "")


def messages(
    question: str, evidence: Sequence[Evidence], pack: ReadingPack
) -> list[tuple[str, str]]:
    """(role, content) of the system and the user turn; passages are numbered from 1."""
    system = pack.system.format(insufficient=pack.insufficient, conflicting=pack.conflicting)
    blocks = [
        pack.passage.format(
            number=number,
            fence=FENCE,
            title=" ".join(escaped(item.passage.title).split()),
            text=escaped(item.passage.text),
        )
        for number, item in enumerate(evidence, 1)
    ]
    asked = pack.question.format(evidence="\n\n".join(blocks), question=" ".join(question.split()))
    return [("system", system), ("user", asked)]
