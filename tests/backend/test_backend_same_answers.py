"""The fast path takes nothing that the strict parser would not, and answers the same."""

from __future__ import annotations

import json
import subprocess

from tests.backend.running import FOLDER, PYTHON, Backend, environment, get

USUAL = [
    get("/delay/0"),
    get("/delay/0.01", "X-Request-ID: abc"),
    get("/delay/0", "X-Request-ID: " + "x" * 68, "Accept: */*", "Accept-Encoding: gzip, deflate"),
    get("/delay/0", "User-Agent: Python/3.13 aiohttp/3.13", "Connection: keep-alive"),
    b"GET /delay/0.010 HTTP/1.1\r\nx-request-id: a.b\r\naccept: */*\r\nhost: 127.0.0.1:8\r\n\r\n",
    b"GET /delay/0 HTTP/1.1\r\nACCEPT: \r\nHOST: [::1]:8000\r\nAccept-Language: de\r\n\r\n",
]
# Run by the backend's own interpreter: mutate usual requests, and compare.
COMPARE = """
import json, random, sys
import contract, message

usual = [bytes(r, "latin-1") for r in json.load(sys.stdin)]
noise, taken, refused = random.Random(7), 0, 0
lines = [b"Host: a", b"X-Request-ID: b", b"Connection: close", b"Connection: keep-alive, close",
         b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Expect: x",
         b"Accept: " + b"y" * 300, b"Host : a", b" folded",
         b"accept:\\tz", b"Accept: \\x80", b"Upgrade: h2c"]
for round in range(60_000):
    data = bytearray(noise.choice(usual))
    for _ in range(round and noise.randrange(3)):
        place = noise.randrange(len(data))
        if noise.random() < 0.4:
            end = data.index(b"\\r\\n", 0 if place >= len(data) - 4 else place) + 2
            if end < len(data):
                data[end:end] = noise.choice(lines) + b"\\r\\n"
        else:
            data[place:place + noise.randrange(2)] = noise.choice(
                [b"", b"\\0", b"\\r", b"\\n", b"\\t", b" ", b":", b"9", b".", b"A", b"\\xe9"])
    match = message.usual_request(bytes(data))
    if match is None:
        refused += 1
        continue
    taken += 1
    rest = bytearray(data)
    request = message.take(rest)
    text, before, after = match.groups(b"")
    assert request == message.Request(b"GET", b"/delay/" + text, (before + after).decode() or None,
                                   0, True, False), bytes(data)
    assert not rest and not (before and after), bytes(data)
    assert contract.checked_request_id(request.request_id, 68) == (before + after).decode()
print(taken, refused)
"""


def test_the_strict_parser_reads_all_fast_requests_alike() -> None:
    run = subprocess.run(
        [PYTHON, "-c", COMPARE],
        input=json.dumps([request.decode("latin-1") for request in USUAL]),
        capture_output=True,
        text=True,
        cwd=FOLDER,
        env=environment(1),
    )
    assert run.returncode == 0, run.stderr
    taken, refused = map(int, run.stdout.split())
    assert taken > 10_000
    assert refused > 10_000


def test_both_paths_answer_alike(backend: Backend) -> None:
    for request in USUAL:
        backend.ask(request)  # so that the fast path knows the delay
        fast = backend.ask(request)
        strict = backend.ask(request + b"\r\n")  # an empty line more is not what is usual
        assert fast == strict
        assert fast.status == 200
