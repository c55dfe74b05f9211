"""The backend by urllib3: a pool with a kept connection for each request in flight."""

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, TimeoutError

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        self.pool = urllib3.connection_from_url(
            SETTINGS.backend_url,
            maxsize=SETTINGS.concurrency,  # the default keeps one
            block=True,  # the rest are queued
            timeout=SETTINGS.backend_timeout_s,  # to connect, and for each read
            retries=urllib3.Retry(1, redirect=False, respect_retry_after_header=False),  # of 3
        )

    def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            response = self.pool.request("GET", f"/delay/{delay}", headers=headers)  # it waits
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            # (A refused connection is a kind of timeout to urllib3.)
            if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
                raise contract.BackendSlow(SETTINGS) from None
            raise contract.BackendBroken(SETTINGS) from None
        if response.status != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.data
