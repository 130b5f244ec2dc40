from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("langchain_core")
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from service.answer import Answer
from service.backend import Backend
from service.desk import Desk
from service.langchain import QuestionAnswerer, ZhizhiChat
from service.requests import QaOptions
from service.settings import Settings
from tests.service.world import CAPITAL, FATHER, PHONE, SmallLibrary, SmallModel

pytestmark = pytest.mark.slow  # LangChain alone takes seconds to import


@pytest.fixture
def desk() -> Iterator[Desk]:
    backend = Backend(SmallModel(), SmallLibrary(), Settings())
    yield Desk(Settings(), backend)
    backend.close(5)


def test_a_runnable_gives_the_whole_answer(desk: Desk) -> None:
    chain = QuestionAnswerer(desk) | RunnableLambda(lambda answer: answer.route)
    assert chain.batch([CAPITAL, FATHER, PHONE]) == ["direct", "retrieval", "refused"]
    answer = QuestionAnswerer(desk).invoke({"question": FATHER, "fallback": "never"})
    assert isinstance(answer, Answer)
    assert answer.reason == "fallback_disabled"


async def test_a_chat_model_answers_the_last_human_message(desk: Desk) -> None:
    chat = ZhizhiChat(desk=desk)
    turns = [
        SystemMessage("x"),
        HumanMessage("英国的首都是哪里?"),
        AIMessage("伦敦"),
        HumanMessage("那法国呢?"),
    ]
    reply = await chat.ainvoke(turns)
    assert reply.content == "法国的首都是巴黎。"
    assert reply.response_metadata["route"] == "direct"
    whole = None
    async for piece in chat.astream(FATHER):
        whole = piece if whole is None else whole + piece
    assert whole is not None
    assert whole.content == "岳云的父亲是岳飞。"
    assert whole.response_metadata["citations"][0]["quote"] == "岳云的父亲是岳飞"


def test_options_hold_for_every_question(desk: Desk) -> None:
    chat = ZhizhiChat(desk=desk, options=QaOptions(fallback="never"))
    assert chat.invoke(FATHER).response_metadata["route"] == "refused"
    with pytest.raises(ValueError, match="no human message"):
        chat.invoke([SystemMessage("x")])
