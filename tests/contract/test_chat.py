"""`/chat`: who hears what, what is refused, and what joins and leaves leave behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from loadtests import catalog
from tests.contract.chat import (
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    Member,
    frame,
    handshake,
    meet,
    unmasked,
)
from tests.contract.client import Connection, Headers, ask, check, echo, until
from tests.contract.conftest import Service, without_traceback

pytestmark = [pytest.mark.part("chat"), pytest.mark.route("/chat")]

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
LONGEST = 64 * 1024
NO_HANDSHAKE: dict[str, Headers] = {
    "no upgrade": (),
    "another version": handshake(KEY, version="12"),
    "no key": handshake(KEY)[:-1],
    "another upgrade": (("Connection", "Upgrade"), ("Upgrade", "h2c")),
    "a body": (("Connection", "Upgrade"), ("Upgrade", "h2c")),
}
TOO_LONG = {
    "a byte too long": frame(TEXT, b"x" * (LONGEST + 1)),
    "too long in bytes, not in letters": frame(TEXT, "é".encode() * (LONGEST // 2) + b"x"),
    "too long in fragments": frame(TEXT, b"x" * LONGEST, final=False) + frame(CONTINUATION, b"x"),
}
# Frames that a server may take as a mistake, or pass over.
NONSENSE = {
    "no UTF-8": frame(TEXT, b"\xff\xfe"),
    "nothing to continue": frame(CONTINUATION, b"x"),
    "another opcode": frame(5, b"x"),
    "a long ping": frame(PING, b"x" * 126),
    "a ping in two": frame(PING, b"x", final=False),
    "a text in a text": frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
    "a reserved bit": bytes([0xC1]) + frame(TEXT, b"x")[1:],
    "half a frame": frame(TEXT, b"x" * 1000)[:500],
    "more than there is room for": frame(BINARY, b"")[:1] + b"\xff" + b"\xff" * 12,
}


@contextlib.contextmanager
def room(service: Service, count: int) -> Iterator[Sequence[Member]]:
    """So many members; nothing that happens to them leaves a traceback in the log."""
    with without_traceback(service), contextlib.ExitStack() as stack:
        members = [stack.enter_context(Member(service.url)) for _ in range(count)]
        meet(members)
        yield members


def test_everybody_else_hears_it(service: Service) -> None:
    with room(service, 4) as (sender, *others):
        sender.say("hello", "", "Grüße, 世界 🐌")
        for other in others:
            assert other.hears(3) == ["hello", "", "Grüße, 世界 🐌"]
        others[0].say("answer")
        assert sender.hears() == ["answer"]  # and nothing of its own


def test_in_the_same_order_for_all(service: Service) -> None:
    many = 80  # of each: together fewer than may wait for one member
    with room(service, 5) as (*senders, one, another):
        for number in range(many):
            for sender in senders:
                sender.say(f"{senders.index(sender)} {number}")
        heard = one.hears(3 * many)
        assert another.hears(3 * many) == heard
        for index, sender in enumerate(senders):
            own = [f"{index} {number}" for number in range(many)]
            assert [text for text in heard if text.startswith(f"{index} ")] == own
            not_own = [text for text in heard if not text.startswith(f"{index} ")]
            assert sender.hears(2 * many) == not_own


def test_said_right_before_leaving(service: Service) -> None:
    with room(service, 3) as (leaver, *others):
        leaver.say("bye")
        assert leaver.leave() == 1000
        for other in others:
            assert other.hears() == ["bye"]


def test_several_hundred(service: Service) -> None:
    with room(service, 300) as (sender, *others):
        sender.say("one", "two")
        for other in others:
            assert other.hears(2) == ["one", "two"]


def test_joins_and_leaves_leave_nothing(service: Service) -> None:
    with room(service, 3) as (sender, *others):
        before = service.descriptors()
        for number in range(100):
            with Member(service.url) as guest:
                guest.say(f"guest {number}")
                if number % 2:
                    assert guest.leave() == 1000
                elif number % 4:
                    guest.hang_up(reset=True)
        sender.say("alone again")
        for other in others:
            heard = other.hears()
            while heard != ["alone again"]:
                assert heard[0].startswith("guest ")
                heard = other.hears()
        assert until(lambda: service.descriptors() <= before)


def test_a_connection_is_no_request(limited: Service, about: catalog.Service) -> None:
    """More connections than slots, or fewer where each occupies a thread."""
    holds_a_thread = about.waits == "a thread"
    with room(limited, 3 if holds_a_thread else 12) as (sender, *others):
        check(ask(limited.url, "/?delay=0"), 200, echo("0"))
        sender.say("still there")
        assert all(other.hears() == ["still there"] for other in others)


def test_ping(service: Service) -> None:
    with room(service, 2) as (member, other):
        for payload in (b"", b"ping", bytes(range(125))):
            member.send_bytes(frame(PING, payload))
            assert member.pong() == payload
        member.say("after")
        assert other.hears() == ["after"]


def test_fragments(service: Service) -> None:
    """Fragments with a ping in between, and one character in two pieces."""
    first, second = "Grüße".encode()[:3], "Grüße".encode()[3:]
    with room(service, 2) as (sender, other):
        sender.send_bytes(frame(TEXT, first, final=False) + frame(PING, b"p"))
        sender.send_bytes(frame(CONTINUATION, b"", final=False) + frame(CONTINUATION, second))
        assert sender.pong() == b"p"
        assert other.hears() == ["Grüße"]


def test_byte_by_byte(service: Service) -> None:
    with room(service, 2) as (sender, other):
        for byte in frame(TEXT, b"slow") + frame(TEXT, b"fast"):
            sender.send_bytes(bytes([byte]))
        assert other.hears(2) == ["slow", "fast"]


@pytest.mark.parametrize("letter", ["x", "é"])
def test_longest_message(service: Service, letter: str) -> None:
    text = letter * (LONGEST // len(letter.encode()))
    with room(service, 3) as (sender, *others):
        sender.say(text)
        half = text.encode()[: LONGEST // 2]
        sender.send_bytes(frame(TEXT, half, final=False) + frame(CONTINUATION, half))
        for other in others:
            assert other.hears(2) == [text, text]


@pytest.mark.parametrize("way", TOO_LONG)
def test_too_long(service: Service, way: str) -> None:
    with room(service, 3) as (sender, *others):
        sender.send_bytes(TOO_LONG[way])
        assert sender.close_code() == 1009
        hear_only_each_other(others)


def test_far_too_long(service: Service) -> None:
    """The close may get lost: the server need not read what it did not ask for."""
    with room(service, 3) as (sender, *others):
        sender.send_bytes(frame(TEXT, b"x" * (16 * 1024 * 1024)))
        assert sender.close_code() in (1009, None)
        hear_only_each_other(others)


@pytest.mark.parametrize("size", [0, 1, LONGEST])
def test_binary(service: Service, size: int) -> None:
    with room(service, 3) as (sender, *others):
        sender.send_bytes(frame(BINARY, b"x" * size))
        assert sender.close_code() == 1003
        hear_only_each_other(others)


@pytest.mark.rule("masking")
def test_unmasked(service: Service) -> None:
    """RFC 6455, 5.1: a server closes on such a frame; one that does not, on the next (1003)."""
    for opcode in (TEXT, PING):
        with room(service, 3) as (sender, *others):
            sender.send_bytes(unmasked(opcode, b"x") + frame(BINARY, b""))
            assert sender.close_code() == 1002
            hear_only_each_other(others)


@pytest.mark.parametrize("way", NONSENSE)
def test_broken_frames_do_not_disturb_the_others(service: Service, way: str) -> None:
    with room(service, 3) as (sender, *others):
        sender.send_bytes(NONSENSE[way])
        hear_only_each_other(others)
        sender.hang_up(reset=False)
        hear_only_each_other(others)


@pytest.mark.parametrize("way", NO_HANDSHAKE)
def test_no_handshake(service: Service, way: str) -> None:
    with Connection(service.url) as connection:
        body = b"hello" if "body" in way else b""
        assert connection.ask("/chat", headers=NO_HANDSHAKE[way], body=body).status in (400, 426)
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


def hear_only_each_other(others: Sequence[Member]) -> None:
    one, another = others
    one.say("to another")
    assert another.hears() == ["to another"]
    another.say("to one")
    assert one.hears() == ["to one"]
