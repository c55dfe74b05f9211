"""The backend by pyqwest: the pool and its connections are reqwest's, in Rust."""

import asyncio

import pyqwest

import contract
from start import SETTINGS

BROKEN = (ConnectionError, pyqwest.ReadError, pyqwest.RemoteProtocolError, pyqwest.WriteError)


class Backend:
    def __init__(self) -> None:
        self.transport = pyqwest.HTTPTransport(
            pool_max_idle_per_host=SETTINGS.concurrency,  # 2 by default
            connect_timeout=SETTINGS.backend_timeout_s,
            read_timeout=SETTINGS.backend_timeout_s,
            follow_redirects=False,
            enable_otel=False,
        )
        self.client = pyqwest.Client(self.transport)
        self.free = asyncio.Semaphore(SETTINGS.concurrency)  # the pool itself has no limit

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            async with self.free:
                response = await self.client.get(url, headers=headers)  # here it waits
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except BROKEN:
            raise contract.BackendBroken(SETTINGS) from None
        if response.status != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.content

    async def close(self) -> None:
        await self.transport.aclose()
