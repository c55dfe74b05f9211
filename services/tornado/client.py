"""The backend by Tornado's own AsyncHTTPClient, which opens a connection for each call."""

import asyncio

from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.iostream import UnsatisfiableReadError
from tornado.simple_httpclient import HTTPTimeoutError

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        AsyncHTTPClient.configure(
            None,  # Tornado's own
            max_clients=SETTINGS.concurrency,  # 10 by default
            defaults={
                "connect_timeout": SETTINGS.backend_timeout_s,
                "request_timeout": SETTINGS.backend_timeout_s,  # the whole call
                "follow_redirects": False,
            },
        )
        self.client = AsyncHTTPClient()
        # The rest are queued here: in the client's own queue they would time out.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            async with self.slots:  # here it waits
                response = await self.client.fetch(url, headers=headers, raise_error=False)
        except HTTPTimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except (HTTPError, UnsatisfiableReadError, OSError):
            raise contract.BackendBroken(SETTINGS) from None
        if response.code != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.body

    async def close(self) -> None:
        self.client.close()
