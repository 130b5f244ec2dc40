"""Fetcher: pages of the web as text, within bounds that a hostile server cannot move."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import Iterable
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict, Field

from retrieval.web.guard import BlockedError, Guard, GuardedTransport

logger = logging.getLogger(__name__)

TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = "Mozilla/5.0 (compatible; Zhizhi)"
# Names of encodings on the web (https://encoding.spec.whatwg.org/#names-and-labels) and the codecs that
# read them. What calls itself GB2312 is GB 18030 in practice, and Latin 1 is Windows-1252.
ENCODINGS: dict[str, str] = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8"), "utf-8"),
    "utf-8-sig": "utf-8-sig",
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16-le", "unicode"), "utf-16-le"),
    **dict.fromkeys(("utf-16be", "utf-16-be"), "utf-16-be"),
    **dict.fromkeys(
        ("gb18030", "gbk", "gb2312", "gb-2312-80", "x-gbk", "cp936", "chinese", "euc-cn"), "gb18030"
    ),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5", "cn-big5", "csbig5", "cp950"), "big5hkscs"),
    **dict.fromkeys(("shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932"), "cp932"),
    **dict.fromkeys(("euc-jp", "x-euc-jp"), "euc_jp"),
    "iso-2022-jp": "iso2022_jp",
    **dict.fromkeys(("euc-kr", "ks-c-5601-1987", "korean", "windows-949", "cp949"), "cp949"),
    **dict.fromkeys(("us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1", "l1"), "cp1252"),
    **{f"iso-8859-{n}": f"iso8859_{n}" for n in (*range(2, 9), 10, 13, 14, 15, 16)},
    **dict.fromkeys(("iso-8859-9", "windows-1254", "cp1254", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "windows-874", "tis-620"), "cp874"),
    **{
        name: f"cp{n}"
        for n in (1250, 1251, 1252, 1253, 1255, 1256, 1257, 1258)
        for name in (f"windows-{n}", f"cp{n}", f"x-cp{n}")
    },
    **dict.fromkeys(("koi8-r", "koi8"), "koi8_r"),
    "koi8-u": "koi8_u",
    **dict.fromkeys(("macintosh", "x-mac-roman"), "mac_roman"),
}
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]{2,20})", re.I)


class FetchError(Exception):
    """A page that could not be had, with the reason. ``blocked`` where the guard forbade it."""

    def __init__(self, url: str, reason: str, *, blocked: bool = False) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason, self.blocked = url, reason, blocked


class Page(NamedTuple):
    """A fetched page; ``url`` is where the redirects ended."""

    url: str
    content_type: str
    text: str


class FetchSettings(BaseModel):
    """The bounds of one page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=6.0, gt=0)  # for everything, redirects and slow servers included
    bytes_on_the_wire: int = Field(default=2 * 2**20, ge=1)
    bytes_decoded: int = Field(default=4 * 2**20, ge=1)
    redirects: int = Field(default=4, ge=0)
    concurrency: int = Field(default=8, ge=1)


