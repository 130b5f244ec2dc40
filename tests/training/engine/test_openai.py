"""The client against a server on a real socket that answers from the miniature model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import torch

from kg_builder.question import Question
from tests.training.openai_server import Fault, SmallServer, serving, token_bytes
from training.engine.local import LocalModel
from training.engine.openai import RemoteModel, RemoteSettings
from training.engine.wire import is_text, retry_after
from training.errors import ModelError
from training.generation import Generation, Message, Model, Sampling
from training.probe import ProbeSettings, ask, probe

GREEDY = Sampling(max_new_tokens=12)
LISTED = 20  # tokens that the server lists at every place
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def conversations(questions: list[Question]) -> list[list[Message]]:
    return [ask(q, i % 5) for i, q in enumerate(questions)][::2]


@pytest.fixture(scope="module")
def answers(local: LocalModel, conversations: list[list[Message]]) -> list[Generation]:
    """What the miniature says. It is trained on the spot, so what it knows hangs on the machine's rounding:
    the tests take their cases from here."""
    return local.generate(conversations, GREEDY)


@pytest.fixture(scope="module")
def prefix(answers: list[Generation]) -> str:
    """Plays the refusal: how the answer begins that the miniature is surest of. It says so to some questions,
    and not to others."""
    surest = max(answers, key=lambda g: sum(g.token_logprobs[:2]))
    assert any(not g.text.startswith(surest.text[0]) for g in answers)
    return surest.text[:2]


@pytest.fixture(scope="module")
def played(local: LocalModel, prefix: str) -> LocalModel:
    return LocalModel(local.model, local.tokenizer, name="local", refusal_prefix=prefix)


@pytest.fixture
def server(local: LocalModel) -> Iterator[SmallServer]:
    with serving(local) as running:
        yield running


Connect = Callable[..., RemoteModel]


@pytest.fixture
def connect(server: SmallServer, prefix: str) -> Iterator[Connect]:
    made = []

    def make(prefix: str | tuple[str, ...] = prefix, **changes: object) -> RemoteModel:
        settings = RemoteSettings.model_validate(
            {"base_url": server.url, "model": "mini", "timeout": 60, "first_pause": 0.0} | changes
        )
        made.append(RemoteModel(settings, refusal_prefix=prefix, sleep=pauses.append))
        return made[-1]

    pauses: list[float] = []
    make.pauses = pauses  # type: ignore[attr-defined]
    yield make
    for model in made:
        model.close()


def ids_of(local: LocalModel, conversation: list[Message]) -> list[int]:
    text = local.tokenizer.apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    return list(local.tokenizer(str(text), add_special_tokens=False)["input_ids"])


def chance(local: LocalModel, ids: list[int], wanted: bytes) -> tuple[float, float]:
    """The least and the most that P(the text goes on with ``wanted``) can be said to be by a server's lists.

    The least follows only tokens that are surely listed. The most follows all, in whatever tokens the text
    is told; half a character, which a server cannot be asked to continue, counts whole, and so does the
    least likely token that is listed.
    """
    with torch.inference_mode():
        p = local.model(torch.tensor([ids])).logits[0, -1].float().softmax(-1)
    listed = {int(i) for i in p.topk(LISTED).indices}
    least = most = 0.0
    for token in range(len(p)):
        raw, one = token_bytes(local, token), float(p[token])
        if raw.startswith(wanted):
            low, high = 1.0, 1.0
        elif raw and wanted.startswith(raw):
            low, high = (
                chance(local, [*ids, token], wanted[len(raw) :]) if is_text(raw) else (0.0, 1.0)
            )
        else:
            continue
        least += one * low if token in listed else 0.0
        most += one * high
    return least, most + float(p.topk(LISTED).values[-1])


def test_it_is_a_model_with_a_name(connect: Connect, server: SmallServer) -> None:
    model = connect()
    assert isinstance(model, Model)
    assert model.name == f"mini@127.0.0.1:{server.http.server_port}"
    assert model.generate([], GREEDY) == []


def test_the_same_answers_and_log_probabilities_as_in_process(
    connect: Connect, played: LocalModel, conversations: list[list[Message]]
) -> None:
    expected = played.generate(conversations, GREEDY)
    for found, one in zip(connect().generate(conversations, GREEDY), expected, strict=True):
        assert found.text == one.text
        assert found.finish_reason == one.finish_reason
        assert found.token_logprobs == pytest.approx(one.token_logprobs, abs=1e-4)
        assert found.token_margins == pytest.approx(one.token_margins, abs=1e-4)
        assert found.prompt_tokens == one.prompt_tokens
        assert found.completion_tokens == one.completion_tokens
        for a, b in zip(found.token_entropies, one.token_entropies, strict=True):
            assert a <= b + 1e-4  # the unlisted tokens taken as one


def test_refusal_probability_where_the_answer_takes_or_leaves_its_way(
    connect: Connect,
    played: LocalModel,
    conversations: list[list[Message]],
    prefix: str,
) -> None:
    expected = played.generate(conversations, GREEDY)
    found = connect().generate(conversations, GREEDY)
    on_the_way = 0
    for conversation, one, reference in zip(conversations, found, expected, strict=True):
        assert reference.refusal_probability is not None
        assert one.refusal_probability is not None
        least, most = chance(played, ids_of(played, conversation), prefix.encode())
        assert least * 0.999 <= one.refusal_probability <= most * 1.001 + ROUNDING
        if reference.refusal_probability > 1 / LISTED:  # then its every token is listed
            assert one.refusal_probability >= reference.refusal_probability * 0.999
            on_the_way += 1
    assert 0 < on_the_way < len(found)


def test_a_server_that_cannot_continue_gives_upper_bounds(
    connect: Connect, server: SmallServer, played: LocalModel, conversations: list[list[Message]]
) -> None:
    expected = played.generate(conversations, GREEDY)
    found = connect(continues=False).generate(conversations, GREEDY)
    assert len(server.requests) == len(conversations)
    for one, reference in zip(found, expected, strict=True):
        assert one.refusal_probability is not None
        assert one.refusal_probability >= (reference.refusal_probability or 0) * 0.99 - 1e-9
        assert one.text == reference.text


def test_several_prefixes_and_none(
    connect: Connect,
    local: LocalModel,
    conversations: list[list[Message]],
    answers: list[Generation],
    prefix: str,
) -> None:
    other = next(g.text[:2] for g in answers if g.text[0] != prefix[0])
    found = connect((prefix, other)).generate(conversations, GREEDY)
    for conversation, one in zip(conversations, found, strict=True):
        bounds = [chance(local, ids_of(local, conversation), p.encode()) for p in (prefix, other)]
        assert one.refusal_probability is not None
        assert one.refusal_probability >= sum(low for low, _ in bounds) * 0.999
        assert one.refusal_probability <= sum(high for _, high in bounds) * 1.001 + ROUNDING
    assert connect("").generate(conversations[:1], GREEDY)[0].refusal_probability is None


def test_an_answer_in_place_of_the_refusal(
    connect: Connect, played: LocalModel, conversations: list[list[Message]], prefix: str
) -> None:
    suppressed = GREEDY.model_copy(update={"suppress_refusal": True})
    expected = played.generate(conversations, suppressed)
    found = connect(concurrency=4).generate(conversations, suppressed)
    for one, reference in zip(found, expected, strict=True):
        assert one.text == reference.text
        assert one.token_logprobs == pytest.approx(reference.token_logprobs, abs=0.02)
        assert one.completion_tokens == reference.completion_tokens
    assert not any(g.text.startswith(prefix[0]) for g in found)


def test_suppressing_needs_a_server_that_continues(
    connect: Connect, conversations: list[list[Message]]
) -> None:
    with pytest.raises(ModelError, match="continues a begun answer"):
        connect(continues=False).generate(
            conversations[:1], GREEDY.model_copy(update={"suppress_refusal": True})
        )


def test_without_log_probabilities_there_are_no_signals(
    connect: Connect,
    server: SmallServer,
    conversations: list[list[Message]],
    answers: list[Generation],
) -> None:
    found = connect(top_logprobs=0).generate(conversations[:2], GREEDY)
    assert "logprobs" not in server.requests[0]
    assert found[0].text == answers[0].text
    assert found[0].token_logprobs == found[0].token_entropies == ()
    assert found[0].refusal_probability is None
    with pytest.raises(ModelError, match="gives no log-probabilities"):
        connect(top_logprobs=0).generate(
            conversations[:1], GREEDY.model_copy(update={"suppress_refusal": True})
        )


def test_sampling_repeats_with_the_seed_and_in_any_company(
    connect: Connect, conversations: list[list[Message]]
) -> None:
    hot = Sampling(max_new_tokens=6, temperature=3.0, seed=4)
    model = connect("")
    together = [g.text for g in model.generate(conversations[:6], hot)]
    alone = [model.generate([c], hot)[0].text for c in conversations[:6]]
    assert together == alone
    other = hot.model_copy(update={"seed": 5})
    assert [g.text for g in model.generate(conversations[:6], other)] != together


def test_probability_of_options(
    connect: Connect, local: LocalModel, conversations: list[list[Message]], prefix: str
) -> None:
    options = [prefix, prefix[0], "林"]
    found = connect("").probability(conversations[:4], options)
    expected = local.probability(conversations[:4], options)
    for conversation, one, reference in zip(conversations[:4], found, expected, strict=True):
        for option, p, alone in zip(options, one, reference, strict=True):
            least, most = chance(local, ids_of(local, conversation), option.encode())
            assert least * 0.999 <= p <= most * 1.001 + ROUNDING
            if alone > 1 / LISTED:
                assert p >= alone * 0.999


def test_it_serves_the_probe(
    connect: Connect, local: LocalModel, questions: list[Question], tmp_path: Path
) -> None:
    settings = ProbeSettings(samples=1, max_new_tokens=12)
    found = probe(connect(), questions[:4], tmp_path / "l.jsonl", settings, progress=False)
    expected = local.generate([ask(q) for q in questions[:4]], GREEDY)
    assert [one.greedy.text for one in found] == [g.text for g in expected]
    assert Generation.model_validate(found[0].samples[0].model_dump()) == found[0].samples[0]


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_concurrency_is_bounded_and_used(
    local: LocalModel, conversations: list[list[Message]], concurrency: int
) -> None:
    with serving(local, slow=0.05) as server:
        settings = RemoteSettings(base_url=server.url, model="m", concurrency=concurrency)
        with RemoteModel(settings) as model:
            short = Sampling(max_new_tokens=1)
            assert len(model.generate(conversations, short)) == len(conversations)
        assert server.most_at_once <= concurrency
        assert server.most_at_once >= min(2, concurrency)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, body='{"error": {"message": "too many"}}'),
        Fault(status=503, body="busy"),
        Fault(status=500),
        Fault(drop=True),
    ],
)
def test_what_passes_is_tried_again(
    connect: Connect,
    server: SmallServer,
    conversations: list[list[Message]],
    answers: list[Generation],
    fault: Fault,
) -> None:
    server.faults = [fault, fault]
    found = connect("", first_pause=0.5).generate(conversations[:1], GREEDY)
    assert found[0].text == answers[0].text
    assert len(server.requests) == 3
    first, second = connect.pauses  # type: ignore[attr-defined]
    assert 0.25 <= first <= 0.5
    assert 0.5 <= second <= 1.0


def test_the_server_may_say_how_long_to_wait(
    connect: Connect, server: SmallServer, conversations: list[list[Message]]
) -> None:
    server.faults = [
        Fault(status=429, headers={"Retry-After": "7"}),
        Fault(status=503, headers={"Retry-After": "100000"}),
    ]
    connect("").generate(conversations[:1], GREEDY)
    assert connect.pauses == [7.0, 60.0]  # type: ignore[attr-defined]


def test_retry_after_in_all_its_forms() -> None:
    assert retry_after(None) is None
    assert retry_after("2.5") == 2.5
    assert retry_after("-3") == 0.0
    assert retry_after("soon") is None
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after(in_a_minute) == pytest.approx(60, abs=3)


def test_it_gives_up_and_says_why(
    connect: Connect, server: SmallServer, conversations: list[list[Message]]
) -> None:
    server.faults = [Fault(status=503, body='{"error": "model is loading"}')] * 9
    with pytest.raises(ModelError, match=r"did not answer in 3 tries.*503: model is loading"):
        connect("", tries=3).generate(conversations[:1], GREEDY)
    assert len(server.requests) == 3


def test_a_hanging_server_is_not_waited_for(
    connect: Connect,
    server: SmallServer,
    conversations: list[list[Message]],
    answers: list[Generation],
) -> None:
    server.faults = [Fault(hang=20)]
    begun = time.monotonic()
    found = connect("", timeout=2).generate(conversations[:1], GREEDY)
    assert found[0].text == answers[0].text
    assert time.monotonic() - begun < 15
    server.faults = [Fault(hang=20)] * 2
    with pytest.raises(ModelError, match="ReadTimeout"):
        connect("", timeout=0.3, tries=2).generate(conversations[:1], GREEDY)


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_mistake_is_not_repeated(
    connect: Connect, server: SmallServer, conversations: list[list[Message]], status: int
) -> None:
    server.faults = [Fault(status=status, body='{"error": {"message": "no such model: mini"}}')]
    with pytest.raises(ModelError, match=f"status {status}: no such model: mini"):
        connect("").generate(conversations[:1], GREEDY)
    assert len(server.requests) == 1


def test_one_failure_does_not_wait_for_all_the_others(
    local: LocalModel, conversations: list[list[Message]]
) -> None:
    with serving(local) as server:
        server.faults = [Fault(status=400, body="no")]
        settings = RemoteSettings(base_url=server.url, model="m", concurrency=1)
        with RemoteModel(settings) as model, pytest.raises(ModelError):
            model.generate(conversations, GREEDY)
        assert len(server.requests) < len(conversations)


@pytest.mark.parametrize("body", ["<html>", "[]", '{"choices": []}', '{"detail": 1}'])
def test_what_speaks_no_openai(
    connect: Connect, server: SmallServer, conversations: list[list[Message]], body: str
) -> None:
    server.faults = [Fault(status=200, body=body)]
    with pytest.raises(ModelError, match="no OpenAI-compatible endpoint"):
        connect("").generate(conversations[:1], GREEDY)


def test_nobody_listens(conversations: list[list[Message]]) -> None:
    settings = RemoteSettings(base_url="http://127.0.0.1:9/v1", model="m", tries=2, first_pause=0)
    with RemoteModel(settings) as model, pytest.raises(ModelError, match=r"in 2 tries.*Connect"):
        model.generate(conversations[:1], GREEDY)


def test_the_key_comes_from_the_environment_and_extras_are_sent(
    server: SmallServer, conversations: list[list[Message]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_KEY", "sesame")
    settings = RemoteSettings(
        base_url=server.url,
        model="mini",
        api_key_variable="SMALL_KEY",
        extra={"chat_template_kwargs": {"enable_thinking": False}},
    )
    with RemoteModel(settings) as model:
        model.generate(conversations[:1], GREEDY)
    assert server.headers[0]["Authorization"] == "Bearer sesame"
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "sesame" not in repr(settings)


def scripted(
    *tokens: tuple[list[int], float, list[tuple[list[int], float]]],
) -> httpx.MockTransport:
    """A server that gives these tokens to every request."""
    content = [
        {
            "token": "?",
            "bytes": raw,
            "logprob": math.log(p),
            "top_logprobs": [{"token": "?", "bytes": b, "logprob": math.log(q)} for b, q in top],
        }
        for raw, p, top in tokens
    ]
    choice = {
        "message": {"content": None},
        "finish_reason": "content_filter",
        "logprobs": {"content": content},
    }
    return httpx.MockTransport(lambda _: httpx.Response(200, json={"choices": [choice]}))


def test_tokens_that_are_parts_of_characters() -> None:
    """我 in three byte tokens, of which only the way of the answer itself can be followed."""
    wo = list("我".encode())
    transport = scripted(
        ([wo[0]], 0.5, [([wo[0]], 0.5), ([65], 0.3)]),
        ([wo[1]], 0.8, [([wo[1]], 0.8), ([65], 0.1)]),
        ([wo[2]], 0.9, [([wo[2]], 0.9)]),
    )
    settings = RemoteSettings(base_url="http://x/v1", model="m")
    model = RemoteModel(settings, refusal_prefix="我", transport=transport)
    found = model.generate([[{"role": "user", "content": "?"}]], GREEDY)[0]
    assert found.refusal_probability == pytest.approx(0.5 * 0.8 * 0.9)
    assert found.text == ""
    assert found.finish_reason == "aborted"
    off = RemoteModel(
        settings,
        refusal_prefix="我",
        transport=scripted(([65], 0.6, [([65], 0.6), ([wo[0]], 0.2)])),
    )
    bound = off.generate([[{"role": "user", "content": "?"}]], GREEDY)[0].refusal_probability
    assert bound == pytest.approx(0.2)  # half a character cannot be continued: its bound


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.7])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    """A broken server must not make an answer look certain."""

    def answer(chosen: float, listed: float) -> httpx.MockTransport:
        top = [{"token": "A", "logprob": listed}, {"token": "B", "logprob": -1.0}]
        told = {"token": "A", "logprob": chosen, "top_logprobs": top}
        choice = {"message": {"content": "A"}, "logprobs": {"content": [told]}}
        body = json.dumps({"choices": [choice]})
        return httpx.MockTransport(lambda _: httpx.Response(200, content=body))

    settings = RemoteSettings(base_url="http://x/v1", model="m")
    asked: list[list[Message]] = [[{"role": "user", "content": "?"}]]
    with pytest.raises(ModelError, match="no logarithm of a probability"):
        RemoteModel(settings, transport=answer(value, -0.1)).generate(asked, GREEDY)
    listed = RemoteModel(settings, transport=answer(-0.1, value))
    if value == -math.inf:  # of a token that cannot come
        assert listed.generate(asked, GREEDY)[0].token_logprobs == (-0.1,)
    else:
        with pytest.raises(ModelError, match="no logarithm of a probability"):
            listed.generate(asked, GREEDY)


def test_one_token_that_says_more_than_the_prefix() -> None:
    transport = scripted((list("我不".encode()), 0.7, [(list("我不".encode()), 0.7), ([65], 0.2)]))
    settings = RemoteSettings(base_url="http://x/v1", model="m")
    model = RemoteModel(settings, refusal_prefix="我", transport=transport)
    found = model.generate([[{"role": "user", "content": "?"}]], GREEDY)[0]
    assert found.refusal_probability == pytest.approx(0.7)
    assert found.token_margins == pytest.approx((0.5,))
    expected = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    assert found.token_entropies == pytest.approx((expected,))


def test_it_needs_no_torch() -> None:
    """A process that only asks a server does not load torch."""
    import subprocess
    import sys

    code = "import sys, training.engine.openai, training.probe; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert torch  # which this one has
