"""The service over HTTP, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from email.utils import parsedate_to_datetime
from typing import Any, Mapping, Optional
from urllib.parse import quote, urlencode, urlsplit

from .errors import ServiceError

DEFAULT_URL = "http://127.0.0.1:8080"
BUSY = (429, 503)
Answer = tuple[int, Mapping[str, str], bytes]


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
    STABILITYD_TOKEN, where it asks for one. `timeout` in seconds is for each request. One that is answered with 429 or 503
    is sent again when the answer says so (Retry-After), as long as all that waiting takes no more than `patience` seconds."""

    def __init__(
        self, url: Optional[str] = None, token: Optional[str] = None, timeout: float = 600, patience: float = 60
    ) -> None:
        self.url = (url or os.environ.get("STABILITYD_URL") or DEFAULT_URL).rstrip("/")
        self.token = token or os.environ.get("STABILITYD_TOKEN")
        self.timeout = timeout
        self.patience = patience
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
    ) -> Answer:
        """Status, headers and body of an answer; a refusal raises ServiceError. 412 is an answer: a report that
        reaches ?fail_on=."""
        given = {name: value for name, value in query.items() if value is not None}
        target = self._base + path + ("?" + urlencode(given) if given else "")
        all_headers = {"Content-Length": str(len(body or b"")), **(headers or {})}
        if self.token:
            all_headers["Authorization"] = f"Bearer {self.token}"
        status, answered, content = self._until_it_has_time(method, target, all_headers, body)
        if status >= 400 and status != 412:
            raise ServiceError(status, self._problem(status, content))
        return status, answered, content

    def _until_it_has_time(self, method: str, target: str, headers: Mapping[str, str], body: Optional[bytes]) -> Answer:
        """Sends a request, and again where the answer names a time at which to."""
        end = time.monotonic() + self.patience
        while True:
            answer = self._once(method, target, headers, body)
            wait = _seconds(answer[1].get("Retry-After")) if answer[0] in BUSY else None
            if wait is None or time.monotonic() + wait > end:
                return answer
            time.sleep(wait)

    def _once(self, method: str, target: str, headers: Mapping[str, str], body: Optional[bytes]) -> Answer:
        kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        connection = kind(self._host, timeout=self.timeout)
        try:
            return self._exchange(connection, method, target, headers, body)
        except (OSError, http.client.HTTPException) as failure:
            why = str(failure) or type(failure).__name__
            detail = f"no answer from stabilityd at {self.url}: {why} (url= or STABILITYD_URL say where one is)"
            raise ServiceError(0, {"detail": detail}) from failure
        finally:
            connection.close()

    def _problem(self, status: int, content: bytes) -> Mapping[str, Any]:
        """The problem document of a refusal; of one that isn't stabilityd's, what it is."""
        try:
            problem: Any = json.loads(content)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            what = content.decode(errors="replace")[:200]
            return {"detail": f"{self.url} answers as no stabilityd does, with status {status}: {what}"}
        if status == 401:
            problem["detail"] = f"{problem.get('detail') or problem.get('title')} (token= or STABILITYD_TOKEN give one)"
        return dict(problem)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Optional[bytes],
    ) -> Answer:
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
        return answer.status, dict(answer.headers.items()), answer.read()

    def table(self, name: str) -> Any:
        """What the service supports: "layers", "losses", "rules" or "limits"; asked for once."""
        if name not in self._tables:
            content = self.send("GET", f"/v1/{name}")[2]
            try:
                self._tables[name] = json.loads(content)
            except ValueError:
                raise ServiceError(200, {"detail": f"{self.url} is not a stabilityd: /v1/{name} there is not JSON"}) from None
        return self._tables[name]

    def report(self, id: str) -> Any:
        """A saved report."""
        return json.loads(self.send("GET", f"/v1/reports/{quote(id, safe='')}")[2])

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


def _seconds(retry_after: Optional[str]) -> Optional[float]:
    """How long to wait by a Retry-After header: seconds, or a date; None where there is none."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