class Fetcher:
    """Fetches pages. Keeps no cookies, sends no credentials, follows no proxy of the environment."""

    def __init__(self, guard: Guard | None = None, settings: FetchSettings | None = None) -> None:
        self.guard = guard or Guard()
        self.settings = settings or FetchSettings()

    def client(self) -> httpx.AsyncClient:
        """A client for one round of pages: connections belong to one event loop."""
        client = httpx.AsyncClient(
            transport=GuardedTransport(self.guard, max_connections=self.settings.concurrency),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self.settings.seconds),
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "text/html,application/xhtml+xml,text/plain;q=0.8",
                "Accept-Encoding": "gzip, deflate",
                "Accept-Language": "zh,en;q=0.7",
            },
        )
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return client

    async def fetch_all(self, urls: Iterable[str]) -> dict[str, Page | FetchError]:
        """Every page, concurrently; a page that fails leaves its error."""
        found: dict[str, Page | FetchError] = {}
        await self.fetch_into(urls, found)
        return found

    async def fetch_into(self, urls: Iterable[str], found: dict[str, Page | FetchError]) -> None:
        """The same into a dictionary, which holds what has come if this is cancelled."""
        limit = asyncio.Semaphore(self.settings.concurrency)

        async def one(client: httpx.AsyncClient, url: str) -> None:
            async with limit:
                try:
                    found[url] = await self.fetch(url, client)
                except FetchError as error:
                    found[url] = error
                except Exception as error:  # whatever a page brings about costs that page alone
                    logger.exception("a page could not be fetched")
                    found[url] = FetchError(url, type(error).__name__)

        async with self.client() as client, asyncio.TaskGroup() as group:
            for url in dict.fromkeys(urls):
                group.create_task(one(client, url))

    async def fetch(self, url: str, client: httpx.AsyncClient | None = None) -> Page:
        """One page; raises FetchError with the reason where it cannot be had."""
        if client is None:
            async with self.client() as own:
                return await self.fetch(url, own)
        try:
            async with asyncio.timeout(self.settings.seconds):
                return await self._follow(url, client)
        except BlockedError as error:
            raise FetchError(url, str(error), blocked=True) from error
        except TimeoutError as error:
            raise FetchError(url, f"took longer than {self.settings.seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, zlib.error, OSError, ValueError) as error:
            raise FetchError(url, f"{type(error).__name__}: {error}") from error

    async def _follow(self, url: str, client: httpx.AsyncClient) -> Page:
        target = url
        for _ in range(self.settings.redirects + 1):
            parsed = self.guard.check_url(target)
            async with client.stream("GET", parsed) as response:
                if response.status_code in REDIRECTS and "location" in response.headers:
                    try:
                        target = str(parsed.join(response.headers["location"]))
                    except (httpx.InvalidURL, ValueError) as error:
                        raise FetchError(url, f"redirect to no URL ({error})") from error
                    if parsed.scheme == "https" and target.startswith("http:"):
                        raise FetchError(url, "redirect from https to http", blocked=True)
                    continue
                return await self._page(url, str(parsed), response)
        raise FetchError(url, f"more than {self.settings.redirects} redirects")

    async def _page(self, asked: str, url: str, response: httpx.Response) -> Page:
        if response.status_code != 200:
            raise FetchError(asked, f"status {response.status_code}")
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in TEXT_TYPES:
            raise FetchError(asked, f"content type {content_type or 'missing'!r}")
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.settings.bytes_on_the_wire:
            raise FetchError(asked, f"{declared} bytes are announced")
        body = await self._body(asked, response)
        return Page(url, content_type, decode(body, response.charset_encoding))

    async def _body(self, url: str, response: httpx.Response) -> bytes:
        settings = self.settings
        try:
            return await bounded_body(response, settings.bytes_on_the_wire, settings.bytes_decoded)
        except BodyError as error:
            raise FetchError(url, str(error)) from error


class BodyError(Exception):
    """A body that is larger than it may be, or packed in a way that cannot be bounded."""


async def bounded_body(response: httpx.Response, wire: int, decoded: int) -> bytes:
    """The body of a response that is streamed, at most ``wire`` bytes as sent and ``decoded`` unpacked.

    It is unpacked piece by piece: a bomb is noticed before it has gone off. Raises BodyError.
    """
    unpack = _Unpacker(response.headers.get("content-encoding", ""))
    received = 0
    body = bytearray()
    async for piece in response.aiter_raw():
        received += len(piece)
        if received > wire:
            raise BodyError(f"more than {wire} bytes")
        body += unpack(piece, decoded - len(body) + 1)
        if len(body) > decoded:
            raise BodyError(f"unpacks to more than {decoded} bytes")
    return bytes(body)


class _Unpacker:
    """gzip and deflate with a bound on what one piece may become."""

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        if encoding in ("", "identity"):
            self._inflate = None
        elif encoding in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: zlib or gzip, by its head
        else:
            raise BodyError(f"content encoding {encoding!r}")

    def __call__(self, piece: bytes, most: int) -> bytes:
        if self._inflate is None:
            return piece
        return self._inflate.decompress(piece, max(1, most))


def decode(body: bytes, declared: str | None) -> str:
    """Text by the header's charset, a byte order mark, the page's own word, UTF-8, or GB 18030.

    Only the encodings of the web (ENCODINGS) are used: a page's author chooses the name, and some of
    Python's codecs take minutes for a megabyte.
    """
    found = _META_CHARSET.search(body[:4096])
    names = [
        "utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else None,
        declared,
        found.group(1).decode("ascii") if found else None,
        "utf-8",
        "gb18030",
    ]
    for name in names:
        codec = ENCODINGS.get((name or "").strip().lower().replace("_", "-"))
        if codec is None:
            continue
        try:
            return body.decode(codec)
        except UnicodeDecodeError:
            continue
    return body.decode("utf-8", "replace")
