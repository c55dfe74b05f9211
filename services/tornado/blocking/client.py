"""The mistake: requests inside `async def`. Nothing else runs while it waits."""

import requests
from urllib3.exceptions import ReadTimeoutError

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        self.session = requests.Session()

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        url = f"{SETTINGS.backend_url}/delay/{delay}"
        headers = {"X-Request-ID": request_id} if request_id else None
        options = {"timeout": SETTINGS.backend_timeout_s, "allow_redirects": False}
        try:
            # Here it waits, and the event loop with it: there is no `await`.
            response = self.session.get(url, headers=headers, **options)
        except requests.RequestException as error:
            cause = error.args[0] if error.args else None  # a timeout, if it came in the body
            if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
                raise contract.BackendSlow(SETTINGS) from None
            raise contract.BackendBroken(SETTINGS) from None
        if response.status_code != 200:
            raise contract.BackendBroken(SETTINGS)
        return response.content

    async def close(self) -> None:
        self.session.close()
