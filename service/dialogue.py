"""Making a follow-up question self-contained, by rules: every question is answered by itself.

    法国的首都是哪里?  …  那英国呢?                 → 英国的首都是哪里?
    岳飞的儿子是谁?    …  他的妻子是谁?             → 岳飞的妻子是谁?
    What is the capital of France?  …  And Spain?  → What is the capital of Spain?

The rules take the subject of the last question for what is meant. They know no more than that: what
they cannot place is left as it stands, and the answer's ``question`` shows what was asked in the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

END = "[?？。.!！\\s]*$"
# Follow-ups that name another subject. The group is the new subject.
ELLIPSES = (
    re.compile(rf"^(?:那么|那|还有)?\s*(?P<new>[^,，?？的]{{1,30}}?)\s*呢{END}"),
    re.compile(
        rf"^(?:(?:and|so|then)\s+)?(?:what|how)\s+about\s+(?P<new>.{{1,60}}?){END}", re.IGNORECASE
    ),
    # "And Spain?", but not "And who wrote it?"
    re.compile(
        rf"^and\s+(?:for\s+)?(?!(?:wh\w+|how|is|are|was|were|did|do|does|can)\b)"
        rf"(?P<new>[^?]{{1,60}}?){END}",
        re.IGNORECASE,
    ),
)
# Pronouns that open a question or stand in the subject's place.
PRONOUNS = (
    re.compile(r"^(?:那么|那)?[,，]?\s*(?:[他她它]们?|其(?![他它她实中余]))的?(?=.)"),
    re.compile(r"\b(?:his|her|its|their)\b", re.IGNORECASE),
)
# Where a question names its subject.
SUBJECTS = (
    re.compile(r"(?:^|请问|[是,，])\s*(?P<subject>[^,，?？是哪谁什的]{1,30})的"),
    re.compile(r"\b(?:of|in|by|for)\s+(?P<subject>(?:the\s+)?[A-Z0-9][^?]*?)(?='s\b|\s*[?.]|$)"),
    re.compile(r"\b(?P<subject>[A-Z][\w.-]*(?:\s+[A-Z][\w.-]*)*)(?='s\b)"),
)


def last_question(questions: Sequence[str]) -> str:
    """The last of the questions of a conversation, self-contained."""
    contained: list[str] = []
    for question in questions:
        contained.append(self_contained(question, contained))
    return contained[-1]


def subject_of(question: str) -> re.Match[str] | None:
    """Where ``question`` names what it is about."""
    for pattern in SUBJECTS:
        if found := pattern.search(question):
            return found
    return None


def self_contained(question: str, before: Sequence[str]) -> str:
    """``question`` with what it leaves out, from the questions ``before`` it (oldest first)."""
    question = question.strip()
    for previous in reversed(before):
        found = subject_of(previous)
        if found is None:
            continue
        subject = found["subject"]
        for ellipsis in ELLIPSES:
            if match := ellipsis.match(question):
                start, end = found.span("subject")
                return previous[:start] + match["new"].strip() + previous[end:]
        chinese, english = PRONOUNS
        if chinese.match(question) and subject_of(question) is not None:
            return chinese.sub(f"{subject}的", question, count=1)
        if english.search(question) and not re.search(r"[\u4e00-\u9fff]", question):
            return english.sub(f"{subject}'s", question, count=1)
        return question
    return question
