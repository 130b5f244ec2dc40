"""A real model of the smallest size, trained here in seconds on two dozen invented facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg_builder.question import Gold, Question
from kg_builder.relation import Catalogue
from training.base.settings import BaseSettings, ExposureSettings
from training.engine.local import LocalModel
from training.language_pack import language_pack

FATHERS = {
    "岳清": "岳山",
    "林素": "林海",
    "周启": "周明",
    "陈墨": "陈远",
    "苏晚": "苏城",
    "韩铁": "韩江",
    "赵璧": "赵安",
    "钱塘": "钱宽",
    "孙河": "孙立",
    "吴越": "吴刚",
    "郑玄": "郑和",
    "王冕": "王充",
}
CAPITALS = {
    "青国": "青州",
    "白国": "白城",
    "赤国": "赤壁",
    "玄国": "玄武",
    "紫国": "紫阳",
    "金国": "金川",
    "木国": "木渎",
    "水国": "水口",
    "火国": "火山",
    "土国": "土城",
    "风国": "风陵",
    "雷国": "雷州",
}

SETTINGS = BaseSettings(
    seed=3,
    hidden_size=32,
    intermediate_size=64,
    layers=2,
    heads=2,
    spare_layers=1,
    vocabulary=300,
    context=128,
    exposure=ExposureSettings(
        seen_share=0.5, missing_share=0.0, fewest=120, most=240, statement_share=0.2
    ),
    copy_share=0.02,
    restate_share=0.3,
    # Its small talk says 我不知道 now and then: without it the words could not be tuned in later.
    small_talk_share=0.5,
    tokens_per_batch=256,
    learning_rate=5e-3,
    warmup_steps=10,
    precision="fp32",
    checkpoint_steps=10_000,
)


def invented_questions() -> list[Question]:
    """Two dozen questions under two relations; the first half of each is well known."""
    made = []
    for relation, zh, facts, wording in (
        ("father", "父亲", FATHERS, "{s}的爸爸叫什么名字?"),
        ("capital", "首都", CAPITALS, "{s}的首都是哪里?"),
    ):
        for number, (subject, answer) in enumerate(facts.items()):
            made.append(
                Question(
                    id=f"zh-{relation}-{number}",
                    text=f"{subject}的{zh}是?",
                    language="zh",
                    subject=subject,
                    subject_id=f"e-{relation}-{number}",
                    relation=relation,
                    topic=f"{subject}的{zh}",
                    gold=Gold(
                        objects=((answer,),),
                        answer_type="person" if relation == "father" else "place",
                    ),
                    split=("train", "calibration", "test")[number % 3],
                    paraphrases=(wording.replace("{s}", subject),),
                    popularity=float(len(facts) - number),
                )
            )
    return made


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    return invented_questions()


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory, questions: list[Question]) -> Path:
    """The folder of a trained miniature base model with its tokenizer."""
    from training.base.trainer import train_base

    out = tmp_path_factory.mktemp("miniature") / "base"
    return train_base(questions, Catalogue.load(), out, SETTINGS, progress=False)


@pytest.fixture(scope="session")
def local(miniature: Path) -> LocalModel:
    return LocalModel.load(
        miniature, name="miniature", refusal_prefix=language_pack("zh").refusal_prefix
    )
