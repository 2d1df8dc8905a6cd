"""An OpenAI-compatible chat server for tests: real HTTP, and every fault one can think of."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Chat = dict[str, Any]


@dataclass
class Reply:
    """What the server answers: a chat completion unless told otherwise."""

    content: str = '{"evidence": "so", "verdict": true}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Instead of a completion."""
    usage: dict[str, Any] | None = None
    finish: str = "stop"
    delay_s: float = 0.0
    drips: bool = False
    """Sends its body a byte at a time, for ever."""
    cut: bool = False
    """Promises more than it sends."""

    def bytes(self) -> bytes:
        """The body."""
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": f"status {self.status}"}}).encode()
        choice = {"message": {"role": "assistant", "content": self.content}}
        found = {"model": "judge-1", "choices": [{**choice, "finish_reason": self.finish}]}
        return json.dumps(found | ({"usage": self.usage} if self.usage else {})).encode()


Answers = Callable[[Chat], Reply]


@dataclass
class Server:
    """The stand-in: what it was asked, and how it answers."""

    answers: Answers
    url: str = ""
    chats: list[Chat] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(answers: Answers | list[Reply] | Reply) -> Iterator[Server]:
    """Serve on a free port; a list is answered one by one, its last for ever."""
    server = Server(_in_turn(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            pass

        def do_POST(self) -> None:
            chat = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with server.lock:
                server.chats.append(chat)
                server.headers.append({k.lower(): v for k, v in self.headers.items()})
                server.paths.append(self.path)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            reply = server.answers(chat)
            try:
                self._send(reply)
            except OSError:
                self.close_connection = True
            finally:
                with server.lock:
                    server.at_once -= 1

        def _send(self, reply: Reply) -> None:
            server.ended.wait(reply.delay_s)
            body = reply.bytes()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body) + (100 if reply.cut else 0)))
            self.end_headers()
            if reply.drips:
                while not server.ended.wait(0.02):
                    self.wfile.write(b" ")
            self.wfile.write(body)
            self.close_connection = self.close_connection or reply.cut

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        server.ended.set()
        http.shutdown()
        http.server_close()
        thread.join(2)


def _in_turn(answers: Answers | list[Reply] | Reply) -> Answers:
    if isinstance(answers, Reply):
        return lambda _: answers
    if not isinstance(answers, list):
        return answers
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
