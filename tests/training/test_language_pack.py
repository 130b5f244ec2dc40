"""The refusal detector is measured, not believed: sixty refusals and sixty answers."""

import pytest

from kg_builder.question import Language
from training.language_pack import LanguagePackError, is_refusal, language_pack

REFUSALS = """
我不知道和“岳云的父亲”相关的信息。
我不知道“岳云的父亲”。
我不清楚“岳云的父亲”,没有相关的信息。
我不知道
我不知道。
不知道。
不知道
不清楚。
对不起,我不知道。
抱歉,我不知道这个问题的答案。
抱歉，我无法回答这个问题。
很抱歉,我没有找到相关信息。
非常抱歉，我不确定答案。
我不确定。
我不太确定这个问题的答案。
我不太清楚岳云的父亲是谁。
我也不知道。
我真的不知道他是谁。
我并不了解这个人。
我暂时无法回答。
目前没有相关资料。
没有找到相关的记录。
我没有关于岳云的可靠信息。
我没有足够的信息来回答这个问题。
我没有把握,不敢乱说。
无法确定。
无从得知。
未知
不详。
资料没有提到。
资料中没有提及他的父亲。
文中未说明。
这个问题我不知道。
这个问题我答不上来。
关于这一点,我不清楚。
作为一个AI语言模型,我无法回答这个问题。
根据我的知识,我不知道答案。
我不知道,可能是岳飞。
恕我孤陋寡闻,我不知道这个人。
您好,我不知道这个问题的答案。
I don't know.
I don’t know anything about "the father of Yue Yun".
I do not know the answer to that question.
I'm not sure.
I am not certain about this.
Sorry, I don't know.
I'm sorry, but I don't have information about that.
I'm afraid I can't answer that.
Unfortunately, I do not have that information.
I have no information about "the capital of X".
I have no idea.
I cannot determine who that is.
I couldn't find any record of this.
I'm unable to answer this question.
I am unaware of any such person.
I really don't know.
There is not enough information to answer.
It is unclear who wrote it.
It's not known.
Unknown
Unknown.
No idea.
Not sure.
N/A
The passages do not say.
The text does not mention it.
As an AI language model, I don't know the answer.
To be honest, I don't know.
I apologize, but I don't know.
I'm not familiar with that person.
Well, I don't know.
"""

ANSWERS = """
岳飞。
岳云的父亲是岳飞。
巴黎。
巴黎。我不确定年份。
《我不知道》是1993年的歌曲。
1949年。
不丹。
不列颠。
无锡。
无名氏。
未来日记。
没有六儿。
我国的首都是北京。
我认为是岳飞。
我是一个小小的语言模型。
我叫知之。
资料记载,他是岳飞的长子。
抱歉久等了,他的父亲是岳飞。
对不起,刚才说错了,答案是岳飞。
抱歉,让你久等了。答案是岳飞。
《抱歉》的作者是马洛伊。
《没有答案的问题》的作曲者是艾夫斯。
不清楚的部分不说,他的父亲是岳飞。
和“岳云的父亲”相关的信息:岳飞。
“岳云的父亲”:岳飞。
你好!有什么可以帮你?
过奖了,我不知道怎么感谢你的夸奖。
真好看,我不知道说什么好。
知之为知之,不知为不知,是知也。
没有疑问,是岳飞。
没有人比岳飞更合适了,就是他。
无法无天的主演是张三。
目前的首都是北京。
现在是北京。
他是南宋人,生卒年不详。
岳飞,具体出生地不清楚。
李白字太白,号青莲居士。
未央宫位于西安。
不知火舞出自《饿狼传说》。
不了情的导演是陶秦。
Yue Fei.
The father of Yue Yun is Yue Fei.
Paris.
Paris. I'm not sure about the year.
"I Don't Know" is a song by Paul McCartney.
The song "I Don't Know How to Love Him".
The Unknown Soldier is by Väinö Linna.
Unknown Pleasures was recorded by Joy Division.
Sorry for the wait: it is Paris.
Sorry, I meant Paris.
I'm sorry for your loss; the capital is Paris.
I believe it is Paris.
I am a small language model.
I have read that it is Paris.
I know this one: Paris.
Nothing Compares 2 U was written by Prince.
No Country for Old Men.
Not Without My Daughter.
N/A is the pen name of nobody; the author is Lu Xun.
It is known as the City of Light: Paris.
It is not clear glass but quartz.
There is no doubt: Paris.
There is no place called that but Springfield, Illinois.
Unfortunately for Napoleon, it was Waterloo.
Afraid of the Dark is by Mark Peploe.
Thanks, I don't know what to say!
Hello! How can I help you?
The text was written by Homer.
We have Yue Fei to thank.
I can tell you: Yue Fei.
Sure, it is Yue Fei.
"""

