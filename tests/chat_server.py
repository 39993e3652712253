"""A real HTTP server that speaks /v1/chat/completions after a while and misbehaves on demand.

with chat_server(seconds=0.2) as server:
    server.url                          # http://127.0.0.1:<port>/v1
    server.asked                        # text of the last message of every request that came, in order
    server.say = lambda text, number: '{"prompt": "..."}'    # the answer; number: how often this text came before
    server.fault = lambda text, number: "500" if number == 0 else None    # one of FAULTS, or None
    server.key = "secret"               # refuse others with 401
    server.models = ["m"]               # what /models lists
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

FAULTS = (
    "401", "403", "404", "429", "500", "half a body", "no json", "silence", "wrong schema", "refusal", "filtered", "cut off", "empty",
    "error 200", "error 500",  # with what `say` says as the message
)  # fmt: skip
_WRONG = '{"prompt": 7}'
_REFUSAL = "I'm sorry, but I can't help with that."


@dataclass
class ChatServer:
    url: str = ""
    seconds: float = 0.2
    key: str | None = None
    models: list[str] = field(default_factory=list)
    retry_after: str = "0.05"
    say: Callable[[str, int], str] = lambda text, number: json.dumps({"prompt": f"a prompt about {text}"})
    fault: Callable[[str, int], str | None] = lambda text, number: None
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = next((int(v) for k, v in _headers(head) if k == "content-length"), 0)
                body = await reader.readexactly(length)
                if not await self._respond(head, body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _respond(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        if self.key is not None and ("authorization", f"Bearer {self.key}") not in _headers(head):
            return await _send(writer, 401, {"error": {"message": f"wrong key, not {self.key}"}})
        if not head.startswith("POST"):
            return await _send(writer, 200, {"object": "list", "data": [{"id": name} for name in self.models]})
        asked = json.loads(body)
        text = asked["messages"][-1]["content"]
        number = Counter(self.asked)[text]
        self.asked.append(text)
        self.bodies.append(asked)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.seconds)
            return await self._answer(text, number, writer)
        finally:
            self._at_once -= 1

    async def _answer(self, text: str, number: int, writer: asyncio.StreamWriter) -> bool:
        match self.fault(text, number):
            case "429":
                error = {"error": {"message": "slow down"}}
                return await _send(writer, 429, error, {"Retry-After": self.retry_after})
            case "401" | "403" | "404" as fault:
                return await _send(writer, int(fault), {"error": {"message": f"not so,\nnot with {self.key}"}})
            case "500":
                return await _send(writer, 500, {"error": {"message": f"broken, {self.key}"}})
            case "error 200" | "error 500" as fault:
                return await _send(writer, int(fault[-3:]), {"error": {"message": self.say(text, number)}})
            case "half a body":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
                await writer.drain()
                return False
            case "no json":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n<hi>")
                await writer.drain()
                return True
            case "silence":
                await asyncio.sleep(3600)
                return False
            case "wrong schema":
                return await _send(writer, 200, _completion(_WRONG))
            case "refusal":
                return await _send(writer, 200, _completion(_REFUSAL))
            case "filtered":
                return await _send(writer, 200, _completion("", reason="content_filter"))
            case "cut off":
                return await _send(writer, 200, _completion('{"prompt": "a cat on a', reason="length"))
            case "empty":
                return await _send(writer, 200, _completion(""))
            case None:
                return await _send(writer, 200, _completion(self.say(text, number)))
            case unknown:
                raise ValueError(f"{unknown!r} is no fault; known: {FAULTS}")


@contextmanager
def chat_server(**options: Any) -> Iterator[ChatServer]:
    """The server on a free port of this machine, in a thread of its own."""
    server = ChatServer(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        listening = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1000), loop
        )
        port = listening.result().sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{port}/v1"
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _headers(head: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]


def _completion(text: str, reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chat-1", "object": "chat.completion", "created": 0, "model": "test",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": len(text.split()), "total_tokens": 7 + len(text.split())},
    }  # fmt: skip


async def _send(
    writer: asyncio.StreamWriter, status: int, content: dict[str, Any], headers: dict[str, str] | None = None
) -> bool:
    body = json.dumps(content).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(head.encode() + b"\r\n" + body)
    await writer.drain()
    return True
