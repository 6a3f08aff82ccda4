"""A REST server in this process, as Flink's gateway or cluster would answer."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]  # HTTP status and JSON
Respond = Callable[[str, str, Any], Answer]  # (method, path, body) -> answer


class FakeServer:
    """`address` is HOST:PORT; `asked` are the method, path and body of each request so far."""

    def __init__(self, respond: Respond) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                server.asked.append((self.command, self.path, body))
                status, found = respond(self.command, self.path, body)
                content = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def serving(respond: Respond) -> Iterator[FakeServer]:
    server = FakeServer(respond)
    try:
        yield server
    finally:
        server.close()


class FakeGateway:
    """Keeps what sessions were given; statements that contain a key of `wrong` end with that stack trace."""

    def __init__(self, wrong: dict[str, str] | None = None, *, endless: bool = False) -> None:
        self.wrong = wrong or {}
        self.endless = endless
        self.sessions: list[dict[str, str]] = []
        self.statements: list[str] = []
        self.closed = 0

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        match method, path.split("/")[2:]:
            case "POST", ["sessions"]:
                self.sessions.append(body["properties"])
                return 200, {"sessionHandle": "s"}
            case "DELETE", ["sessions", _]:
                self.closed += 1
                return 200, {"status": "CLOSED"}
            case "POST", ["sessions", _, "statements"]:
                self.statements.append(body["statement"])
                return 200, {"operationHandle": str(len(self.statements) - 1)}
            case "GET", ["sessions", _, "operations", number, "status"]:
                job = not self.statements[int(number)].startswith("CREATE")
                return 200, {"status": "RUNNING" if job and self.endless else "FINISHED"}
            case "GET", ["sessions", _, "operations", number, "result", _]:
                for word, trace in self.wrong.items():
                    if word in self.statements[int(number)]:
                        return 500, {"errors": ["Internal server error.", trace]}
                return 200, {"resultType": "PAYLOAD", "jobID": "f" * 32}
        return 404, {"errors": [f"{method} {path}"]}
