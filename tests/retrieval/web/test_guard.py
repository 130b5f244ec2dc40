"""Nothing that is not the open internet is ever connected to, however it is disguised."""

from __future__ import annotations

import ipaddress

import pytest

from retrieval.web.fetch import Fetcher, FetchError
from retrieval.web.guard import BlockedError, Guard, is_public

from .conftest import Site, names


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1",
        "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "fec0::1", "3fff::1", "192.0.0.8", "192.0.0.170", "192.88.99.1", "168.63.129.16", "5f00::1",
        "100::1", "2001:2::1", "2001:10::1", "64:ff9b:1::1", "::7f00:1", "4000::1", "192.175.48.1",
        "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1", "198.51.100.7", "203.0.113.7",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001:0:53aa:64c::1",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "data:text/html,x",
        "javascript:alert(1)", "http://", "http:///path", "//example.com", "example.com", "",
        "http://user:pass@example.com/", "http://user@example.com/", "http://example.com:22/",
        "http://example.com:6379/", "http://exa mple.com:80:80/", "http://example.com/" + "a" * 3000,
        "http://[::1", "https://example.com:99999/",
    ],
)  # fmt: skip
def test_urls_that_are_never_looked_up(url: str) -> None:
    with pytest.raises(BlockedError):
        Guard().check_url(url)


async def test_private_networks_open_no_port_of_public_hosts() -> None:
    guard = Guard(
        allowed=["10.1.0.0/16"],
        resolver=names({"house.example": ["10.1.2.3"], "public.example": ["1.1.1.1"]}),
    )
    guard.check_url("http://house.example:9000/")
    assert await guard.addresses("house.example", 9000) == ["10.1.2.3"]
    guard.check_url("http://public.example:6379/")  # where it leads is not known yet
    with pytest.raises(BlockedError, match="port 6379"):
        await guard.addresses("public.example", 6379)
    assert await guard.addresses("public.example", 443) == ["1.1.1.1"]


def test_fragments_stay_at_home() -> None:
    assert str(Guard().check_url("https://example.com/a?b#c")) == "https://example.com/a?b"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1",
        "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0", "127.0.0.1.",
    ],
)  # fmt: skip
async def test_this_machine_in_every_disguise(host: str, site: Site) -> None:
    """By the system's own resolver, against a server that would answer."""
    site.page("/", "secret")
    guard = Guard(ports=None)
    with pytest.raises(FetchError) as caught:
        await Fetcher(guard).fetch(site.url("/", host))
    assert caught.value.blocked, caught.value
    assert site.seen == []


async def test_names_that_point_inside(site: Site) -> None:
    site.page("/", "secret")
    guard = Guard(
        ports=None,
        resolver=names({
            "inside.example": ["127.0.0.1"],
            "both.example": ["1.1.1.1", "127.0.0.1"],
            "nowhere.example": [],
            "odd.example": ["not an address"],
        }),
    )  # fmt: skip
    for host in (
        "inside.example",
        "both.example",
        "nowhere.example",
        "odd.example",
        "unknown.example",
    ):
        with pytest.raises(FetchError) as caught:
            await Fetcher(guard).fetch(site.url("/", host))
        assert caught.value.blocked
    assert site.seen == []


async def test_rebinding_finds_no_second_lookup(site: Site) -> None:
    """The first answer is allowed, every later one would lead inside: there is no later one."""
    site.page("/", "<p>open</p>")
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    lookups = []

    async def rebinding(host: str, _: int) -> list[str]:
        lookups.append(host)
        return answers[min(len(lookups), 2) - 1]

    guard = Guard(allowed=["127.0.0.1/32"], ports=None, resolver=rebinding)
    page = await Fetcher(guard).fetch(site.url("/", "rebind.example"))
    assert "open" in page.text
    assert lookups == ["rebind.example"]
    # The next fetch looks again, and what it finds is judged again.
    with pytest.raises(FetchError) as caught:
        await Fetcher(guard).fetch(site.url("/", "rebind.example"))
    assert caught.value.blocked
    assert len(site.seen) == 1
    assert site.seen[0][2]["Host"].startswith("rebind.example:")


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/", "http://metadata.example/", "http://10.0.0.1/",
        "http://[::ffff:169.254.169.254]/", "file:///etc/passwd", "//2852039166/", "http://[fd00::1]/",
        "http://a:b@public.example/",
    ],
)  # fmt: skip
async def test_redirects_are_checked_again(target: str, site: Site) -> None:
    async def resolver(host: str, _: int) -> list[str]:
        known = {"metadata.example": "169.254.169.254", "2852039166": "169.254.169.254"}
        return [known.get(host, host.strip("[]"))]

    guard = Guard(allowed=["127.0.0.1/32"], ports=None, resolver=resolver)
    url = site.redirect("/start", target)
    with pytest.raises(FetchError) as caught:
        await Fetcher(guard).fetch(url)
    assert caught.value.blocked, caught.value
    assert [path for _, path, _, _ in site.seen] == ["/start"]
