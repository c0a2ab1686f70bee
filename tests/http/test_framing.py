#!/usr/bin/env python3
"""Requests on which two HTTP implementations may disagree about where they end: each over a raw socket, each refused
with 400 and the end of the connection."""
import os
import ssl

from support import Server, assert_problem, request, run_tests

SMUGGLED = "GET /v1/smuggled HTTP/1.1\r\nHost: test\r\n\r\n"

# What is refused by a problem document.
REFUSED = {
    "length and chunks": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "0\r\n\r\n",
    "chunks and length": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
                         "0\r\n\r\n",
    "two lengths": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "two equal lengths": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "blank before the colon": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length : 5\r\n\r\nhello",
    "tab before the colon": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length\t: 5\r\n\r\nhello",
    "blank before the coding's colon": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "two codings": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "0\r\n\r\n",
    "chunked and a blank": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
    "chunked with a control": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "identity": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
    "chunks in HTTP/1.0": "POST /v1/diagnose HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no host": "GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two equal hosts": "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "a list of hosts": "GET /livez HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a path as host": "GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "NUL in a value": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\0b\r\n\r\n",
    "NUL in the last byte of a value": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\0\r\n\r\n",
    "NUL before another line": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\0b\r\nAccept: */*\r\n\r\n",
    "NUL in the target": "GET /livez\0x HTTP/1.1\r\nHost: t\r\n\r\n",
    "CR in a value": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\rb\r\n\r\n",
    "control in a value": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\x01b\r\n\r\n",
    "LF ends the request line": "GET /livez HTTP/1.1\nHost: t\r\n\r\n",
    "LF ends a header line": "GET /livez HTTP/1.1\r\nHost: t\nX-Test: a\r\n\r\n",
    "LF ends the last header line": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\n\r\n",
    "LF ends the header": "GET /livez HTTP/1.1\r\nHost: t\r\n\n",
    "LF ends everything": "GET /livez HTTP/1.1\nHost: t\n\n",
    "folded line": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\r\n b\r\n\r\n",
    "folded last line": "GET /livez HTTP/1.1\r\nX-Test: a\r\nHost: t\r\n\tb\r\n\r\n",
    "folded coding": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "empty name": "GET /livez HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n",
    "blank in a name": "GET /livez HTTP/1.1\r\nHost: t\r\nX Test: a\r\n\r\n",
    "brackets in a name": "GET /livez HTTP/1.1\r\nHost: t\r\nX[Test]: a\r\n\r\n",
    "first line begins with a blank": "GET /livez HTTP/1.1\r\n Host: t\r\n\r\n",
    "two blanks before the target": "GET  /livez HTTP/1.1\r\nHost: t\r\n\r\n",
    "two blanks before the version": "GET /livez  HTTP/1.1\r\nHost: t\r\n\r\n",
    "blank in the target": "GET /liv ez HTTP/1.1\r\nHost: t\r\n\r\n",
    "a method that is no token": "GE(T /livez HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target outside of ASCII": "GET /liv\xe9z HTTP/1.1\r\nHost: t\r\n\r\n",
}

CHUNKED = request("POST", "/v1/diagnose", Transfer_Encoding="chunked").decode()

# What libmicrohttpd refuses by itself, before this server's code sees it.
REFUSED_BELOW = {
    "a length that is no number": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: five\r\n\r\nhello"),
    "a length with a sign": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: +5\r\n\r\nhello"),
    "a negative length": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\nhello"),
    "a list of lengths": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\nhello"),
    "a length and a blank": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5 \r\n\r\nhello"),
    "a length in hexadecimal": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 0x5\r\n\r\nhello"),
    "a length of 2^64": (413, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\nhello"),
    "an empty length": (400, "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length:\r\n\r\nhello"),
    "a line without a colon": (400, "GET /livez HTTP/1.1\r\nHost: t\r\nnonsense\r\n\r\n"),
    "a first line without a colon": (400, "GET /livez HTTP/1.1\r\nnonsense\r\nHost: t\r\n\r\n"),
    "NUL in a name": (400, "GET /livez HTTP/1.1\r\nHost: t\r\nX\0Test: a\r\n\r\n"),
    "blank after the version": (400, "GET /livez HTTP/1.1 \r\nHost: t\r\n\r\n"),
    "no version": (400, "GET /livez\r\nHost: t\r\n\r\n"),
    "a version that is none": (400, "GET /livez HTTP/x.y\r\nHost: t\r\n\r\n"),
    "a version in small letters": (400, "GET /livez http/1.1\r\nHost: t\r\n\r\n"),
    "no target": (400, "GET HTTP/1.1\r\nHost: t\r\n\r\n"),
    "a method alone": (400, "GET\r\nHost: t\r\n\r\n"),
    "a word": (400, "nonsense\r\n\r\n"),
    "HTTP/2.0": (505, "GET /livez HTTP/2.0\r\nHost: t\r\n\r\n"),
    "the preface of HTTP/2": (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.1": (505, "GET /livez HTTP/0.1\r\nHost: t\r\n\r\n"),
    "HTTP/0.9": (400, "GET /livez\r\n\r\n"),
    "no HTTP at all": (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n"),
    "a field over the limit": (431, "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: " + "a" * 80000 + "\r\n\r\n"),
    "fields over the limit": (431, "GET /livez HTTP/1.1\r\nHost: t\r\n" + "".join(f"X-{i}: {i}\r\n" for i in range(9000)) + "\r\n"),
    "a cookie over the limit": (431, "GET /livez HTTP/1.1\r\nHost: t\r\nCookie: " + "a=b;" * 10000 + "\r\n\r\n"),
    "a target over the limit": (414, "GET /" + "a" * 80000 + " HTTP/1.1\r\nHost: t\r\n\r\n"),
    "a method over the limit": (414, "A" * 80000 + " / HTTP/1.1\r\nHost: t\r\n\r\n"),
    "a chunk size that is no number": (400, CHUNKED + "xyz\r\n"),
    "an empty chunk size": (400, CHUNKED + "\r\n"),
    "a chunk size with a sign": (400, CHUNKED + "-1\r\n"),
    "a chunk size over 2^64": (413, CHUNKED + "1" * 17 + "\r\n"),
    "a chunk longer than its size": (400, CHUNKED + "2\r\n{}{}\r\n0\r\n\r\n"),
    "a field without a colon behind the chunks": (400, CHUNKED + "2\r\n{}\r\n0\r\nnonsense\r\n\r\n"),
    "fields over the limit behind the chunks": (431, CHUNKED + "2\r\n{}\r\n0\r\nX-Test: " + "a" * 80000 + "\r\n\r\n"),
}

CODES = {400: "bad-framing", 413: "body-too-large", 414: "target-too-long", 431: "header-too-large", 505: "unsupported-http-version"}


def test_refused():
    with Server() as server:
        for name, data in REFUSED.items():
            with server.connect() as connection:
                connection.send(data + SMUGGLED)
                try:
                    assert_problem(connection.response(), 400, "bad-framing")
                    assert connection.is_closed(), "what follows is read as another request"
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}") from error
            server.assert_alive()


def assert_refused_below(server, prefix=b"", context=None):
    for name, (status, data) in REFUSED_BELOW.items():
        if context is not None and name in ("a method alone", "a word"):
            continue  # libmicrohttpd closes without a word, and the session is gone when this program is told
        with server.connect(context=context) as connection:
            try:
                if prefix:
                    connection.send(prefix)
                    assert connection.response().status == 200
                connection.send(data + SMUGGLED)
                assert_problem(connection.response(), status, CODES[status])
                assert connection.is_closed(), "what follows is read as another request"
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error
    assert server.process.poll() is None, "the server has ended"


def test_refused_below():
    """Each answer is a problem document, with a line in the log."""
    with Server() as server:
        assert_refused_below(server)
        assert server.stop() == 0
        refused = [(line["status"], line["code"]) for line in server.log if line["message"] == "request" and "code" in line]
        assert sorted(refused) == sorted((status, CODES[status]) for status, _ in REFUSED_BELOW.values()), refused
        assert all(line["request_id"] and line["client"] == "127.0.0.1" for line in server.log if line["message"] == "request")


def test_refused_below_on_a_connection_in_use():
    with Server() as server:
        assert_refused_below(server, prefix=request("GET", "/livez"))


def test_refused_below_over_tls():
    pair = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "tls", f"first.{kind}") for kind in ("pem", "key")]
    with Server("--tls-cert", pair[0], "--tls-key", pair[1]) as server:
        assert_refused_below(server, context=ssl.create_default_context(cafile=pair[0]))


def test_refused_below_in_pieces():
    """The answer finds its connection, though others are in the middle of their headers and bodies."""
    with Server() as server:
        others = [server.connect() for _ in range(20)]
        for i, connection in enumerate(others):
            connection.send(request("POST", "/v1/diagnose", Content_Length=100)[:60 + 5 * i])
        for name, (status, data) in REFUSED_BELOW.items():
            with server.connect() as connection:
                try:
                    connection.send(data[:len(data) // 2])
                    for other in others:
                        other.send(b"")
                    connection.send(data[len(data) // 2:])
                    assert_problem(connection.response(), status, CODES[status])
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}") from error
        for connection in others:
            connection.finish_sending()
            assert_problem(connection.response(), 400, "bad-framing", "closed its side before the (header|body) was complete")


def test_request_ids_of_what_is_refused_below():
    """The client's own, where it came before the fault."""
    with Server() as server:
        known = server.exchange("GET /livez HTTP/1.1\r\nHost: t\r\nX-Request-Id: mine\r\nnonsense\r\nX-Test: a\r\n\r\n")
        assert known.headers["x-request-id"] == "mine", known
        length = server.exchange("POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nX-Request-Id: mine\r\nContent-Length: five\r\n\r\n")
        assert length.headers["x-request-id"] == "mine", length
        assert_problem(length, 400, "bad-framing", "Content-Length is not a number")


def test_accepted():
    accepted = [
        "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n",
        "\r\nGET /livez HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhOST:t\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost:   t\r\nX-Test:\r\nX-Other:\t\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: t\r\nCookie: a=b; c=\"d\"\r\nX-Test: caf\xe9 a\tb \r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: t\r\n" + "".join(f"X-{i}: {i}\r\n" for i in range(200)) + "\r\n",
        "GET http://example.org:80/livez HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET /%6Civez HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /livez HTTP/1.0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost:\r\n\r\n",
    ]
    with Server() as server:
        for data in accepted:
            response = server.exchange(data)
            assert response is not None and response.status == 200, (data, response)


def test_accepted_in_pieces():
    """The checks hold wherever the header is cut."""
    data = "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\r\n\r\n"
    folded = "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: a\r\n b\r\n\r\n"
    with Server() as server:
        for text, status in (data, 200), (folded, 400):
            for cut in range(1, len(text)):
                with server.connect() as connection:
                    connection.send(text[:cut])
                    connection.send(text[cut:])
                    response = connection.response()
                    assert response is not None and response.status == status, (cut, response)


run_tests(globals())
