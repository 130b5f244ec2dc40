"""The search for names, held against the patterns that say the same."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kg_builder.matching.lexicon import pack
from kg_builder.matching.mentions import mentions, respaced
from kg_builder.matching.normalise import IDEOGRAPH, fold, is_ideograph, plain

LETTERS = st.text(alphabet="ab岳飞女是的了 -_·.,5+#〇的१\u0301क\u093e\n", max_size=16)
# No marks that combine: where a word of a name begins with one, the pattern takes the last there is.
NAMES = st.text(alphabet="ab岳飞女 -5·#", min_size=1, max_size=5).filter(
    lambda name: fold(name) != " "
)


def pattern_of(needle: str) -> re.Pattern[str]:
    parts = needle.split()
    pattern = r"[\W_]*".join(map(re.escape, parts))
    if len(parts) == 1 and len(parts[0]) == 1 and is_ideograph(parts[0]):
        fillers = pack("zh")["fillers"]
        before = rf"(?:(?<=[{fillers['copulas']}])|(?<!\w))"
        return re.compile(rf"{before}{pattern}(?=[{fillers['endings']}]?(?:\W|$|的))")
    other = rf"[^\W_{IDEOGRAPH}]"
    before = "" if is_ideograph(parts[0][0]) else rf"(?<!{other})"
    after = "" if is_ideograph(parts[-1][-1]) else rf"(?!{other})"
    return re.compile(before + pattern + after)


@given(LETTERS, NAMES)
def test_mentions_are_those_of_the_pattern(text: str, name: str) -> None:
    text, needle = plain(text), fold(name)
    assert mentions(needle, text) == [found.span() for found in pattern_of(needle).finditer(text)]


@given(LETTERS, LETTERS, NAMES)
def test_a_name_is_found_in_its_own_words(before: str, after: str, name: str) -> None:
    text, needle = plain(f"{before}, {name} ,{after}"), fold(name)
    assert mentions(needle, text) == [found.span() for found in pattern_of(needle).finditer(text)]


@given(st.text(alphabet="abc -_\n,é", max_size=14), st.text(alphabet="abc", min_size=2, max_size=4))
def test_other_spaces_are_those_of_the_pattern(text: str, letters: str) -> None:
    text = plain(text)
    spelled = r"[\s-]?".join(letters)
    found = re.search(rf"(?<![^\W_]){spelled}(?![^\W_])", text)
    needle = f" {letters[0]} {letters[1:]} "
    assert respaced(needle, text) == (found.span() if found else None)


def test_whole_words_and_clauses() -> None:
    assert mentions(" paris ", "in paris, not parisian") == [(3, 8)]
    assert mentions(" 6 ", "1968") == []
    assert mentions(" 岳 飞 ", "岳·飞和岳 飞") == [(0, 3), (4, 7)]
    assert mentions(" क ा ा ", "(क ा·ा)") == [(1, 6)]
    assert mentions(" 女 ", "女王") == []
    assert mentions(" 女 ", "她是女的。") == [(2, 3)]
    assert respaced(" backflow ", "a back-flow preventer") == (2, 11)
    assert respaced(" rear view ", "the rearview mirror") == (4, 12)
    assert respaced(" rear view ", "the rearviewing") is None
