"""Question sets: what is asked, read from our own files, CSV, or a Hugging Face dataset folder.

questions.jsonl        of kg_builder, or any JSON Lines with the fields below
questions.csv, .tsv    a header line with the same names; several right answers parted by |
a folder               questions.jsonl of kg_builder, or a Hugging Face dataset (save_to_disk, parquet,
                       arrow, CSV, JSON)
reading sets           records with text and qas (CMRC 2018, SQuAD): questions, and passages to index
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from eval.errors import EvalError
from kg_builder.errors import UserError
from kg_builder.files import digest, read_jsonl
from kg_builder.passage import Passage
from kg_builder.question import Gold, Question
from training.calibrated import language_of

# What the fields of a question may be called, the first that is there counts.
FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("question", "q", "text", "query", "prompt", "问题"),
    "gold": (
        "answer",
        "answers",
        "gold",
        "golds",
        "objects",
        "possible_answers",
        "target",
        "a",
        "答案",
    ),
    "id": ("id", "qid", "question_id", "query_id", "_id"),
    "language": ("language", "lang"),
    "relation": ("relation", "p", "property", "category", "primary_category"),
    "subject": ("subject", "s", "entity", "subj"),
    "popularity": ("popularity", "s_pop", "sitelinks"),
    "answer_type": ("answer_type",),
    "split": ("split",),
}
SEPARATOR = "|"
ENDS = "?\uff1f\u3002."  # of a question


class Skipped(BaseModel):
    """A record that is no question, and why."""

    where: str
    why: str


class QuestionSet(BaseModel):
    """Questions with where they came from; ``passages`` where the set brings its own."""

    name: str
    questions: list[Question]
    passages: list[Passage] = []
    skipped: list[Skipped] = []


def read_question_set(path: Path, *, split: str | None = None) -> QuestionSet:
    """Read a question set; ``split`` takes the questions of that split only.

    Records without a question or an answer are skipped and counted. Raises EvalError where there is no
    such file, nothing can be read, or no question is left.
    """
    if not path.exists():
        raise EvalError(
            f"There is no question set at {path}. Give a .jsonl, .csv or dataset folder."
        )
    if path.is_dir() and (path / "questions.jsonl").is_file():
        path = path / "questions.jsonl"
    records = _folder(path) if path.is_dir() else _file(path)
    found = _collect(path.stem if path.stem != "questions" else path.parent.name, records)
    if split is not None:
        splits = Counter(q.split for q in found.questions)
        found.questions = [q for q in found.questions if q.split == split]
        if not found.questions and splits:
            known = ", ".join(f"{name} ({count})" for name, count in splits.items())
            raise EvalError(f"{path} has no questions in the split {split!r}. It has: {known}.")
    if not found.questions:
        first = (
            f" The first: {found.skipped[0].where}: {found.skipped[0].why}" if found.skipped else ""
        )
        raise EvalError(
            f"{path} holds no question that can be evaluated; {len(found.skipped)} records were "
            f"skipped.{first}"
        )
    return found


def _file(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from _csv(path, "\t" if suffix == ".tsv" else None)
    elif suffix in (".jsonl", ".json", ".ndjson"):
        for number, record in enumerate(read_jsonl(path), 1):
            yield f"record {number}", record
    else:
        raise EvalError(f"{path}: not a question set. Give .jsonl, .csv, .tsv or a dataset folder.")


def _csv(path: Path, delimiter: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if delimiter is None:
                sample = stream.readline()
                stream.seek(0)
                delimiter = max(",;\t", key=sample.count)
            reader = csv.DictReader(stream, delimiter=delimiter)
            for record in reader:
                yield f"line {reader.line_num}", {k: v for k, v in record.items() if k}
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise EvalError(f"{path}: cannot be read as UTF-8 CSV ({error}).") from error


def _folder(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A dataset folder as the ``datasets`` library reads it, without a network."""
    import datasets

    try:
        if (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(str(path))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise EvalError(f"{path}: not a dataset folder ({error}).") from error
    parts = found if isinstance(found, Mapping) else {None: found}
    for name, part in parts.items():
        for number, record in enumerate(part):
            row = dict(record)
            if name is not None and "split" not in row:
                row["split"] = {"validation": "calibration"}.get(str(name), str(name))
            yield f"{name or path.name} row {number}", row


def _collect(name: str, records: Iterable[tuple[str, Mapping[str, Any]]]) -> QuestionSet:
    questions: dict[str, Question] = {}
    passages: list[Passage] = []
    skipped: list[Skipped] = []
    for where, record in records:
        try:
            if "qas" in record:
                passage, asked = _reading(record)
                passages.append(passage)
            else:
                asked = [_question(record)]
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            skipped.append(Skipped(where=where, why=f"{place}: {fault['msg']}"))
            continue
        except (UserError, ValueError, TypeError, KeyError) as error:
            skipped.append(Skipped(where=where, why=str(error)))
            continue
        for question in asked:
            if question.id in questions:
                skipped.append(Skipped(where=where, why=f"the id {question.id!r} occurs twice"))
            else:
                questions[question.id] = question
    return QuestionSet(
        name=name, questions=list(questions.values()), passages=passages, skipped=skipped
    )


def _field(record: Mapping[str, Any], name: str) -> Any:
    for key in FIELDS[name]:
        if record.get(key) not in (None, "", [], {}):
            return record[key]
    return None


def _question(record: Mapping[str, Any]) -> Question:
    if isinstance(record.get("gold"), Mapping) and "topic" in record:
        return Question.model_validate(record)
    text, gold = _field(record, "text"), _field(record, "gold")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"it has no question (looked for {', '.join(FIELDS['text'])})")
    if gold is None:
        raise ValueError(f"it has no answer (looked for {', '.join(FIELDS['gold'])})")
    text = text.strip()
    language = _field(record, "language") or language_of(text)
    subject = str(_field(record, "subject") or "")
    popularity = _field(record, "popularity")
    split = _field(record, "split")
    return Question.model_validate(
        {
            "id": str(_field(record, "id") or digest([text, gold])),
            "text": text,
            "language": language,
            "subject": subject,
            # Without an entity every question is one of its own.
            "subject_id": subject or digest(text),
            "relation": str(_field(record, "relation") or ""),
            "topic": text.rstrip(ENDS),
            "gold": Gold(
                objects=golds(gold), answer_type=_field(record, "answer_type") or "term"
            ).model_dump(),
            "split": split if split in ("train", "calibration", "test") else "test",
            "popularity": None if popularity is None else float(popularity),
            "source": str(record.get("source", "")),
        }
    )


