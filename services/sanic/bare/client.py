"""The backend by the client of our own in services/bare."""

from bare.asyncio_client import Backend

__all__ = ["Backend"]