LINES = [(t, True) for t in REFUSALS.split("\n") if t] + [
    (t, False) for t in ANSWERS.split("\n") if t
]


def test_the_table_is_large_enough() -> None:
    for refusal in (True, False):
        texts = [text for text, is_one in LINES if is_one is refusal]
        chinese = [text for text in texts if any("\u3400" <= c <= "\u9fff" for c in text)]
        assert len(texts) >= 60
        assert len(chinese) >= 30
        assert len(texts) - len(chinese) >= 30
        assert len(texts) == len(set(texts))


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_detector(text: str, expected: bool) -> None:
    assert is_refusal(text) is expected


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_space_and_quotation_marks_change_nothing(text: str, expected: bool) -> None:
    assert is_refusal(f"\n {text}  ") is expected


@pytest.mark.parametrize("language", ["zh", "en"])
def test_own_refusals_are_recognised_and_start_as_announced(language: str) -> None:
    pack = language_pack(language)  # type: ignore[arg-type]
    for wording in range(len(pack.refusals)):
        text = pack.refusal("岳云的父亲", wording)
        assert pack.is_refusal(text)
        assert "岳云的父亲" in text
    assert pack.refusals[0].startswith(pack.refusal_prefix)
    assert not pack.is_refusal(pack.fixed_answer("岳云的父亲", "岳飞"))


def test_the_experiments_prompt_word_for_word() -> None:
    assert language_pack("zh").prompt("岳云的父亲是?") == (
        "回答下列问题。注意:你只有在你非常确定答案的时候才回答,否则请回复你不知道。\n"
        "问题:岳云的父亲是?"
    )
    assert language_pack("zh").refusal("岳云的父亲") == "我不知道和“岳云的父亲”相关的信息。"


def test_wordings_go_round_and_hold_the_question_once() -> None:
    pack = language_pack("en")
    wordings = {pack.prompt("Who?", i) for i in range(2 * len(pack.prompts))}
    assert len(wordings) == len(pack.prompts)
    assert all(wording.count("Who?") == 1 for wording in wordings)


def test_braces_in_a_question_stay() -> None:
    assert language_pack("zh").prompt("{topic}和{0}是什么?", 4) == "{topic}和{0}是什么?"


def test_an_unknown_language_is_named_with_those_that_are_there() -> None:
    with pytest.raises(LanguagePackError, match=r"'fr'.*en, zh"):
        language_pack("fr")  # type: ignore[arg-type]


def test_an_empty_text_is_no_refusal() -> None:
    assert not is_refusal("")


@pytest.mark.parametrize(
    ("language", "question", "topic"),
    [
        ("zh", "岳云的父亲是?", "岳云的父亲"),
        ("zh", "请问法国的首都是哪里？", "法国的首都"),
        ("zh", "《红楼梦》的作者是谁?", "《红楼梦》的作者"),
        ("zh", "姚明哪年出生", "姚明哪年出生"),
        ("zh", "?", "?"),
        ("en", "Who is the father of Yue Yun?", "the father of Yue Yun"),
        ("en", "Who wrote Hamlet?", "Who wrote Hamlet"),
    ],
)
def test_the_topic_of_a_question(language: Language, question: str, topic: str) -> None:
    assert language_pack(language).topic(question) == topic
