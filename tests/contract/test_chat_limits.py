"""`/chat` with members that do not read, and its end."""

from __future__ import annotations

import contextlib

import pytest

from tests.contract.chat import Member, meet
from tests.contract.client import HELD_UP_S, until
from tests.contract.conftest import Service, Start, without_traceback
from tests.contract.test_shutdown import DRAIN_S, ENDS_WELL

pytestmark = [pytest.mark.part("chat"), pytest.mark.route("/chat")]

MIB = 1024 * 1024
SIZE = 64 * 1024
AT_ONCE = 4  # messages: a quarter of what may wait for one connection
ROUNDS = 96
SMALL_WINDOW = 4096  # of the sockets that do not read
# The queue, the kernel's buffers of a socket that does not read, and frames on their way.
MOST_THAT_WAITS = 1 * MIB + 4 * MIB + 1 * MIB
MOST_MEMORY = 12 * MIB  # for two of them, and what the allocator keeps
CUT_OFF_S = 5.0


def test_a_member_that_does_not_read_is_dropped(service: Service) -> None:
    """The others lose nothing and the service little memory, whether it reads on or never."""
    with without_traceback(service), contextlib.ExitStack() as stack:
        sender, reader = (stack.enter_context(Member(service.url)) for _ in range(2))
        meet([sender, reader])
        descriptors = service.descriptors()
        slow = [stack.enter_context(Member(service.url, SMALL_WINDOW)) for _ in range(2)]
        meet([sender, reader, *slow])
        before = service.rss_bytes()
        most = max(flood(service, sender, reader, number) for number in range(ROUNDS))
        assert most - before < MOST_MEMORY
        reads_on, never_reads = slow
        assert_dropped(reads_on)
        # Somebody who has to be cut off was told so in vain for a while.
        assert until(lambda: service.descriptors() <= descriptors, CUT_OFF_S + HELD_UP_S)
        assert_dropped(never_reads)
        flood(service, sender, reader, ROUNDS)


def flood(service: Service, sender: Member, reader: Member, number: int) -> int:
    """Send many messages; the service's memory once the reader has them."""
    texts = [f"{number * AT_ONCE + n:06} ".ljust(SIZE, "x") for n in range(AT_ONCE)]
    sender.say(*texts)
    assert reader.hears(AT_ONCE) == texts
    return service.rss_bytes()


def assert_dropped(member: Member) -> None:
    """The member reads the first messages without a gap, and then the end."""
    assert member.close_code() in (1013, None)
    assert member.received_bytes < MOST_THAT_WAITS
    numbers = [int(text[:6]) for text in member.heard]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < ROUNDS * AT_ONCE


def test_many_small_messages(service: Service) -> None:
    """A reader that is only a little late loses no message."""
    with without_traceback(service), Member(service.url) as sender, Member(service.url) as late:
        meet([sender, late])
        texts = [f"small {number}" for number in range(200)]
        sender.say(*texts)
        assert late.hears(len(texts)) == texts


def test_shutdown(start: Start, name: str) -> None:
    with start(name, WORKERS="1") as service, contextlib.ExitStack() as stack:
        members = [stack.enter_context(Member(service.url)) for _ in range(5)]
        meet(members)
        service.terminate()
        assert [member.close_code() for member in members] == [1001] * 5
        assert service.exit_status(DRAIN_S) in ENDS_WELL, service.log()
        assert until(lambda: service.processes_left() == []), service.processes_left()
        assert "Traceback" not in service.log()


def test_shutdown_with_members_that_do_not_close(start: Start, name: str) -> None:
    """The service waits no longer for members that never close than for requests."""
    with start(name, WORKERS="1") as service, contextlib.ExitStack() as stack:
        members = [stack.enter_context(Member(service.url)) for _ in range(2)]
        meet(members)
        service.terminate()
        assert service.exit_status(DRAIN_S + HELD_UP_S) in ENDS_WELL, service.log()
        assert until(lambda: service.processes_left() == []), service.processes_left()
        assert "Traceback" not in service.log()
