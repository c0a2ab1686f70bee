"""The service over HTTP, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from typing import Any, Mapping, Optional
from urllib.parse import urlencode, urlsplit

from .errors import ServiceError

DEFAULT_URL = "http://127.0.0.1:8080"


def multipart(parts: Mapping[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    """A multipart/form-data body of parts, each a media type and its bytes."""
    boundary = secrets.token_hex(16)
    body = bytearray()
    for name, (media_type, content) in parts.items():
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        ).encode()
        body += content
        body += b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(body)


class Connection:
    """Where the service is: `url`, else STABILITYD_URL, else http://127.0.0.1:8080; and a token, else
    STABILITYD_TOKEN, where it asks for one. `timeout` in seconds is for each request."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, timeout: float = 600) -> None:
        self.url = (url or os.environ.get("STABILITYD_URL") or DEFAULT_URL).rstrip("/")
        self.token = token or os.environ.get("STABILITYD_TOKEN")
        self.timeout = timeout
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"the service's url must be like {DEFAULT_URL}, got {self.url!r}")
        self._scheme, self._host, self._base = parts.scheme, parts.netloc, parts.path
        self._tables: dict[str, Any] = {}

    def send(
        self,
        method: str,
        path: str,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        **query: Optional[str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer; a refusal raises ServiceError. 412 is an answer: a report that
        reaches ?fail_on=."""
        given = {name: value for name, value in query.items() if value is not None}
        target = self._base + path + ("?" + urlencode(given) if given else "")
        all_headers = {"Content-Length": str(len(body or b"")), **(headers or {})}
        if self.token:
            all_headers["Authorization"] = f"Bearer {self.token}"
        kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        connection = kind(self._host, timeout=self.timeout)
        try:
            return self._exchange(connection, method, target, all_headers, body)
        except (OSError, http.client.HTTPException) as failure:
            raise ServiceError(0, {"detail": f"no answer from stabilityd at {self.url}: {failure}"}) from failure
        finally:
            connection.close()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Optional[bytes],
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection.putrequest(method, target)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            if body:
                connection.send(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the answer says why
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 400 and answer.status != 412:
            raise ServiceError(answer.status, _problem(content))
        return answer.status, dict(answer.headers.items()), content

    def table(self, name: str) -> Any:
        """What the service supports: "layers", "losses", "rules" or "limits"; asked for once."""
        if name not in self._tables:
            self._tables[name] = json.loads(self.send("GET", f"/v1/{name}")[2])
        return self._tables[name]

    def post(
        self, path: str, request: Mapping[str, Any], weights: bytes, **query: Optional[str]
    ) -> tuple[Mapping[str, str], bytes]:
        """Posts a request and its weights, a safetensors file."""
        media_type, body = multipart(
            {
                "request": ("application/json", json.dumps(request, separators=(",", ":")).encode()),
                "weights": ("application/octet-stream", weights),
            }
        )
        _, headers, content = self.send("POST", path, body, {"Content-Type": media_type}, **query)
        return headers, content


def _problem(content: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(content)
    except ValueError:
        return {"detail": content.decode(errors="replace")[:500]}
    return problem if isinstance(problem, dict) else {"detail": str(problem)}
