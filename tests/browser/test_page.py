#!/usr/bin/env python3
"""The page in a real browser, as people use it.

    test_page.py STABILITYD
"""
import base64
import json
import pathlib
import struct
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))

from support import Server, run_tests  # noqa: E402
from webdriver import Browser, installed  # noqa: E402

LIMIT = 300_000  # bytes of the page and all its files


class Page(Browser):
    """The page of a server, open."""

    def __init__(self, server, path="/", **size):
        super().__init__(**size)
        self.url = f"http://127.0.0.1:{server.port}"
        self.open(self.url + path)
        self.until("return document.querySelectorAll('#analyses input').length > 0 || location.hash")

    def example(self, name):
        self.run(
            "const select = document.getElementById('example');"
            "select.value = [...select.options].find((option) => option.value.startsWith(arguments[0])).value;"
            "select.dispatchEvent(new Event('change'))", name)  # fmt: skip

    def write(self, request):
        self.run("document.getElementById('text').value = arguments[0]", request if isinstance(request, str) else json.dumps(request))

    def save_as(self, name):
        self.run("document.querySelector('details').open = true; document.getElementById('name').value = arguments[0]", name)

    def diagnose(self, button="#diagnose"):
        """Presses a button and waits for the report; returns its verdict."""
        self.run("document.getElementById('content').replaceChildren(); document.getElementById('report').hidden = true")
        self.click(button)
        self.until("return !document.getElementById('report').hidden && document.querySelector('.verdict')")
        return self.text(".verdict")

    def count(self, selector):
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def drawn(self):
        """Whether every chart has ink on it."""
        return self.run(
            "return [...document.querySelectorAll('canvas')].every((canvas) => "
            "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value))")  # fmt: skip


def network(layers=1):
    chain = [{"name": f"fc{i}", "type": "Linear", "in_features": 2, "out_features": 2} for i in range(layers)]
    return {
        "model": {"name": "small", "layers": chain, "loss": {"type": "MSELoss"}},
        "data": {"input": [[1, 2], [3, 4]], "target": [[0, 1], [1, 0]]},
    }


def test_a_sick_network_is_cured():
    with Server() as server, Page(server) as page:
        page.example("Vanishing")
        assert page.diagnose().startswith("unstable: 1 error")
        assert "vanishing-gradient" in page.text(".finding.error h4")
        assert page.count("canvas") >= 4 and page.drawn()
        assert page.count(".graph g.error") > 5
        page.click(".fix button:last-child")
        page.until("return document.querySelector('.compare')")
        verdicts = page.run("return [...document.querySelectorAll('.compare .verdict')].map((line) => line.innerText)")
        assert verdicts[0].startswith("unstable") and verdicts[1].startswith("stable"), verdicts
        assert '"kaiming_normal_"' in page.run("return document.getElementById('text').value") or page.count(".finding") == 0
        assert page.errors() == []


def test_fifty_layers():
    with Server() as server, Page(server) as page:
        page.example("Fifty")
        page.diagnose()
        assert page.count(".graph g") == 100 and page.drawn()  # the input, and 50 layers with 49 activations
        assert page.errors() == []


def test_a_report_with_nan():
    with Server() as server, Page(server) as page:
        page.example("NaN")
        assert page.diagnose().startswith("unstable")
        assert "non-finite" in page.text("#content") and "NaN" in page.text("#content")
        assert "not drawn" in page.text("#content") and page.errors() == []


