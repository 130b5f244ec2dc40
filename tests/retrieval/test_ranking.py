from kg_builder.passage import Passage
from retrieval.evidence import Evidence
from retrieval.ranking import diversify


def item(identity: str, text: str, url: str = "") -> Evidence:
    passage = Passage(id=identity, title="t", text=text, url=url)
    return Evidence(passage=passage, score=1, source="web" if url else "index")


def choose(evidence: list[Evidence], **limits: int) -> list[str]:
    limits = {"limit": 10, "max_per_source": 10, "max_characters": 1000, **limits}
    return [e.passage.id for e in diversify(evidence, **limits)]


def test_the_same_text_once() -> None:
    assert choose([item("a", "同文。"), item("b", "同 文"), item("c", "异文")]) == ["a", "c"]


def test_not_all_from_one_site_or_document() -> None:
    web = [item(f"w{n}", f"文{n}", f"https://x.example/{n}") for n in range(3)]
    parts = [item(f"d#{n}", f"段{n}") for n in range(3)]
    assert choose([*web, *parts], max_per_source=2) == ["w0", "w1", "d#0", "d#1"]


def test_budget_in_characters_and_number() -> None:
    evidence = [item("long", "长" * 900), item("long2", "久" * 200), item("short", "短")]
    assert choose(evidence) == ["long", "short"]
    assert choose(evidence, max_characters=10) == ["long"]
    assert choose(evidence, limit=1) == ["long"]
    assert choose([]) == []
