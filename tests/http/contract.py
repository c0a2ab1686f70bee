"""What GET /openapi.json promises, held against what the server does."""
import functools
import json
import re
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian has it, whichever python3 comes first
import jsonschema  # noqa: E402

# Schemas are checked in Python, where a long report takes seconds.
LONGEST_BODY = 100000


@functools.lru_cache(maxsize=None)
def document():
    from support import Server
    with Server() as server:
        return json.loads(server.exchange(b"GET /openapi.json HTTP/1.1\r\nHost: t\r\n\r\n").body)


@functools.lru_cache(maxsize=None)
def validator(schema):
    """A validator of a schema of the document, which is given as JSON."""
    resolver = jsonschema.RefResolver("", document())
    return jsonschema.Draft202012Validator(json.loads(schema), resolver=resolver)


def find_path(target):
    path = re.sub(r"^http://[^/]*", "", target).partition("?")[0]
    for pattern in document()["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)), path):
            return pattern
    return None


def check_response(method, target, response):
    """Checks a response: that its status is one of the operation's, its media type one of the status's, and its body
    what the schema says. Where there is no such operation, it must be a problem."""
    operations = document()["paths"].get(find_path(target), {})
    operation = operations.get({"HEAD": "get"}.get(method, method.lower())) if method.isupper() else None
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if operation is None:
        assert response.status in (400, 404, 405) and media_type == "application/problem+json", (method, target, response)
        schema = {"$ref": "#/components/schemas/Problem"}
    else:
        promised = operation["responses"].get(str(response.status))
        assert promised is not None, f"{method} {target}: status {response.status} is not in /openapi.json: {response}"
        content = promised.get("content", {})
        if not content and not response.body:
            return
        assert media_type in content, f"{method} {target}: {media_type} is not in /openapi.json for {response.status}"
        schema = content[media_type]["schema"]
    if media_type.endswith("json") and 0 < len(response.body) < LONGEST_BODY and method != "HEAD":
        error = jsonschema.exceptions.best_match(validator(json.dumps(schema)).iter_errors(json.loads(response.body)))
        assert error is None, f"{method} {target}: {error.json_path}: {error.message[:500]}"
