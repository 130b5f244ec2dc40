"""What a page may cost, and what leaves with the request."""

from __future__ import annotations

import gzip
import time
import zlib
from http.server import BaseHTTPRequestHandler

import pytest

from retrieval.web.fetch import ENCODINGS, Fetcher, FetchError, FetchSettings, Page, decode
from retrieval.web.guard import Guard

from .conftest import Site


async def reason(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(url)
    return caught.value.reason


async def test_a_page(site: Site, local: Guard) -> None:
    url = site.page("/a", "<p>岳云的父亲是岳飞。</p>")
    page = await Fetcher(local).fetch(url + "#part")
    assert page == Page(url, "text/html", "<p>岳云的父亲是岳飞。</p>")


async def test_nothing_of_ours_goes_along(site: Site, local: Guard) -> None:
    """No cookies come back, no credentials, no referrer; not even after a redirect set them."""
    site.page("/end", "ok")
    site.routes["/start"] = _cookie_and_redirect("/end")
    await Fetcher(local).fetch(site.url("/start"))
    for _, _, headers, _ in site.seen:
        assert not {"Cookie", "Authorization", "Referer", "Proxy-Authorization"} & set(headers)
        assert headers["User-Agent"].endswith("(compatible; Zhizhi)")
    assert len(site.seen) == 2


def _cookie_and_redirect(target: str):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Set-Cookie", "id=1; Path=/")
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


async def test_the_environment_sends_nobody_through_a_proxy(
    site: Site, local: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await Fetcher(local).fetch(site.page("/", "ok"))).text == "ok"


async def test_redirects_are_few(site: Site, local: Guard) -> None:
    site.redirect("/loop", "/loop")
    assert "more than 2 redirects" in await reason(
        Fetcher(local, FetchSettings(redirects=2)), site.url("/loop")
    )
    assert len(site.seen) == 3
    site.page("/end", "ok")
    site.redirect("/one", "/end", status=308)
    assert (await Fetcher(local).fetch(site.url("/one"))).url == site.url("/end")


@pytest.mark.parametrize(
    ("content_type", "status", "expected"),
    [
        ("application/pdf", 200, "content type 'application/pdf'"),
        ("image/png", 200, "content type"),
        ("", 200, "content type 'missing'"),
        ("text/html", 404, "status 404"),
        ("text/html", 500, "status 500"),
        ("text/html", 204, "status 204"),
    ],
)
async def test_only_text_that_is_there(
    content_type: str, status: int, expected: str, site: Site, local: Guard
) -> None:
    url = site.page("/x", b"x" if status != 204 else b"", content_type, status)
    assert expected in await reason(Fetcher(local), url)


async def test_bytes_are_counted_not_believed(site: Site, local: Guard) -> None:
    small = Fetcher(local, FetchSettings(bytes_on_the_wire=1000))
    assert "2000 bytes are announced" in await reason(small, site.page("/big", b"x" * 2000))

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(b"x" * 1000)

    site.routes["/endless"] = endless
    assert "more than 1000 bytes" in await reason(small, site.url("/endless"))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_bombs_are_not_unpacked(encoding: str, site: Site, local: Guard) -> None:
    zeros = b"\0" * (200 * 2**20)
    bomb = gzip.compress(zeros, 9) if encoding == "gzip" else zlib.compress(zeros, 9)
    assert len(bomb) < 300_000
    url = site.page("/bomb", bomb, Content_Encoding=encoding)
    fetcher = Fetcher(local, FetchSettings(bytes_decoded=2**20))
    started = time.monotonic()
    assert "unpacks to more than" in await reason(fetcher, url)
    assert time.monotonic() - started < 3


async def test_encodings(site: Site, local: Guard) -> None:
    text = "<p>岳云的父亲是岳飞。</p>" * 50
    for number, (body, encoding) in enumerate(
        [(gzip.compress(text.encode()), "gzip"), (zlib.compress(text.encode()), "deflate")]
    ):
        url = site.page(f"/{number}", body, Content_Encoding=encoding)
        assert (await Fetcher(local).fetch(url)).text == text
    odd = site.page("/odd", b"?", Content_Encoding="br")
    assert "content encoding 'br'" in await reason(Fetcher(local), odd)
    broken = site.page("/broken", b"not gzip", Content_Encoding="gzip")
    assert "error" in await reason(Fetcher(local), broken)


@pytest.mark.parametrize("part", ["headers", "body"])
async def test_slow_servers_are_left(part: str, site: Site, local: Guard) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"HTTP/1.1 200 OK"[:1])
            handler.wfile.flush()
            time.sleep(0.05)

    site.routes["/slow"] = drip
    fetcher = Fetcher(local, FetchSettings(seconds=0.4))
    started = time.monotonic()
    assert "longer than 0.4 s" in await reason(fetcher, site.url("/slow"))
    assert time.monotonic() - started < 2


async def test_pages_come_concurrently_and_fail_alone(site: Site, local: Guard) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.4)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    for number in range(6):
        site.routes[f"/{number}"] = wait
    urls = [site.url(f"/{number}") for number in range(6)]
    started = time.monotonic()
    found = await Fetcher(local).fetch_all([*urls, site.url("/none"), "ftp://x/", urls[0]])
    assert time.monotonic() - started < 2
    assert set(found) == {*urls, site.url("/none"), "ftp://x/"}
    assert all(isinstance(found[url], Page) for url in urls)
    assert isinstance(found["ftp://x/"], FetchError)


async def test_nobody_there(local: Guard) -> None:
    assert "ConnectError" in await reason(Fetcher(local), "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        ("岳飞".encode(), None),
        ("岳飞".encode("gb18030"), None),
        ("岳飞".encode("gb18030"), "gb2312"),
        ("宋代岳飞".replace("飞", "飛").encode("big5"), "big5"),
        (b"\xef\xbb\xbf" + "岳飞".encode(), "latin-1"),
        ("岳飞".encode(), "no-such-charset"),
        (b'<meta charset="gbk">' + "岳飞".encode("gbk"), None),
    ],
)
def test_charsets(body: bytes, declared: str | None) -> None:
    assert decode(body, declared).replace("飛", "飞").endswith("岳飞")


def test_what_no_charset_fits_is_still_text() -> None:
    assert "x" in decode(b"\xff\xfe\xfd x \x81", None)


@pytest.mark.parametrize(
    "name",
    [
        "punycode",
        "idna",
        "unicode_escape",
        "raw-unicode-escape",
        "utf-7",
        "undefined",
        "charmap",
        "palmos",
    ],
)
def test_only_encodings_of_the_web_are_decoded(name: str) -> None:
    """punycode takes a minute for a megabyte: its time grows with the square."""
    body = b"abc" * 100_000
    assert decode(body, name) == body.decode()
    page = b'<meta charset="' + name.encode() + b'">' + body
    assert decode(page, None) == page.decode()


def test_every_encoding_of_the_web_is_there() -> None:
    for name, codec in ENCODINGS.items():
        assert "<p>".encode(codec).decode(codec) == "<p>", name
    for name in ("GB2312", "Big5", "Shift_JIS", "EUC-KR", "windows-1251", "ISO-8859-2", "KOI8-R"):
        assert name.lower().replace("_", "-") in ENCODINGS
