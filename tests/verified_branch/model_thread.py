"""An agent's model in a thread of its own, for tests that wait in the main one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.clis.model import Model

READY_SECONDS = 20.0


@contextmanager
def serving(model: Model, host: str) -> Iterator[Model]:
    """Serve a model from a thread of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with model.serve(host):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(timeout=READY_SECONDS), "the model does not listen"
    try:
        yield model
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
