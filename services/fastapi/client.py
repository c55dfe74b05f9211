"""The backend by aiohttp's ClientSession: a kept connection for each request in flight."""

import asyncio

import aiohttp

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # 100 by default
            # To connect, and for each read; waiting for a slot has no timeout.
            timeout=aiohttp.ClientTimeout(
                sock_connect=SETTINGS.backend_timeout_s, sock_read=SETTINGS.backend_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # no search for cookies
        )
        # Not the connector's limit: where a caller is cancelled as its turn comes, all wait on.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            # Here it waits: for a slot, for the answer's head and then for its body.
            async with (
                self.slots,
                self.session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if response.status == 200:
                    return await response.read()
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except aiohttp.ClientError:
            pass
        raise contract.BackendBroken(SETTINGS)

    async def close(self) -> None:
        await self.session.close()
