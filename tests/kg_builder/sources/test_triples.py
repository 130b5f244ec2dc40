import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kg_builder.sources import triples
from kg_builder.sources.opened import ARCHIVE_ENDS, LINE_TOO_LONG, line_chunks, open_bytes
from kg_builder.sources.report import ReadReport, SourceError, TooManyBadRows
from kg_builder.sources.rows import ALIAS
from kg_builder.sources.spec import SourceSpec
from kg_builder.sources.triples import Triples

OWNTHINK = "实体,属性,值\n李娜[网球运动员],国籍,中国\n红楼梦,作者,曹雪芹\n"


def read(
    folder: Path, content: str | bytes, name: str = "kg.csv", bad: float = 1.0, **spec: object
) -> tuple[list[tuple[str, str, str]], ReadReport]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = Triples(SourceSpec.model_validate({"location": str(path), **spec}))
    report = ReadReport(source.name, bad)
    rows = [
        (one["s"], one["p"], one["o"])
        for batch in source.batches(report)
        for one in batch.to_pylist()
    ]
    return rows, report


EXPECTED = [("李娜[网球运动员]", "国籍", "中国"), ("红楼梦", "作者", "曹雪芹")]


@pytest.mark.parametrize(
    "content",
    [
        OWNTHINK,
        OWNTHINK.partition("\n")[2],
        OWNTHINK.replace(",", "\t"),
        OWNTHINK.replace(",", "|||"),
        OWNTHINK.replace(",", " ||| "),
        OWNTHINK.replace("\n", "\r\n"),
        "\ufeff" + OWNTHINK,
        OWNTHINK.replace("\n", "\n\n"),
        OWNTHINK.removesuffix("\n"),
        "值,属性,实体\n中国,国籍,李娜[网球运动员]\n曹雪芹,作者,红楼梦\n",
        OWNTHINK.replace("曹雪芹", '"曹雪芹"'),
    ],
)
def test_layouts(tmp_path: Path, content: str) -> None:
    rows, report = read(tmp_path, content)
    assert rows == EXPECTED
    assert (report.rows, report.bad.total) == (2, 0)


