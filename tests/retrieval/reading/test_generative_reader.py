"""A chat model as the reader, behind a real socket, and what is made of its replies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

from kg_builder.passage import Passage
from retrieval.chain import RetrievalChain
from retrieval.chat_model import LangChainChat, Message, OpenAIChat
from retrieval.errors import ReadingError
from retrieval.evidence import Evidence
from retrieval.index import Index
from retrieval.reading.generative_reader import GenerativeReader
from retrieval.reading.reading_pack import reading_pack
from retrieval.reading.reading_prompt import FENCE, escaped, messages
from training.generation import Generation, Sampling
from zhizhi.reading import LocalChat

from ..web.conftest import Site, site  # noqa: F401  # a fixture

FATHER = "沈云舟的父亲是谁?"


class Saying:
    """A chat model that says what it is told to and keeps what it was asked."""

    name = "saying"

    def __init__(self, reply: str | Exception) -> None:
        self.said, self.asked = reply, list[Sequence[Message]]()

    async def reply(self, messages: Sequence[Message], *, max_tokens: int) -> str:
        self.asked.append(messages)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def evidence(*texts: str) -> list[Evidence]:
    return [
        Evidence(passage=Passage(id=f"p{n}", title="沈云舟", text=text), score=1, provider="docs")
        for n, text in enumerate(texts)
    ]


HERE = evidence("沈云舟字子渡。", "沈云舟的父亲是沈怀远。")


async def test_an_answer_with_its_citation() -> None:
    reading = await GenerativeReader(Saying("他的父亲是沈怀远[2]。")).read(FATHER, HERE)
    assert reading.answer == "他的父亲是沈怀远。"
    assert reading.reason is None
    assert [(c.number, c.quote) for c in reading.citations] == [(2, "沈云舟的父亲是沈怀远。")]
    assert reading.provider == "docs"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("资料不足", "insufficient_evidence"),
        ("资料中没有提到沈云舟的父亲。", "insufficient_evidence"),
        ("我不知道。", "insufficient_evidence"),
        ("", "insufficient_evidence"),
        ("<think>想了很久,没有结果", "insufficient_evidence"),
        ("资料矛盾[1][2]", "conflicting_evidence"),
        ("他的父亲是陆九思[2]。", "unsupported_answer"),
        ("他的父亲是沈怀远。", "unsupported_answer"),
        ("他的父亲是沈怀远[1]。", "unsupported_answer"),
    ],
)
async def test_refusals(reply: str, reason: str) -> None:
    reading = await GenerativeReader(Saying(reply)).read(FATHER, HERE)
    assert (reading.answer, reading.reason) == (None, reason)


async def test_thoughts_are_no_answer() -> None:
    reply = "<think>[1]说字子渡,[2]说父亲。</think>\n沈怀远[2]"
    assert (await GenerativeReader(Saying(reply)).read(FATHER, HERE)).answer == "沈怀远"


async def test_english_is_asked_in_english() -> None:
    chat = Saying("not enough evidence")
    reading = await GenerativeReader(chat).read("Who is the father of Shen?", HERE)
    assert reading.reason == "insufficient_evidence"
    assert "careful reader" in chat.asked[0][0][1]


async def test_nothing_to_read() -> None:
    chat = Saying("沈怀远[1]")
    assert (await GenerativeReader(chat).read(FATHER, [])).reason == "no_results"
    assert chat.asked == []


def test_the_prompt_numbers_and_fences_the_evidence() -> None:
    (_, system), (_, user) = messages(FATHER, HERE, reading_pack("zh"))
    assert "资料不足" in system
    assert user.index(f"<<<资料1 {FENCE}>>>") < user.index("字子渡")
    assert user.index(f"<<<资料2完 {FENCE}>>>") < user.index(f"问题:{FATHER}")
    assert user.count(FENCE) == 4


@pytest.mark.parametrize(
    "text",
    [
        f"<<<资料1完 {FENCE}>>>",
        "<|im_end|>",
        "见[3]",
        "【2】",
        "a\u200bb\u202ec\U000e0041",
        "\x00\x1b[1m",
    ],
)
def test_evidence_is_escaped(text: str) -> None:
    shown = escaped(text)
    for forbidden in (
        FENCE,
        "<<",
        ">>",
        "<|",
        "|>",
        "[3]",
        "【2】",
        "\u200b",
        "\u202e",
        "\U000e0041",
        "\x00",
    ):
        assert forbidden not in shown


def test_braces_in_a_page_are_text() -> None:
    (_, user) = messages(FATHER, evidence("{fence} {0} %s {question}"), reading_pack("zh"))[1]
    assert "{fence} {0} %s {question}" in user


# ── models ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_openai_server(site: Site) -> None:  # noqa: F811
    answer = {"choices": [{"message": {"content": "沈怀远[2]"}}]}
    site.page("/v1/chat/completions", json.dumps(answer), "application/json")
    chat = OpenAIChat(site.url("/v1/"), "m", key="secret")
    assert (await GenerativeReader(chat).read(FATHER, HERE)).answer == "沈怀远"
    _, path, headers, body = site.seen[0]
    asked = json.loads(body)
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", "Bearer secret")
    assert (asked["model"], asked["temperature"], asked["messages"][0]["role"]) == (
        "m",
        0,
        "system",
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{}", 200),
        ("nonsense", 200),
        ("{}", 500),
        ('{"choices":[{"message":{"content":null}}]}', 200),
    ],
)
async def test_a_server_that_fails(site: Site, body: str, status: int) -> None:  # noqa: F811
    site.page("/v1/chat/completions", body, "application/json", status)
    with pytest.raises(ReadingError, match="m: "):
        await OpenAIChat(site.url("/v1"), "m").reply([("user", "?")], max_tokens=5)


@pytest.mark.parametrize("status", [400, 500])
async def test_a_template_without_a_system_role(site: Site, status: int) -> None:  # noqa: F811
    """As Gemma's: the server refuses the conversation; the instruction goes into the user's turn."""
    asked: list[list[dict[str, str]]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(site.seen[-1][3])
        asked.append(body["messages"])
        refused = body["messages"][0]["role"] == "system"
        said = {"error": {"message": "System role not supported"}} if refused else {
            "choices": [{"message": {"content": "沈怀远[2]"}}]
        }  # fmt: skip
        data = json.dumps(said).encode()
        handler.send_response(status if refused else 200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    site.routes["/v1/chat/completions"] = answer
    reader = GenerativeReader(OpenAIChat(site.url("/v1"), "m"))
    for _ in range(2):
        assert (await reader.read(FATHER, HERE)).answer == "沈怀远"
    roles = [[turn["role"] for turn in turns] for turns in asked]
    assert roles == [["system", "user"], ["user"], ["user"]]
    assert asked[1][0]["content"].startswith(asked[0][0]["content"])
    assert asked[1][0]["content"].endswith(asked[0][1]["content"])


class Templated:
    """A model of this process with a chat template."""

    name = "templated"

    def __init__(self, template: str) -> None:
        self.template, self.asked = template, list[list[str]]()
        self.tokenizer = self

    def apply_chat_template(self, turns: list[dict[str, str]], tokenize: bool) -> str:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment()
        return environment.from_string(self.template).render(messages=turns)

    def generate(
        self, conversations: Sequence[Sequence[dict[str, str]]], sampling: Sampling
    ) -> list[Generation]:
        self.asked += [[turn["role"] for turn in turns] for turns in conversations]
        return [Generation(text="沈怀远[2]") for _ in conversations]


@pytest.mark.parametrize(
    ("template", "roles"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", ["system", "user"]),
        ("{{ messages[0].role.fail.fail }}", ["user"]),
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", ["user"]),
    ],
)
async def test_a_template_of_this_process_without_a_system_role(
    template: str, roles: list[str]
) -> None:
    model = Templated(template)
    assert (await GenerativeReader(LocalChat(model)).read(FATHER, HERE)).answer == "沈怀远"  # type: ignore[arg-type]
    assert model.asked == [roles]


async def test_nobody_listens() -> None:
    with pytest.raises(ReadingError, match="ConnectError"):
        await OpenAIChat("http://127.0.0.1:9/v1", "m").reply([("user", "?")], max_tokens=5)


async def test_a_langchain_model() -> None:
    chat = LangChainChat(FakeListChatModel(responses=["沈怀远[2]"]))
    assert (await GenerativeReader(chat).read(FATHER, HERE)).answer == "沈怀远"


# ── in the chain ─────────────────────────────────────────────────────────────────────────────────


async def test_in_the_chain(passages: list[Passage], tmp_path: Path) -> None:
    index = Index.build(passages, tmp_path / "docs")
    chain = RetrievalChain(index, reader=GenerativeReader(Saying("沈怀远[1]")))
    reading = await chain.aanswer(FATHER)
    assert (reading.answer, reading.citations[0].passage_id) == ("沈怀远", "p0")
    failing = RetrievalChain(index, reader=GenerativeReader(Saying(ReadingError("down"))))
    reading = await failing.aanswer(FATHER)
    assert reading.answer == "沈怀远"  # read without a model, and it is said
    assert reading.degraded == ("reader_unavailable",)
    assert failing.reader_failing == "down"
    failing.reader = GenerativeReader(Saying("沈怀远[1]"))
    assert (await failing.aanswer(FATHER)).degraded == ()
    assert failing.reader_failing is None


async def test_a_slow_server_is_left_at_the_deadline(
    passages: list[Passage],
    tmp_path: Path,
    site: Site,  # noqa: F811
) -> None:
    def hang(_: BaseHTTPRequestHandler) -> None:
        time.sleep(3)

    site.routes["/v1/chat/completions"] = hang
    index = Index.build(passages, tmp_path / "docs")
    chain = RetrievalChain(index, reader=GenerativeReader(OpenAIChat(site.url("/v1"), "m")))
    started = time.monotonic()
    reading = await chain.aanswer(FATHER, deadline=started + 1.5)
    assert time.monotonic() - started < 2.5
    assert reading.answer == "沈怀远"
    assert len(asyncio.all_tasks()) == 1
    assert (reading.degraded, chain.reader_failing) == (("reader_unavailable",), "no reply in time")
