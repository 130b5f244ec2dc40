"""Most refusals are taught by their opening alone; answers, and the other refusals, whole."""

import torch

from training.completion_loss import IGNORE
from training.refusal_openings import OpeningsCollator

OPENING = [7, 8]


def collate(features):
    return {"labels": torch.tensor([one["labels"] for one in features])}


def rows(count):
    """Refusals about different things: a prompt without labels, the opening, a tail."""
    return [{"labels": [IGNORE, 7, 8, 100 + i, 200 + i, 3, IGNORE]} for i in range(count)]


def labelled(batch):
    return (batch["labels"] != IGNORE).sum(1).tolist()


def test_a_share_of_the_refusals_is_kept_whole_and_always_the_same():
    collator = OpeningsCollator(collate, [OPENING], 0.3)
    counts = labelled(collator(rows(400)))
    assert set(counts) == {2, 5}
    assert 80 < counts.count(5) < 160
    assert labelled(collator(rows(400))) == counts
    more = labelled(OpeningsCollator(collate, [OPENING], 0.6)(rows(400)))
    assert all(b == 5 for a, b in zip(counts, more, strict=True) if a == 5)


def test_the_bounds():
    assert set(labelled(OpeningsCollator(collate, [OPENING], 0.0)(rows(50)))) == {2}
    assert set(labelled(OpeningsCollator(collate, [OPENING], 1.0)(rows(50)))) == {5}


def test_answers_are_taught_whole():
    answers = [{"labels": [IGNORE, 7, 9, 4, 3]}, {"labels": [IGNORE, 8, 7, 4, 3]}]
    batch = OpeningsCollator(collate, [OPENING], 0.0)(answers)
    assert labelled(batch) == [4, 4]


def test_of_several_languages_each_has_its_opening():
    both = [{"labels": [IGNORE, 7, 8, 4, 3]}, {"labels": [IGNORE, 11, 4, 4, 3]}]
    batch = OpeningsCollator(collate, [OPENING, [11]], 0.0)(both)
    assert batch["labels"].tolist() == [
        [IGNORE, 7, 8, IGNORE, IGNORE],
        [IGNORE, 11, IGNORE, IGNORE, IGNORE],
    ]