def test_files_are_taken():
    weights = struct.pack("<4f", 1, 0, 0, 1)
    header = json.dumps({"fc0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    with Server() as server, Page(server) as page, tempfile.TemporaryDirectory() as directory:
        request, file = pathlib.Path(directory, "request.json"), pathlib.Path(directory, "model.safetensors")
        request.write_text(json.dumps(network()))
        file.write_bytes(struct.pack("<Q", len(header)) + header + weights)
        page.type("#files", f"{request}\n{file}")
        page.until("return document.getElementById('attached').innerText.includes('model.safetensors')")
        page.until("return document.getElementById('text').value.includes('fc0')")
        page.diagnose()
        assert "small" in page.text("#content dl")
        sent = base64.b64encode(weights).decode()
        given = network()
        given["weights"] = {"fc0.weight": {"dtype": "float32", "shape": [2, 2], "base64": sent}}
        loss = page.run("return document.querySelectorAll('#content dd')[1].innerText")
        page.click("#attached button")
        page.write(given)
        page.diagnose()
        assert page.run("return document.querySelectorAll('#content dd')[1].innerText") == loss
        assert page.errors() == []


def test_errors_are_shown():
    with Server() as server, Page(server) as page:
        page.write('{"model": }')
        page.click("#diagnose")
        page.until("return !document.getElementById('problem').hidden")
        assert "(400)" in page.text("#problem") and "line 1" in page.text("#problem"), page.text("#problem")
        wrong = network()
        wrong["model"]["layers"][0]["type"] = "Linaer"
        page.write(wrong)
        page.click("#diagnose")
        page.until("return document.getElementById('problem').innerText.includes('422')")
        assert "Linear" in page.text("#problem") and "/model/layers/0" in page.text("#problem"), page.text("#problem")
        page.write(network())
        page.diagnose()
        assert page.run("return document.getElementById('problem').hidden")


def test_gradients_are_checked():
    with Server() as server, Page(server) as page:
        request = network()
        request["gradients"] = {"fc0.bias": [100, 100]}
        page.write(request)
        assert page.diagnose("#gradcheck").startswith("fail")
        assert "fc0.bias" in page.text("#content") and "wrong" in page.text("#content") and page.drawn()
        assert page.errors() == []


def test_work_is_cancelled():
    with Server() as server, Page(server) as page:
        request = network()
        request["model"]["layers"] = [{"name": f"fc{i}", "type": "Linear", "in_features": 512, "out_features": 512} for i in range(8)]
        request["data"] = {"input": {"random": "normal", "shape": [512, 512]}, "target": {"random": "normal", "shape": [512, 512]}}
        page.write(request)
        page.click("#gradcheck")
        page.until("return !document.getElementById('cancel').hidden")
        page.click("#cancel")
        page.until("return document.getElementById('work').hidden")
        assert page.run("return document.getElementById('report').hidden && !document.getElementById('diagnose').disabled")


def test_reports_are_saved_and_linked():
    with Server() as server, Page(server) as page:
        for seed in range(2):
            page.write({**network(), "options": {"seed": seed}})
            page.save_as(f"night {seed}")
            page.diagnose()
            page.until("return document.querySelectorAll('#list tbody tr').length > arguments[0]", seed)
        address = page.run("return location.href")
        assert "#/reports/" in address
        page.click("#list tbody tr:last-child button")  # make it the baseline
        page.until("return document.querySelector('#list canvas')")
        page.until("return [...document.querySelectorAll('#list button')].some((button) => button.innerText === 'Baseline')")
        assert page.drawn() and page.errors() == []
        page.open("about:blank")
        page.open(address)
        page.until("return document.querySelector('.verdict')")
        assert "small" in page.text("#content dl")


def test_narrow_screens_and_keys():
    with Server() as server, Page(server, width=500) as page:
        page.example("Vanishing")
        page.diagnose()
        wide = page.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, "the page scrolls sideways"
        nameless = page.run(
            "return [...document.querySelectorAll('input, select, textarea, button, canvas, svg[role], progress')].filter((part) => "
            "!part.labels?.length && !part.innerText && !part.getAttribute('aria-label')).map((part) => part.outerHTML.slice(0, 80))")  # fmt: skip
        assert nameless == [], nameless
        assert page.run("return document.activeElement.id") == "report", "the report is not what a reader meets next"


def test_the_page_is_small_and_loads_nothing_else():
    with Server() as server, Page(server) as page:
        names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert names and all(name.startswith(page.url) or name.startswith("data:") for name in names), names
        files = [name for name in names if "/web/" in name] + [page.url + "/"]
        sizes = {name: len(urllib.request.urlopen(name).read()) for name in files}
        assert sum(sizes.values()) < LIMIT, sizes


if __name__ == "__main__":
    if not installed():
        print("chromium and chromedriver are not installed: the page was not tested")
        sys.exit(0)
    run_tests(globals())
