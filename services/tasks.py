"""Several coroutines at once, for the services on asyncio."""

import asyncio
from collections.abc import Coroutine


async def together(*coroutines: Coroutine[None, None, object]) -> list:
    """All results, in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
