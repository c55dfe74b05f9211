"""The backend by httpx2: one AsyncClient, which keeps 20 connections."""

import httpx2

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        limits = httpx2.Limits(
            max_connections=SETTINGS.concurrency,  # 100 by default
            max_keepalive_connections=20,  # the default: each call goes through all there are
        )
        self.client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(limits=limits, retries=1, trust_env=False),
            timeout=httpx2.Timeout(SETTINGS.backend_timeout_s, pool=None),  # the rest are queued
            trust_env=False,  # no search for proxies and .netrc
        )

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            response = await self.client.get(url, headers=headers)  # here it waits
        except httpx2.TimeoutException:
            raise contract.BackendSlow(SETTINGS) from None
        except (httpx2.HTTPError, AttributeError):  # anyio on uvloop, where a new one is reset
            raise contract.BackendBroken(SETTINGS) from None
        if response.status_code != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.content

    async def close(self) -> None:
        await self.client.aclose()
