"""Passages about invented people and places: nothing here can be known from elsewhere."""

from __future__ import annotations

import pytest

from kg_builder.passage import Passage

TEXTS = {
    "沈云舟": "沈云舟的父亲是沈怀远。沈云舟的表字是子渡。沈云舟的籍贯是临江。沈云舟生活在大雍朝。",
    "沈怀远": "沈怀远是大雍朝人。沈怀远的配偶是柳如烟。沈怀远出生于临江。",
    "柳如烟": "柳如烟的父亲是柳敬之。柳如烟又称柳夫人。",
    "临江": "临江位于东海道。临江的别称是望江城。临江的人口约三十万。",
    "东海道": "东海道的首府是海宁城。东海道的面积是12万平方公里。",
    "海宁城": "海宁城建于1432年。海宁城的市花是茉莉。",
    "《夜航书》": "《夜航书》的作者是顾长风。《夜航书》出版于1871年。",
    "顾长风": "顾长风的代表作是《夜航书》。顾长风毕业于海宁书院。顾长风卒于1903年。",
    "海宁书院": "海宁书院的创办人是陆九思。海宁书院坐落在海宁城。",
    "陆九思": "陆九思的表字是慎之。陆九思出生于1790年。",
    "赤焰石": "赤焰石的化学符号是Cy。赤焰石由韩松发现。",
    "韩松": "韩松是大雍国的化学家。韩松的母亲是白氏。",
}


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return [
        Passage(id=f"p{number}", title=title, text=text)
        for number, (title, text) in enumerate(TEXTS.items())
    ]
