"""FastAPI with httpx, as its readers write it: uvicorn with_fastapi:app."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"], timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/orders/{number}")
async def order(number: int, request: Request) -> dict[str, object]:
    answer = await request.app.state.client.get(f"/stock/{number}")
    return {"order": number, "stock": answer.json()}
