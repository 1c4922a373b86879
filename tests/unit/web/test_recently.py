"""What tabs share for some seconds: one read for all, none of an old one, and no failure twice."""

from __future__ import annotations

import asyncio

import pytest

from controller.cli.web.recently import Recently


class Source:
    """Counts how often it is read; waits for a signal if there is one, and fails if it is to."""

    def __init__(self) -> None:
        self.reads = 0
        self.fails = False
        self.go = asyncio.Event()
        self.go.set()

    async def read(self) -> int:
        self.reads += 1
        await self.go.wait()
        if self.fails:
            raise ConnectionError
        return self.reads


async def test_many_tabs_read_once_until_it_is_old() -> None:
    """Tabs that ask while a read is on its way get its answer; a later one reads again, and so does one after a change."""
    now, source = [0.0], Source()
    recent = Recently(lambda: now[0])
    source.go.clear()
    tabs = [asyncio.create_task(recent.get("a", 5, source.read)) for _ in range(50)]
    await asyncio.sleep(0)
    source.go.set()
    assert set(await asyncio.gather(*tabs)) == {1}
    now[0] = 4.9
    assert await recent.get("a", 5, source.read) == 1
    assert await recent.get("b", 5, source.read) == 2
    now[0] = 5.1
    assert await recent.get("a", 5, source.read) == 3
    recent.forget()
    assert await recent.get("a", 5, source.read) == 4


async def test_a_closed_tab_does_not_end_the_read_of_others() -> None:
    """The first to ask leaves; the second gets the answer."""
    recent, source = Recently(), Source()
    source.go.clear()
    first, second = (asyncio.create_task(recent.get("a", 5, source.read)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    source.go.set()
    assert await second == 1


async def test_a_failure_is_not_kept() -> None:
    """Everybody who waits gets it; the next one reads again."""
    recent, source = Recently(), Source()
    source.fails = True
    with pytest.raises(ConnectionError):
        await recent.get("a", 5, source.read)
    source.fails = False
    assert await recent.get("a", 5, source.read) == 2
