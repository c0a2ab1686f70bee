"""What tests of jobs share."""
import http.client
import json

from support import model, wait_until

ASYNC = {"Prefer": "respond-async"}
ENDED = ("succeeded", "failed", "cancelled")


def submit(server, body=None, target="/v1/diagnose", **headers):
    """Sends a request as a job; returns its path."""
    response = server.request("POST", target, body or model(), Prefer="respond-async", **headers)
    assert response.status == 202, response
    assert response.headers["preference-applied"] == "respond-async", response
    view = response.json()
    assert response.headers["location"] == f"/v1/jobs/{view['id']}", response
    return response.headers["location"]


def state(server, job):
    response = server.request("GET", job)
    assert response.status == 200, response
    return response.json()


def wait_for(server, job, *states, timeout=120):
    """Waits until the job is in one of the states; returns its view."""
    view = {}

    def reached():
        view.update(state(server, job))
        return view["state"] in (states or ENDED)
    wait_until(reached, timeout)
    return view


def events(server, job):
    """Yields (event, data) until the stream ends; comments are left out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("GET", job + "/events")
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"] == "text/event-stream", response.status
    event = {}
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        elif event:
            if "data" in event:
                yield event["event"], json.loads(event["data"])
            event = {}
    connection.close()
