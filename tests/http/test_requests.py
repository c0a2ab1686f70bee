#!/usr/bin/env python3
"""What single requests get: routes, methods, parameters, formats, media types, limits, headers."""
import json

from support import Server, assert_problem, model, request, run_tests

GET_ROUTES = ["/v1/layers", "/v1/losses", "/v1/rules", "/v1/limits", "/livez", "/readyz"]


def test_get_and_head():
    with Server() as server:
        for path in GET_ROUTES:
            response = server.request("GET", path)
            assert response.status == 200 and response.headers["content-type"] == "application/json", response
            assert response.json(), response
            head = server.request("HEAD", path)
            assert head.status == 200 and head.body == b"", head
            assert head.headers["content-length"] == str(len(response.body)), head


def test_head_has_no_body_on_the_wire():
    with Server() as server, server.connect() as connection:
        connection.send(request("HEAD", "/livez") + request("HEAD", "/nowhere") + request("GET", "/livez"))
        assert connection.response(head=True).status == 200
        assert connection.response(head=True).status == 404
        assert connection.response().json() == {"status": "live"}


def test_not_found():
    with Server() as server:
        for path in "/v1", "/v1/diagnose/", "//livez", "/LIVEZ", "/v1/layers/Linear", "*":
            assert_problem(server.request("GET", path), 404, "not-found")
        assert_problem(server.request("POST", "/v1/diagnos", "{}"), 404, "not-found", "did you mean '/v1/diagnose'")
        assert_problem(server.request("GET", "/v1/layer?x=1"), 404, "not-found", "did you mean '/v1/layers'")


def test_method_not_allowed():
    with Server() as server:
        for method in "GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "TRACE":
            response = server.request(method, "/v1/diagnose")
            assert_problem(response, 405, "method-not-allowed", "takes POST")
            assert response.headers["allow"] == "POST", response
        response = server.request("HEAD", "/v1/diagnose")
        assert response.status == 405 and response.headers["allow"] == "POST", response
        for path in GET_ROUTES:
            response = server.request("POST", path, "{}")
            assert_problem(response, 405, "method-not-allowed")
            assert response.headers["allow"] == "GET, HEAD", response


def test_diagnose():
    with Server() as server:
        response = server.request("POST", "/v1/diagnose", model("one"), Content_Type="application/json")
        assert response.status == 200 and response.headers["content-type"] == "application/json", response
        report = response.json()
        assert report["summary"]["model"] == "one" and report["verdict"] in ("stable", "warning", "unstable"), report


def test_formats():
    with Server() as server:
        def media_type(target="/v1/diagnose", **headers):
            response = server.request("POST", target, model(), **headers)
            return response.headers["content-type"] if response.status == 200 else response.status

        assert media_type() == "application/json"
        assert media_type("/v1/diagnose?format=text") == "text/plain; charset=utf-8"
        assert media_type("/v1/diagnose?format=json", Accept="text/plain") == "application/json"
        assert media_type(Accept="text/plain") == "text/plain; charset=utf-8"
        assert media_type(Accept="image/png, text/*;q=0.5, */*;q=0.1") == "text/plain; charset=utf-8"
        assert media_type(Accept="text/html, text/*;q=0.5, */*;q=0.1") == "text/html; charset=utf-8"
        assert media_type(Accept="*/*") == "application/json"
        assert media_type(Accept="image/png") == 406
        assert media_type(Accept="application/json;q=0, image/png") == 406
        response = server.request("POST", "/v1/diagnose?format=txt", model())
        assert_problem(response, 406, "not-acceptable", "did you mean 'text'.*json, text")


def test_parameters():
    with Server() as server:
        def refused(query, detail):
            assert_problem(server.request("POST", "/v1/diagnose?" + query, model()), 400, "invalid-parameter", detail)

        refused("formt=json", "'formt': did you mean 'format'")
        refused("fail-on=error", "did you mean 'fail_on'")
        refused("zzz", "no query parameter 'zzz'")
        refused("format=json&format=text", "'format' comes twice")
        refused("fail_on=fatal", "error, warning or info, not 'fatal'")
        refused("fail_on=", "error, warning or info")
        refused("=json", "no query parameter ''")
        refused("format=%zz", "percent sign")
        refused("format=js%00on", "percent sign")
        assert_problem(server.request("GET", "/livez?format=json"), 400, "invalid-parameter", "/livez has no")
        for query in "?", "?&", "?format=te%78t", "?%66ormat=text&", "?fail_on=error&format=json":
            response = server.request("POST", "/v1/diagnose" + query, model())
            assert response.status in (200, 412), (query, response)