def golds(value: Any) -> tuple[tuple[str, ...], ...]:
    """Right answers of any shape as alternatives, each of which suffices: a text (parted by |), a list,
    SQuAD's {text: […]}, a list of lists of names."""
    if isinstance(value, Mapping):
        value = (
            value.get("text") or value.get("value") or value.get("aliases") or list(value.values())
        )
    if isinstance(value, str):
        value = value.split(SEPARATOR)
    if not isinstance(value, Iterable):
        value = [value]
    found = []
    for one in value:
        if isinstance(one, str) or not isinstance(one, Iterable):
            names = (str(one).strip(),)
        else:
            names = tuple(str(name).strip() for name in one)  # type: ignore[assignment]
        names = tuple(name for name in names if name)  # type: ignore[assignment]
        if names:
            found.append(names)
    if not found:
        raise ValueError("its answer is blank")
    return tuple(dict.fromkeys(found))


def _reading(record: Mapping[str, Any]) -> tuple[Passage, list[Question]]:
    """A passage with the questions about it."""
    text = str(record.get("text") or record.get("context") or "")
    key = str(record.get("pid") or record.get("id") or digest(text))
    title = str(record.get("title") or "")
    questions = []
    for number, qa in enumerate(record["qas"]):
        answers = golds(_field(qa, "gold") or [])
        asked = str(_field(qa, "text") or "").strip()
        if not asked:
            raise ValueError(f"question {number} is blank")
        questions.append(
            Question(
                id=str(_field(qa, "id") or f"{key}#{number}"),
                text=asked,
                language=language_of(asked),
                subject=title,
                subject_id=key,
                relation="",
                topic=asked.rstrip(ENDS),
                gold=Gold(objects=answers),
                split="test",
                source=key,
            )
        )
    passage = Passage(id=key, title=title, text=text, language=language_of(text), entities=(key,))
    return passage, questions
