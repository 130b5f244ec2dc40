"""The support check: whether a passage bears out one sentence of an answer.

The sentence is compared, with what the question says of its subject and relation, with every stretch of
at most two sentences of the passage. A number or date that a stretch does not have rules it out;
everything else is weighed by a logistic regression on the features of ``support_features``, fitted by
``support_training``. ``bench/support_check.py`` measures both kinds of error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kg_builder.matching import gold_of, matches
from retrieval.reading.answer_form import answer_span
from retrieval.reading.reading_pack import ReadingPack
from retrieval.reading.span_reader import SpanReader, Text
from retrieval.reading.support_features import Claimed, Quotation
from retrieval.reading.support_lexicon import SupportLexicon, support_lexicon
from retrieval.reading.text_analysis import analyse
from retrieval.sentences import sentences

# (question, title, text) to the best answer span of the text, None where it has none, and the log odds that
# the text answers.
Opinion = Callable[[str, str, str], tuple[str | None, float]]

SHORTLIST = 3  # stretches of each width whose features are weighed
WINDOW = 2  # neighbouring sentences that may bear out one of an answer together
_SUREST = 6.0  # log odds of a reader beyond which it is no surer


def stretches(passage: str, title: str) -> Iterator[list[Quotation]]:
    """For each width of 1 to ``WINDOW`` sentences every stretch of the passage that is as wide."""
    pieces = sentences(passage)
    for width in range(1, WINDOW + 1):
        found = []
        for first in range(len(pieces) - width + 1):
            text = passage[pieces[first].start : pieces[first + width - 1].end]
            before = pieces[first - 1].text if first else ""
            found.append(Quotation(text, before, title, passage))
        yield found


def candidates(
    claimed: Claimed, passage: str, title: str, opinion: Opinion | None = None
) -> Iterator[tuple[Quotation, dict[str, float]]]:
    """The stretches that have most of the claim and do not contradict its numbers, with their features."""
    for width, found in enumerate(stretches(passage, title), 1):
        found.sort(key=claimed.overlap, reverse=True)
        left = SHORTLIST
        for quotation in found:
            compared = claimed.compare(quotation)
            if compared.contradicted:
                continue
            read = _read(claimed, quotation, opinion)
            yield quotation, compared.features | read | {"wide": float(width > 1)}
            left -= 1
            if not left:
                break


def support(
    claim: str,
    question: str,
    passage: str,
    pack: ReadingPack,
    title: str = "",
    opinion: Opinion | None = None,
    lexicon: SupportLexicon | None = None,
) -> str | None:
    """The words of the passage that bear a claim out, None where there are none.

    ``title`` is the passage's and may name the subject that its sentences leave out. ``opinion`` is a
    reader that is asked what the best stretches answer: whether it says what the claim says, and how
    surely, are features too.
    ``lexicon`` replaces the learnt one of the pack's language.
    """
    lexicon = lexicon or support_lexicon(pack.language)
    claimed = Claimed(claim, question, pack.language, lexicon)
    if claimed.is_empty():
        return None
    best: tuple[float, str] | None = None
    for quotation, features in candidates(claimed, passage, title, opinion):
        score = lexicon.score(features)
        if score >= 0 and (best is None or score > best[0]):
            best = score, quotation.text
    return best[1] if best else None


def _read(claimed: Claimed, quotation: Quotation, opinion: Opinion | None) -> dict[str, float]:
    """Whether a reader takes for the answer what the claim says; all 0 without a reader or a span."""
    features = dict.fromkeys(("read_same", "read_same_odds", "read_other", "read_other_odds"), 0.0)
    if opinion is None:
        return features
    span, odds = opinion(claimed.question, quotation.title, quotation.text)
    if span is None:
        return features
    found = analyse(span, claimed.language)
    same = matches(claimed.text, gold_of(span)).verdict == "right" or (
        bool(claimed.new) and all(found.holds(unit.key) for unit in claimed.new)
    )
    side = "read_same" if same else "read_other"
    bounded = max(-_SUREST, min(_SUREST, odds)) / _SUREST
    return features | {side: 1.0, side + "_odds": bounded}


def span_opinion(spans: SpanReader) -> Opinion:
    """What a span reader takes for the answer in a text, with the log odds that the text answers."""

    def opinion(question: str, title: str, text: str) -> tuple[str | None, float]:
        [found] = spans.predict(question, [Text(title, text)])
        if not found.spans:
            return None, 0.0
        start, end = answer_span(text, *found.spans[0][:2])
        return text[start:end] or None, found.score

    return opinion
