"""The backend by the client of our own in services/bare, and a calmer garbage collector."""

from bare import asyncio_client, tuning


class Backend(asyncio_client.Backend):
    def __init__(self) -> None:
        super().__init__()
        tuning.calm_gc()
