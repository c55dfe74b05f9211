"""Rung 6: all of this is in the standard library. asyncio's loop, aiohttp's client.

`await` is `yield from`, and `call_soon_threadsafe` writes into a socketpair.

    python -m loadtests.ladder.rung6_asyncio HOST PORT DELAY REQUESTS

keeps so many requests under way. A second thread asks for one more now and
then; a line on stdout is how long that one was not even started, in seconds.
"""

import asyncio
import sys
import time
from threading import Thread

import aiohttp

HOST, PORT, DELAY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUESTS = int(sys.argv[4])
URL = f"http://{HOST}:{PORT}/delay/{DELAY}"


async def make_request(session: aiohttp.ClientSession) -> bytes:
    async with session.get(URL) as response:
        return await response.read()


async def make_requests(session: aiohttp.ClientSession) -> None:
    while True:
        await make_request(session)


async def make_one_more(session: aiohttp.ClientSession, asked_at: float) -> None:
    print(time.perf_counter() - asked_at, flush=True)
    await make_request(session)


async def main() -> None:
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0, force_close=True)  # as on the other rungs
    async with aiohttp.ClientSession(connector=connector) as session:

        def ask_for_more() -> None:
            while True:
                time.sleep(float(DELAY) / 7)
                one_more = make_one_more(session, time.perf_counter())
                asyncio.run_coroutine_threadsafe(one_more, loop)

        Thread(target=ask_for_more, daemon=True).start()
        await asyncio.gather(*(make_requests(session) for _ in range(REQUESTS)))


asyncio.run(main())