@pytest.mark.parametrize(
    "compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress]
)
def test_archives_are_known_by_their_bytes(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    assert read(tmp_path, compress(OWNTHINK.encode()), "no-suffix")[0] == EXPECTED


def test_an_archive_of_several_frames(tmp_path: Path) -> None:
    first, second = OWNTHINK[:30].encode(), OWNTHINK[30:].encode()
    for compress in (gzip.compress, bz2.compress, zstandard.compress):
        assert read(tmp_path, compress(first) + compress(second))[0] == EXPECTED


# bzip2 gives whole blocks only: its smallest, so that half of the file holds some.
@pytest.mark.parametrize(
    "compress", [gzip.compress, partial(bz2.compress, compresslevel=1), zstandard.compress]
)
def test_an_archive_cut_short_gives_what_it_has_and_a_note(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    generator = random.Random(0)
    noise = "".join(f"s{n},p,{generator.random()}\n" for n in range(60_000))
    content = compress(noise.encode())
    rows, report = read(tmp_path, content[: len(content) // 2])
    assert report.notes.counts[ARCHIVE_ENDS] == 1
    assert 1_000 < len(rows) < 60_000


def test_quoted_values_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    content = 'a,b,"c,d"\ne,f,"g ""h"" i"\nj,k,"l\nm"\nn,o,p\n'
    rows, report = read(tmp_path, content)
    assert sorted(rows) == [
        ("a", "b", "c,d"),
        ("e", "f", 'g "h" i'),
        ("j", "k", "l\nm"),
        ("n", "o", "p"),
    ]
    assert report.bad.total == 0


def test_an_unclosed_quote_costs_one_row(tmp_path: Path) -> None:
    content = 'a,b,"c\n' + "".join(f"s{n},p,o{n}\n" for n in range(50))
    rows, report = read(tmp_path, content)
    assert len(rows) == 50
    assert report.bad.counts == {triples.UNCLOSED: 1}


def test_a_quote_left_open_at_the_end_of_the_file(tmp_path: Path) -> None:
    rows, report = read(tmp_path, 'a,b,c\nd,e,"f\n')
    assert rows == [("a", "b", "c")]
    assert report.bad.counts == {triples.UNCLOSED: 1}


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    content = b"a,b,c\nonly,two\nthis,has,four,cells\n,no,subject\nx,,y\n"
    content += b"\xff\xfe,b,c\n" + b"nul\x00,b,c\n" + b"d,e,f\n"
    rows, report = read(tmp_path, content)
    assert rows == [("a", "b", "c"), ("d", "e", "f")]
    assert report.rows == 8
    assert report.bad.counts == {
        triples.CELLS: 2,
        triples.EMPTY_CELL: 2,
        "not UTF-8": 1,
        "NUL character": 1,
    }
    assert "only,two" in report.bad.samples[triples.CELLS]


def test_too_many_bad_rows_stop_the_job(tmp_path: Path) -> None:
    content = "a,b,c\n" * 80 + "broken\n" * 20
    assert len(read(tmp_path, content, bad=0.2)[0]) == 80
    with pytest.raises(TooManyBadRows, match="20 of 100 rows"):
        read(tmp_path, content, bad=0.1)


def test_a_very_long_line_is_skipped_without_being_held(tmp_path: Path) -> None:
    content = b"a,b,c\n" + b"x" * (10 << 20) + b"\nd,e,f\n" + b"y" * (2 << 20)
    rows, report = read(tmp_path, content)
    assert rows == [("a", "b", "c"), ("d", "e", "f")]
    assert report.bad.counts == {LINE_TOO_LONG: 2}


def test_columns_by_name_and_by_position(tmp_path: Path) -> None:
    named = "id;wer;was;wert\n1;法国;首都;巴黎\n"
    rows, _ = read(tmp_path, named, fields={"s": "wer", "p": "was", "o": "wert"})
    assert rows == [("法国", "首都", "巴黎")]
    rows, _ = read(tmp_path, "1;法国;首都;巴黎\n", fields={"s": 1, "p": 2, "o": 3})
    assert rows == [("法国", "首都", "巴黎")]
    with pytest.raises(SourceError, match="no column 'x'"):
        read(tmp_path, named, fields={"s": "x", "p": "was", "o": "wert"})


def test_mentions_of_cn_dbpedia_are_aliases(tmp_path: Path) -> None:
    path = tmp_path / "m2e.txt"
    path.write_text("花都\t巴黎\n", encoding="utf-8")
    source = Triples(SourceSpec(location=str(path)))
    (batch,) = source.batches(ReadReport("m2e"))
    (one,) = batch.to_pylist()
    assert (one["s"], one["p"], one["zh"]) == ("巴黎", ALIAS, "花都")


@pytest.mark.parametrize(("content", "message"), [("", "empty"), ("words\nwords\n", "delimiter")])
def test_files_that_hold_no_triples(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    if content:
        with pytest.raises(SourceError, match=message):
            read(tmp_path, content)
    else:
        assert read(tmp_path, content)[0] == []


def test_a_limit_ends_the_reading(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a,b,c\n" * 1000, limit=10)[0]) == 10


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.binary(max_size=12) | st.sampled_from([b'"', b",", b"\n", b"\r\n", b"a,b,c\n", b"\x00"]),
        max_size=30,
    )
)
def test_no_bytes_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    rows, report = read(folder, b"s,p,o\n1,2,3\n4,5,6\n" + b"".join(pieces), delimiter=",")
    assert rows[:1] == [("1", "2", "3")] or rows
    assert len(rows) + report.bad.total == report.rows


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40), st.integers(5, 60))
def test_chunks_hold_every_line_that_is_not_too_long(
    content: bytes, size: int, longest: int
) -> None:
    report = ReadReport("x", 1.0)
    chunks = list(line_chunks(io.BytesIO(b"#" + content), report, size, longest))
    wanted = (b"#" + content).split(b"\n")
    short = [line for line in wanted if len(line) + 1 <= longest]
    found = [line for chunk in chunks for line in chunk.removesuffix(b"\n").split(b"\n")]
    # A line at the very limit may go either way: its end counts or does not.
    assert [line for line in found if line and len(line) + 1 < longest] == [
        line for line in short if line and len(line) + 1 < longest
    ]
    assert all(len(line) <= longest for line in found)


@pytest.mark.parametrize("delimiter", ["##", "，", "|||"])
def test_quotes_mean_nothing_where_the_delimiter_is_no_single_byte(
    tmp_path: Path, delimiter: str
) -> None:
    lines = [["岳云", "父亲", "岳飞"], ["红楼梦", "又名", '"石头"记'], ["李娜", '"国籍', "中国"]]
    text = "".join(delimiter.join(line) + "\n" for line in lines)
    rows, report = read(tmp_path, text, name="own.txt", delimiter=delimiter)
    assert rows == [tuple(line) for line in lines]
    assert report.bad.total == 0


@pytest.mark.parametrize("inside", ["\ufeff", "\ufeff\ufeff\n", "\ufeff岳云,字,应祥\n"])
def test_a_byte_order_mark_inside_a_file_is_text(tmp_path: Path, inside: str) -> None:
    quoted = '1,2,"3\n4"\n'  # what follows is cut by itself
    rows, report = read(tmp_path, OWNTHINK + quoted + inside)
    whole = inside.count(",") == 2
    assert len(rows) == 3 + whole
    assert report.bad.total == (not whole)


def test_what_follows_a_line_too_long_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"#" + 9 * b"x" + b"\nshort\nlast\n")  # the end of the long line ends a chunk
    for size in range(1, 20):
        report = ReadReport("x", 1.0)
        with open_bytes(path) as stream:
            found = b"".join(line_chunks(stream, report, size, 7)).split()
        assert found == [b"short", b"last"], size
        assert report.bad.total == 1, size
