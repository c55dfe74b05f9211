"""The backend by urllib3: a pool with a kept connection for each request in flight."""

import urllib3

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        self.pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=SETTINGS.concurrency,  # the default keeps one
            block=True,  # the rest wait in line
            timeout=SETTINGS.backend_timeout_s,
            retries=urllib3.Retry(1, redirect=False, respect_retry_after_header=False),  # of 3
        )

    def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            response = self.pool.request("GET", url, headers=headers)  # here it waits
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.TimeoutError):
                raise contract.BackendSlow(SETTINGS) from None
            raise contract.BackendBroken(SETTINGS) from None
        except urllib3.exceptions.HTTPError:
            raise contract.BackendBroken(SETTINGS) from None
        if response.status != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.data
