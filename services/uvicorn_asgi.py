"""uvicorn, told what CONTRACT.md lets the environment decide: `python -m uvicorn_asgi`.

Its command line drops requests at SIGTERM that have arrived and were not read yet.
"""

import asyncio
import select
import socket

import uvicorn
import uvloop

import start

CONFIG = uvicorn.Config(
    "app:app",
    loop="uvloop",
    http="httptools",
    ws="none",
    backlog=start.BACKLOG,
    timeout_keep_alive=start.KEEP_ALIVE_S,
    timeout_graceful_shutdown=start.DRAIN_S,
    ssl_certfile=start.CERTIFICATE,
    ssl_keyfile=start.KEY,
    access_log=False,
    log_level="warning",
)


async def serve(listener: socket.socket) -> None:
    """Serve until SIGTERM, and then what has arrived."""
    server = uvicorn.Server(CONFIG)
    serving = asyncio.create_task(server.serve([listener]))
    while not (server.started or serving.done()):  # its signal handlers come before ours
        await asyncio.sleep(0.01)
    if not serving.done():
        await start.sigterm()
        for _ in range(100):  # uvloop accepts one connection a turn, and turns may be long
            if not select.select([listener], [], [], 0)[0]:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    start.run(lambda listener: uvloop.run(serve(listener)))
