"""MatchReport: what `matches` makes of a file of answers, and how far people agree with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kg_builder.errors import UserError
from kg_builder.files import read_jsonl
from kg_builder.matching.golds import gold_of
from kg_builder.matching.surroundings import Names
from kg_builder.matching.verdict import Match, Verdict, matches
from kg_builder.question import Gold


class MatchError(UserError):
    """A file of answers lacks what is to be compared."""


class Agreement(BaseModel):
    """How the verdicts agree with people's labels.

    ``accuracy`` is over the answers that were decided: the ambiguous are counted apart, in ``ambiguous``.
    ``strict_accuracy`` is over all answers and takes ambiguous as not right. ``precision`` is the share
    of the answers judged right that people call right, ``recall`` the share of those that people call
    right that are judged right (an ambiguous one is not), ``passed`` the share of those that people call
    wrong that are judged right.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    accuracy: float | None
    strict_accuracy: float | None
    precision: float | None
    recall: float | None
    passed: float | None
    ambiguous: int
    ambiguous_right: int  # those of the ambiguous that people call right


class MatchReport(BaseModel):
    """Counts of verdicts and reasons, and the agreement with labels where there are any."""

    model_config = ConfigDict(frozen=True)

    n: int
    verdicts: dict[Verdict, int]
    reasons: dict[str, int]
    left_out: int = 0
    agreement: Agreement | None = None
    systems: dict[str, MatchReport] = Field(default_factory=dict)


def score_file(
    path: Path,
    answer: str,
    gold: str,
    label: str | None = None,
    *,
    question: str = "question",
    by: str | None = None,
    leave_out: str | None = None,
) -> MatchReport:
    """Judge every record of a JSON Lines file.

    ``answer``, ``gold``, ``label``, ``question``, ``by`` and ``leave_out`` are names of fields. A gold is a
    string, a list of strings (any of which is right), or a Gold as JSON. ``question`` is used where a
    record has one. ``by`` splits the report (a field such as "model"); a record whose ``leave_out``
    field is true is counted but not judged. The golds of the file are names that are known: an answer
    that gives the longer one of two does not give the shorter. Raises MatchError for a record without the
    fields, FileError for a file that is no JSON Lines.
    """
    judged: list[tuple[str, Match, bool | None]] = []
    records = [(f"{path}, record {n}", record) for n, record in enumerate(read_jsonl(path), 1)]
    kept = [row for row in records if not (leave_out and row[1].get(leave_out) is True)]
    left_out = len(records) - len(kept)
    golds = [_gold(record, gold, where) for where, record in kept]
    names = Names(name for one in golds for object_ in one.objects for name in object_)
    for (where, record), one in zip(kept, golds, strict=True):
        text = _field(record, answer, where)
        if not isinstance(text, str):
            raise MatchError(f"{where}: {answer!r} is {type(text).__name__}, expected a string.")
        asked = record.get(question)
        match = matches(text, one, question=asked if isinstance(asked, str) else "", names=names)
        judged.append((str(record.get(by, "")) if by else "", match, _label(record, label, where)))
    report = _report(((match, right) for _, match, right in judged), left_out)
    if not by:
        return report
    systems = {
        system: _report(((m, right) for s, m, right in judged if s == system), 0)
        for system in sorted({system for system, _, _ in judged})
    }
    return report.model_copy(update={"systems": systems})


def _field(record: dict[str, Any], name: str, where: str) -> Any:
    if name not in record:
        fields = ", ".join(sorted(record)) or "none"
        raise MatchError(f"{where}: no field {name!r}. Its fields are: {fields}.")
    return record[name]


def _gold(record: dict[str, Any], name: str, where: str) -> Gold:
    value = _field(record, name, where)
    if isinstance(value, str):
        return gold_of(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return gold_of(value)
    if isinstance(value, dict):
        try:
            return Gold.model_validate(value)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise MatchError(
                f"{where}: {name!r} is no Gold ({place}: {problem['msg']})."
            ) from error
    raise MatchError(f"{where}: {name!r} has to be a string, a list of strings or a Gold.")


def _label(record: dict[str, Any], name: str | None, where: str) -> bool | None:
    if name is None:
        return None
    value = _field(record, name, where)
    if value is None or isinstance(value, bool):
        return value
    raise MatchError(f"{where}: {name!r} is {value!r}, expected true, false or null.")


def _report(judged: Iterable[tuple[Match, bool | None]], left_out: int) -> MatchReport:
    pairs = list(judged)
    verdicts = Counter(match.verdict for match, _ in pairs)
    labelled = [(match.verdict, right) for match, right in pairs if right is not None]
    return MatchReport(
        n=len(pairs),
        verdicts={verdict: verdicts[verdict] for verdict in ("right", "wrong", "ambiguous")},
        reasons=dict(Counter(match.reason for match, _ in pairs).most_common()),
        left_out=left_out,
        agreement=agree(labelled) if labelled else None,
    )


def agree(labelled: Iterable[tuple[Verdict, bool]]) -> Agreement:
    """The agreement of verdicts with labels."""
    counts = Counter(labelled)

    def count(verdicts: tuple[Verdict, ...], *rights: bool) -> int:
        return sum(counts[verdict, right] for verdict in verdicts for right in rights)

    everything: tuple[Verdict, ...] = ("right", "wrong", "ambiguous")
    n = count(everything, True, False)
    ambiguous = count(("ambiguous",), True, False)
    passed = count(("right",), False)
    true = count(("right",), True)
    agreed = true + count(("wrong",), False)
    return Agreement(
        n=n,
        accuracy=_share(agreed, n - ambiguous),
        strict_accuracy=_share(agreed + count(("ambiguous",), False), n),
        precision=_share(true, true + passed),
        recall=_share(true, count(everything, True)),
        passed=_share(passed, count(everything, False)),
        ambiguous=ambiguous,
        ambiguous_right=count(("ambiguous",), True),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
