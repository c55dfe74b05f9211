"""The backend by requests: one Session, with a kept connection for each request in flight."""

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError, TimeoutError

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # no search for proxies and .netrc, once a request
        adapter = HTTPAdapter(
            pool_connections=1,
            pool_maxsize=SETTINGS.concurrency,  # 10 by default
            pool_block=True,  # the rest are queued
            max_retries=urllib3.Retry(1, redirect=False, respect_retry_after_header=False),  # of 0
        )
        self.session.mount("http://", adapter)

    def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        try:
            response = self.session.get(  # here it waits
                f"{SETTINGS.backend_url}/delay/{delay}",
                headers={"X-Request-ID": request_id} if request_id else None,
                timeout=SETTINGS.backend_timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # A timeout is a ConnectionError here where it ended a retry, or came in a body.
            cause = error.args[0] if error.args else None
            reason = getattr(cause, "reason", cause)
            if isinstance(reason, TimeoutError) and not isinstance(reason, NewConnectionError):
                raise contract.BackendSlow(SETTINGS) from None
            raise contract.BackendBroken(SETTINGS) from None
        if response.status_code != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.content
