"""The OpenAI-compatible routes, through the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from service.app import create_app
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, HAMLET, PHONE, SmallLibrary, SmallModel, client_of


@pytest.fixture
async def ai(client: httpx.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="none", base_url="http://test/v1", http_client=client, max_retries=0
    )


async def test_a_completion_has_the_answer_usage_and_route(ai: openai.AsyncOpenAI) -> None:
    done = await ai.chat.completions.create(
        model="zhizhi", messages=[{"role": "user", "content": CAPITAL}], temperature=0.7
    )
    assert done.choices[0].message.content == "法国的首都是巴黎。"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.completion_tokens == 9
    assert done.usage.total_tokens == done.usage.prompt_tokens + 9
    assert done.model == "small-1"
    assert done.model_extra is not None
    assert done.model_extra["zhizhi"]["route"] == "direct"


async def test_evidence_comes_as_annotations(ai: openai.AsyncOpenAI) -> None:
    done = await ai.chat.completions.create(
        model="zhizhi", messages=[{"role": "user", "content": FATHER}]
    )
    message = done.choices[0].message
    assert message.annotations
    citation = message.annotations[0].url_citation
    assert (message.content or "")[citation.start_index : citation.end_index] == "岳云的父亲是岳飞"
    assert citation.url.startswith("urn:zhizhi:passage:")


async def test_a_stream_is_the_same_answer_in_pieces(ai: openai.AsyncOpenAI) -> None:
    chunks: list[ChatCompletionChunk] = []
    stream = await ai.chat.completions.create(
        model="zhizhi:chat",
        messages=[{"role": "user", "content": FATHER}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        chunks.append(chunk)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "岳云的父亲是岳飞。"
    assert len({c.id for c in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    annotated = [
        c for c in chunks if c.choices and "annotations" in (c.choices[0].delta.model_extra or {})
    ]
    assert len(annotated) == 1


async def test_logprobs_are_the_models_own(ai: openai.AsyncOpenAI) -> None:
    done = await ai.chat.completions.create(
        model="zhizhi", messages=[{"role": "user", "content": CAPITAL}], logprobs=True
    )
    figures = done.choices[0].logprobs
    assert figures is not None
    assert figures.content is not None
    assert "".join(token.token for token in figures.content) == "法国的首都是巴黎。"
    assert bytes(figures.content[0].bytes or []).decode() == "法"
    done = await ai.chat.completions.create(
        model="zhizhi", messages=[{"role": "user", "content": FATHER}], logprobs=True
    )
    assert done.choices[0].logprobs is None  # the answer is not the model's


async def test_options_go_beside_the_messages(
    ai: openai.AsyncOpenAI, library: SmallLibrary
) -> None:
    done = await ai.chat.completions.create(
        model="zhizhi",
        messages=[{"role": "user", "content": PHONE}],
        extra_body={"zhizhi": {"fallback": "never"}},
    )
    assert done.model_extra is not None
    assert done.model_extra["zhizhi"]["reason"] == "fallback_disabled"
    assert library.asked == []


async def test_a_follow_up_takes_its_subject_from_before(
    ai: openai.AsyncOpenAI, model: SmallModel
) -> None:
    done = await ai.chat.completions.create(
        model="zhizhi",
        messages=[
            {"role": "system", "content": "你是诗人。"},
            {"role": "user", "content": "英国的首都是哪里?"},
            {"role": "assistant", "content": "伦敦"},
            {"role": "user", "content": [{"type": "text", "text": "那法国呢?"}]},
        ],
    )
    assert done.choices[0].message.content == "法国的首都是巴黎。"
    assert model.batches == [[CAPITAL]]


async def test_failures_are_what_the_client_knows(ai: openai.AsyncOpenAI) -> None:
    user: dict[str, str] = {"role": "user", "content": CAPITAL}
    with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-5'"):
        await ai.chat.completions.create(model="gpt-5", messages=[user])  # type: ignore[list-item]
    with pytest.raises(openai.BadRequestError, match="n must be 1"):
        await ai.chat.completions.create(model="zhizhi", messages=[user], n=2)  # type: ignore[list-item]
    with pytest.raises(openai.BadRequestError, match="last message must be"):
        await ai.chat.completions.create(
            model="zhizhi", messages=[{"role": "assistant", "content": "?"}]
        )
    with pytest.raises(openai.BadRequestError, match="no question"):
        await ai.chat.completions.create(
            model="zhizhi", messages=[{"role": "user", "content": " "}]
        )
    with pytest.raises(openai.BadRequestError, match="Only text"):
        await ai.chat.completions.create(
            model="zhizhi",
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:,"}}],
                }
            ],
        )
    with pytest.raises(openai.UnprocessableEntityError, match="#/messages"):
        await ai.chat.completions.create(model="zhizhi", messages=[])
    with pytest.raises(openai.ConflictError, match="cannot certify"):
        await ai.chat.completions.create(
            model="zhizhi",
            messages=[user],  # type: ignore[list-item]
            extra_body={"zhizhi": {"min_precision": 0.999}},
        )


async def test_a_full_queue_is_the_clients_internal_server_error(
    ai: openai.AsyncOpenAI, client: httpx.AsyncClient
) -> None:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.app.state.desk.backend.batcher.close()  # type: ignore[attr-defined]
    with pytest.raises(openai.InternalServerError, match="stopping"):
        await ai.chat.completions.create(
            model="zhizhi", messages=[{"role": "user", "content": CAPITAL}]
        )
    stream = await ai.chat.completions.create(
        model="zhizhi", messages=[{"role": "user", "content": CAPITAL}], stream=True
    )
    with pytest.raises(openai.APIError, match="stopping"):
        async for _ in stream:
            pass


async def test_the_bundle_and_its_profiles_are_models(ai: openai.AsyncOpenAI) -> None:
    models = [model.id async for model in ai.models.list()]
    assert models == ["small-1", "zhizhi", "zhizhi:webqa", "zhizhi:chat", "zhizhi:strict"]
    assert (await ai.models.retrieve("zhizhi:chat")).owned_by == "zhizhi"
    with pytest.raises(openai.NotFoundError):
        await ai.models.retrieve("else/where")


@pytest.fixture
async def served() -> AsyncIterator[str]:
    from tests.service.serving import serving

    with serving() as (_, url):
        yield url


@pytest.mark.slow
async def test_langchain_speaks_to_it_unchanged(served: str) -> None:
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model="zhizhi", base_url=f"{served}v1", api_key="none")  # type: ignore[arg-type]
    reply = await chat.ainvoke(HAMLET)
    assert reply.content == "William Shakespeare wrote Hamlet."
    pieces = [piece async for piece in chat.astream(FATHER)]
    assert "".join(str(piece.content) for piece in pieces) == "岳云的父亲是岳飞。"


def test_the_routes_are_in_the_document() -> None:
    document = create_app(Settings(), SmallModel()).openapi()
    responses = document["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert "ErrorObject" in str(responses["404"])
    assert "HTTPValidationError" not in str(document)


async def test_null_is_as_good_as_absent(client: httpx.AsyncClient) -> None:
    """Gateways send every field that they know."""
    nullable = ("stream", "stream_options", "n", "tools", "functions", "response_format", "zhizhi")
    asked = {"model": "zhizhi", "messages": [{"role": "user", "content": CAPITAL}]}
    response = await client.post(
        "/v1/chat/completions", json={**asked, **dict.fromkeys((*nullable, "temperature", "stop"))}
    )
    assert response.status_code == 200, response.text
    for name, value in (("n", 0), ("n", 2), ("tools", [{}]), ("functions", [{}])):
        refused = await client.post("/v1/chat/completions", json={**asked, name: value})
        assert refused.status_code == 400, name
        assert refused.json()["error"]["type"] == "invalid_request_error"


async def test_a_refusal_is_where_clients_look_for_it(client: httpx.AsyncClient) -> None:
    async def message(question: str) -> dict[str, Any]:
        asked = {"model": "zhizhi", "messages": [{"role": "user", "content": question}]}
        done = await client.post("/v1/chat/completions", json=asked)
        found: dict[str, Any] = done.json()["choices"][0]["message"]
        return found

    refused = await message(PHONE)
    assert refused["refusal"] == refused["content"]
    assert (await message(CAPITAL))["refusal"] is None


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/audio/speech", "/v1/chat/none", "/v1"])
async def test_what_is_not_there_is_told_in_the_clients_own_form(
    path: str, client: httpx.AsyncClient
) -> None:
    response = await client.post(path, json={})
    assert response.status_code == 404
    if path != "/v1":
        assert response.json()["error"]["type"] == "invalid_request_error"


async def test_browsers_may_send_what_the_sdk_sends(model: SmallModel) -> None:
    app = create_app(Settings(cors_origins=("https://a.example",)), model)
    names = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,"
    names += "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
    names += "x-stainless-runtime-version,x-stainless-timeout"
    async with client_of(app) as browser:
        response = await browser.options(
            "/v1/chat/completions",
            headers={
                "Origin": "https://a.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": names,
            },
        )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe{", b"[" * 100_000, b'{"n": 1' + b"0" * 5000 + b"}"]
)
async def test_whatever_is_no_json_is_told_alike(body: bytes, client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    native = await client.post("/v1/qa", content=body, headers=headers)
    assert (native.status_code, native.json()["type"]) == (400, "urn:zhizhi:problem:invalid-json")
    openai_like = await client.post("/v1/chat/completions", content=body, headers=headers)
    assert openai_like.status_code == 400
    assert openai_like.json()["error"]["code"] == "invalid_json"


async def test_a_cached_answer_tells_its_usage(client: httpx.AsyncClient) -> None:
    asked = {"model": "zhizhi", "messages": [{"role": "user", "content": CAPITAL}]}
    first, again = [(await client.post("/v1/chat/completions", json=asked)).json() for _ in "12"]
    assert again["zhizhi"]["cached"]
    assert again["usage"] == first["usage"]
    assert first["usage"]["total_tokens"] > 0
