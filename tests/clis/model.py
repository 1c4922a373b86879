"""Models on loopback with scripted answers: the Responses API for codex, the Messages API for claude, with SSE."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Self

from aiohttp import web

if TYPE_CHECKING:  # a pod of tests/kind runs this file in our image, where the package has another name
    from controller.api.base import JsonObject

INPUT_TOKENS, OUTPUT_TOKENS = 100, 10
"""The usage of each answer of a model."""

MAX_REQUEST = 1 << 26
LOOPBACK = "127.0.0.1"
OK = 200


PATCH = """apply_patch <<'PATCH'
*** Begin Patch
*** Add File: {}
+{}
*** End Patch
PATCH"""
"""codex's tool for files, by which a model creates one: it looks like a shell command, and no shell runs it."""


class End(Enum):
    """How a stream ends."""

    COMPLETE = "complete"
    CUT = "cut"
    HELD = "held"
    """It stops in its middle until the test releases it, or the CLI ends."""


@dataclass(frozen=True)
class Reply:
    """A model's answer to one request."""

    text: str = ""
    command: str = ""
    """A shell command that the model calls, instead of a text."""
    file: str = ""
    """The absolute path of a file that the model creates with the CLI's own tool for that, with `text` as its only line."""
    javascript: str = ""
    """A program that the model has codex run in its own interpreter, as newer models do with every tool."""
    status: int = OK
    error: str = ""
    """The type of the error, if the status is an error."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of an error."""
    end: End = End.COMPLETE


class Model(ABC):
    """A server with a script of replies, whose last one is repeated. It records its requests."""

    path: ClassVar[str]

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[JsonObject] = []
        self.keys: list[str] = []
        self.strays: list[str] = []
        """Requests other than those to the model."""
        self.holding, self.released = asyncio.Event(), asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def serve(self, host: str = LOOPBACK) -> AsyncIterator[Self]:
        """Serve on a free port of an address, by default loopback."""
        app = web.Application(client_max_size=MAX_REQUEST)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.released.set()
            await runner.cleanup()

    def answer(self, *replies: Reply) -> None:
        """Replace the rest of the script."""
        self._replies = list(replies)

    def said(self) -> str:
        """Return the conversation of the last request, as JSON."""
        return json.dumps(self.conversation(self.requests[-1]), ensure_ascii=False)

    @abstractmethod
    def conversation(self, request: JsonObject) -> object:
        """Return the messages of a request."""

    @abstractmethod
    def failure(self, reply: Reply) -> JsonObject:
        """Return the body of an error."""

    @abstractmethod
    def events(self, reply: Reply, number: int) -> list[JsonObject]:
        """Return the events of an answer's stream."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST" or not request.path.endswith(self.path):
            self.strays.append(f"{request.method} {request.path}")
            return web.json_response({}, status=web.HTTPNotFound.status_code)
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("x-api-key", request.headers.get("authorization", "")))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if reply.status != OK:
            return web.json_response(self.failure(reply), status=reply.status, headers=dict(reply.headers))
        return await self._stream(request, reply)

    async def _stream(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        events = self.events(reply, len(self.requests))
        for number, event in enumerate(events):
            if number == len(events) // 2 and reply.end is not End.COMPLETE:
                self.holding.set()
                if reply.end is End.CUT:
                    assert request.transport
                    request.transport.close()
                    return response
                await self.released.wait()
                if request.transport is None or request.transport.is_closing():
                    return response  # its client has ended meanwhile
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        return response


class Messages(Model):
    """Anthropic's Messages API."""

    path = "/v1/messages"

    def conversation(self, request: JsonObject) -> object:
        """Return the messages."""
        return request["messages"]

    def failure(self, reply: Reply) -> JsonObject:
        """Return the body of an error."""
        return {"type": "error", "error": {"type": reply.error, "message": f"scripted {reply.status}"}}

    def events(self, reply: Reply, number: int) -> list[JsonObject]:
        """Return the events of one message, which is a text or the call of a tool."""
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "test", "content": [], "usage": usage}
        if reply.command or reply.file:
            tool, given = "Bash", {"command": reply.command, "description": "a test"}
            if reply.file:
                tool, given = "Write", {"file_path": reply.file, "content": f"{reply.text}\n"}
            block = {"type": "tool_use", "id": f"toolu_{number}", "name": tool, "input": {}}
            delta, stop = {"type": "input_json_delta", "partial_json": json.dumps(given)}, "tool_use"
        else:
            block, delta, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": reply.text}, "end_turn"
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": OUTPUT_TOKENS}},
            {"type": "message_stop"},
        ]


class Responses(Model):
    """OpenAI's Responses API."""

    path = "/responses"

    def conversation(self, request: JsonObject) -> object:
        """Return the items."""
        return request["input"]

    def failure(self, reply: Reply) -> JsonObject:
        """Return the body of an error."""
        return {"error": {"type": reply.error, "code": reply.error, "message": f"scripted {reply.status}"}}

    def events(self, reply: Reply, number: int) -> list[JsonObject]:
        """Return the events of one response, whose item is a message or the call of a function."""
        item: JsonObject
        command = PATCH.format(reply.file, reply.text) if reply.file else reply.command
        if reply.javascript:
            item = {"type": "custom_tool_call", "call_id": f"call_{number}", "name": "exec", "input": reply.javascript}
        elif command:
            given = json.dumps({"cmd": command})
            item = {"type": "function_call", "call_id": f"call_{number}", "name": "exec_command", "arguments": given}
        else:
            item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": reply.text}]}
        total = INPUT_TOKENS + OUTPUT_TOKENS
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": total}
        name = f"resp_{number}"
        return [
            {"type": "response.created", "response": {"id": name}},
            {"type": "response.output_item.done", "output_index": 0, "item": {"id": f"item_{number}", **item}},
            {"type": "response.completed", "response": {"id": name, "usage": usage}},
        ]
