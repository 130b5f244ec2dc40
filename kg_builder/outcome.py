"""Outcome: what became of the rows of a build, in lines for the console, and how to mend it."""

from __future__ import annotations

from typing import Any, NamedTuple

SHOWN = 8  # reasons at most
FEW = 0.5  # questions for each row that could give one: below this the reasons are shown

# How to mend it, by how the reason begins; the first that fits.
REMEDIES = (
    ("relation: its name does not say", "--unknown all asks them; --catalogue words them as you do"),
    ("relation: not in the catalogue", "--unknown typed or all asks them"),
    ("relation: changes over time", "--changing asks them"),
    ("relation:", "a relation of your own (--catalogue) is asked all the same"),
    ("changes over time", "--changing asks them"),
    ("a name that many bear", "--keep-names, if within your graph they mean one thing"),
    ("a title that many works bear", "--keep-names, if within your graph they mean one thing"),
    ("a name that several people bear", "--keep-names, if within your graph they mean one thing"),
    ("name is a number or a date", "are these ids? Add the file that names them as a further source "
     "(columns :ID and name), or say which columns hold names: --fields s=…,p=…,o=…"),
    ("name is a single letter", "--fields s=…,p=…,o=… if that is not the column with the names"),
    ("the subject has no name", "--language en for a graph in English"),
    ("no object has a name", "--language en for a graph in English"),
    ("the relation has no name", "--language en, or --catalogue with its name in both languages"),
    ("values of a single-valued", "keep one of the values, or tell namesakes apart: 李娜（歌手）"),
    ("the same answer too often", "--max-pair-share 1 --max-answer-share 1 keeps them"),
    ("the same relation too often", "--max-relation-share 1 keeps them"),
)  # fmt: skip


class Loss(NamedTuple):
    """Rows, values or facts that became no question, why, one of them, and the remedy or ""."""

    times: int
    reason: str
    sample: str
    remedy: str


def losses(counts: dict[str, Any]) -> list[Loss]:
    """What was left out of a build by its report, the most frequent reasons first."""
    stages = [counts["rows"]["dropped"], counts["values"]["dropped"]]
    # In the language that gave most; what another one lacks is no loss of the build.
    stages.append(max(counts["languages"].values(), key=lambda told: told["questions"])["dropped"])
    stages += [source["malformed"] for source in counts["sources"]]
    found: dict[str, Loss] = {}
    for stage in stages:
        for reason, entry in stage.items():
            known = found.get(reason)
            sample = entry["samples"][0] if entry["samples"] else ""
            count = entry["count"] + (known.times if known else 0)
            found[reason] = Loss(count, reason, known.sample if known else sample, _remedy(reason))
    return sorted(found.values(), key=lambda one: (-one.times, one.reason))


def is_poor(counts: dict[str, Any]) -> bool:
    """Whether a build gave few questions for what was read."""
    about_facts = counts["rows"]["read"] - sum(counts["rows"]["about_names"].values())
    asked = max(told["questions"] for told in counts["languages"].values())
    return bool(asked < FEW * about_facts or not counts["questions"])


def outcome_lines(counts: dict[str, Any]) -> list[str]:
    """One line a reason: how many, why, an example, and how to mend it."""
    found = losses(counts)
    lines = []
    for one in found[:SHOWN]:
        example = f", e.g. {one.sample}" if one.sample else ""
        remedy = f" → {one.remedy}" if one.remedy else ""
        lines.append(f"{one.times:>9,} {one.reason}{example}{remedy}")
    if len(found) > SHOWN:
        rest = sum(one.times for one in found[SHOWN:])
        lines.append(f"{rest:>9,} for {len(found) - SHOWN} other reasons: report.json")
    return lines


def _remedy(reason: str) -> str:
    return next((remedy for start, remedy in REMEDIES if reason.startswith(start)), "")
