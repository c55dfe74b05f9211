"""The backend by Tornado's AsyncHTTPClient on libcurl, which keeps connections."""

import pycurl
from tornado.curl_httpclient import CurlError
from tornado.httpclient import AsyncHTTPClient

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        AsyncHTTPClient.configure(
            "tornado.curl_httpclient.CurlAsyncHTTPClient",
            max_clients=SETTINGS.concurrency,  # 10 by default; the rest are queued
            defaults={
                "connect_timeout": SETTINGS.backend_timeout_s,
                "request_timeout": SETTINGS.backend_timeout_s,  # the whole call
                "follow_redirects": False,
            },
        )
        self.client = AsyncHTTPClient()

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:  # here it waits
            response = await self.client.fetch(url, headers=headers, raise_error=False)
        except CurlError as error:
            if error.errno == pycurl.E_OPERATION_TIMEDOUT:
                raise contract.BackendSlow(SETTINGS) from None
            raise contract.BackendBroken(SETTINGS) from None
        # libcurl takes a head that was cut short for a whole answer, without a body.
        if response.code != 200 or not response.body:
            raise contract.BackendBroken(SETTINGS)
        return response.body

    async def close(self) -> None:
        self.client.close()