def test_fail_on():
    """A report with findings of a severity or a greater one comes with 412, its body unchanged."""
    vanishing = model()
    vanishing["weights"] = {"fc.weight": [[1e-30, 0], [0, 1e-30], [0, 0]], "fc.bias": [0, 0, 0]}
    vanishing["data"]["target"] = [[1e-30, 0, 0], [0, 1e-30, 0], [0, 0, 0]]
    with Server() as server:
        for body in model(), vanishing:
            plain = server.request("POST", "/v1/diagnose", body)
            assert plain.status == 200, plain
            counts = plain.json()["summary"]["findings"]
            reached = 0
            for severity in "error", "warning", "info":
                reached += counts[severity]
                gated = server.request("POST", f"/v1/diagnose?fail_on={severity}", body)
                assert gated.status == (412 if reached else 200), (severity, counts, gated)
                assert gated.body == plain.body


def test_media_types():
    with Server() as server:
        for given in "application/json", "Application/JSON; charset=utf-8", "application/x-www-form-urlencoded":
            assert server.request("POST", "/v1/diagnose", model(), Content_Type=given).status == 200, given
        for given in "text/xml", "application/jsonp", "text/plain", "application/octet-stream", ";", "":
            response = server.request("POST", "/v1/diagnose", model(), Content_Type=given)
            assert_problem(response, 415, "unsupported-media-type", "takes application/json")


def test_body_limit():
    with Server("--max-body", "4096") as server:
        good = json.dumps(model()).encode()
        for length in 4096, 4097:
            body = good + b" " * (length - len(good))
            response = server.request("POST", "/v1/diagnose", body)
            if length == 4096:
                assert response.status == 200, response
            else:
                assert_problem(response, 413, "body-too-large", "4097.*4096")
        huge = request("POST", "/v1/diagnose", Content_Length=9223372036854775807)
        assert_problem(server.exchange(huge), 413, "body-too-large", "9223372036854775807")
        expecting = request("POST", "/v1/diagnose", Content_Length=5000, Expect="100-continue")
        assert_problem(server.exchange(expecting, interim=True), 413, "body-too-large", "5000.*4096")
        assert_problem(server.request("GET", "/livez", b" " * 5000), 413, "body-too-large")
        assert server.request("GET", "/livez", b" " * 4096).status == 200


def test_null_in_a_list():
    """AdaptiveAvgPool2d((None, 2)): the input's size."""
    def report(output_size, server):
        body = {"model": {"layers": [{"name": "pool", "type": "AdaptiveAvgPool2d", "output_size": output_size}],
                          "loss": {"type": "MSELoss"}},
                "data": {"input": {"random": "normal", "shape": [1, 2, 3, 5]},
                         "target": {"random": "normal", "shape": [1, 2, 3, 2]}}}
        return server.request("POST", "/v1/diagnose", body)
    with Server() as server:
        assert report([None, 2], server).body == report([3, 2], server).body
        response = report([None, 2.5], server)
        assert_problem(response, 422, "invalid-value", None, "/model/layers/0/output_size/0")
        layers = server.request("GET", "/v1/layers").json()["layers"]
        marked = {layer["type"] for layer in layers for row in layer["attributes"] if row.get("null_items")}
        assert marked == {"AdaptiveAvgPool2d", "AdaptiveMaxPool2d"}


def test_empty_bodies():
    with Server() as server:
        for body in b"", b" ", b"\n\n", None:
            assert_problem(server.request("POST", "/v1/diagnose", body), 400, "invalid-json")


def test_request_id():
    with Server() as server:
        assert server.request("GET", "/livez", X_Request_Id="abc-1.2_3:4").headers["x-request-id"] == "abc-1.2_3:4"
        assert server.request("GET", "/livez", X_Request_Id="a" * 128).headers["x-request-id"] == "a" * 128
        for bad in "a" * 129, "a b", 'a"b', "<a>", "\xe9", "":
            given = server.request("GET", "/livez", X_Request_Id=bad).headers["x-request-id"]
            assert len(given) == 32 and given.isalnum(), given
        ids = {server.request("GET", "/livez").headers["x-request-id"] for _ in range(20)}
        assert len(ids) == 20


def test_server_timing():
    with Server() as server:
        timing = server.request("POST", "/v1/diagnose", model()).headers["server-timing"]
        names = [entry.split(";dur=")[0] for entry in timing.split(", ")]
        assert names == ["body", "queue", "parse", "compute", "format", "total"], timing
        assert all(float(entry.split("=")[1]) >= 0 for entry in timing.split(", ")), timing


def test_log():
    with Server() as server:
        server.request("GET", "/livez", X_Request_Id="first")
        server.request("POST", "/v1/diagnose?format=\"", "{}", X_Request_Id="second")
        assert server.stop() == 0
        lines = {line["request_id"]: line for line in server.log if line["message"] == "request"}
        assert lines["first"]["status"] == 200 and lines["first"]["target"] == "/livez", lines
        assert lines["second"]["status"] == 406 and lines["second"]["code"] == "not-acceptable", lines
        assert all(line["time"].endswith("Z") and line["level"] == "info" for line in server.log), server.log


def test_log_level():
    with Server("--log-level", "error") as server:
        server.request("GET", "/livez")
        assert server.stop() == 0 and server.log == [], server.log


run_tests(globals())
