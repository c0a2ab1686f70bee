#!/usr/bin/env python3
"""Requests on which two HTTP implementations may disagree about where they end: each over a raw socket, each refused
with 400 and the end of the connection."""
import re

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

# What libmicrohttpd refuses by itself, before this server's code sees it: 4xx or 5xx, or an end without an answer.
REFUSED_BELOW = {
    "a length that is no number": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: five\r\n\r\nhello",
    "a length with a sign": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: +5\r\n\r\nhello",
    "a negative length": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\nhello",
    "a list of lengths": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a length and a blank": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 5 \r\n\r\nhello",
    "a length of 2^64": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
    "an empty length": "POST /v1/diagnose HTTP/1.1\r\nHost: t\r\nContent-Length:\r\n\r\nhello",
    "a line without a colon": "GET /livez HTTP/1.1\r\nHost: t\r\nnonsense\r\n\r\n",
    "NUL in a name": "GET /livez HTTP/1.1\r\nHost: t\r\nX\0Test: a\r\n\r\n",
    "blank after the version": "GET /livez HTTP/1.1 \r\nHost: t\r\n\r\n",
    "HTTP/2.0": "GET /livez HTTP/2.0\r\nHost: t\r\n\r\n",
    "HTTP/0.9": "GET /livez\r\n\r\n",
    "no HTTP at all": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n",
    "a header over its limit": "GET /livez HTTP/1.1\r\nHost: t\r\nX-Test: " + "a" * 80000 + "\r\n\r\n",
    "a target over its limit": "GET /" + "a" * 80000 + " HTTP/1.1\r\nHost: t\r\n\r\n",
    "a chunk size that is no number": request("POST", "/v1/diagnose", Transfer_Encoding="chunked").decode() + "xyz\r\n",
    "a chunk size over 2^64": request("POST", "/v1/diagnose", Transfer_Encoding="chunked").decode() + "1" * 17 + "\r\n",
    "a chunk longer than its size": request("POST", "/v1/diagnose", Transfer_Encoding="chunked").decode()
                                    + "2\r\n{}{}\r\n0\r\n\r\n",
}


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


def test_refused_below():
    with Server() as server:
        for name, data in REFUSED_BELOW.items():
            with server.connect() as connection:
                try:
                    connection.send(data + SMUGGLED)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                answer = connection.read_all()
                assert re.match(rb"HTTP/1\.1 (4|505)", answer), f"{name}: {answer[:400]}"
                assert b"smuggled" not in answer, f"{name}: what follows is read as another request"
            server.assert_alive()


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
