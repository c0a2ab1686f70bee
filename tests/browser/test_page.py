#!/usr/bin/env python3
"""The page in a real browser, as people use it.

    test_page.py STABILITYD
"""
import base64
import hashlib
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
    """The page of a server, open, in the one browser of all tests."""

    shared = {}

    def __init__(self, server, path="/"):
        if not Page.shared:
            super().__init__()
            Page.shared = self.__dict__
        self.__dict__ = Page.shared
        self.url = f"http://127.0.0.1:{server.port}"
        self.open(self.url + path)
        self.until("return document.querySelectorAll('#analyses input').length > 0 || location.hash")

    def __exit__(self, *_):
        self.command("Emulation.clearDeviceMetricsOverride")
        self.command("Emulation.setEmulatedMedia", features=[])
        self.open("about:blank")
        self.errors()

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

    @classmethod
    def close(cls):
        if cls.shared:
            browser = Browser.__new__(Browser)
            browser.__dict__ = cls.shared
            browser.__exit__()

    def value(self, selector):
        return self.run("return document.querySelector(arguments[0]).value", selector)

    def attach(self, *files):
        """Chooses files, and waits until they are listed."""
        self.type("#files", "\n".join(str(file) for file in files))
        self.until("return document.getElementById('attached').innerText.includes(arguments[0])", pathlib.Path(files[-1]).name)

    def problem(self):
        """Waits for a complaint; returns its text."""
        self.until("return !document.getElementById('problem').hidden")
        return self.text("#problem")

    def without_analyses(self):
        self.run("document.querySelectorAll('#analyses input').forEach((box) => { box.checked = false; })")

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.do("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def overflows(self):
        return self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")

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


def slow():
    """Seconds of work for a gradient check."""
    request = network()
    request["model"]["layers"] = [{"name": f"fc{i}", "type": "Linear", "in_features": 512, "out_features": 512} for i in range(8)]
    request["data"] = {"input": {"random": "normal", "shape": [512, 512]}, "target": {"random": "normal", "shape": [512, 512]}}
    return request


def test_a_sick_network_is_cured():
    with Server() as server, Page(server) as page:
        page.example("Vanishing")
        assert page.diagnose().startswith("unstable: 1 error")
        assert "vanishing-gradient" in page.text(".finding.error h4")
        assert page.count("canvas") >= 4 and page.drawn()
        assert page.count(".graph g.error") > 5
        sent = page.value("#text")
        page.click(".fix .apply")
        page.until("return document.querySelector('.compare')")
        verdicts = page.run("return [...document.querySelectorAll('.compare .verdict')].map((line) => line.innerText)")
        assert verdicts[0].startswith("unstable") and verdicts[1].startswith("stable"), verdicts
        assert "vanishing-gradient" in page.text(".comparison") and page.drawn()
        assert '"kaiming_normal_"' in page.value("#text") and page.count(".finding") == 0
        page.click("#content > .actions button")
        assert page.value("#text") == sent, "the change was not taken back"
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
        assert "A cross at the top is NaN" in page.text("#content") and page.drawn() and page.errors() == []


def safetensors(tensors):
    """The bytes of a file of float32 tensors {name: (shape, numbers)}."""
    header, data = {}, b""
    for name, (shape, numbers) in tensors.items():
        part = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_files_are_taken():
    with Server() as server, Page(server) as page, tempfile.TemporaryDirectory() as directory:
        request, file = pathlib.Path(directory, "request.json"), pathlib.Path(directory, "model.safetensors")
        request.write_text(json.dumps(network()))
        file.write_bytes(safetensors({"fc0.weight": ([2, 2], [1, 0, 0, 1])}))
        page.attach(request, file)
        page.until("return document.getElementById('text').value.includes('fc0')")
        page.diagnose()
        assert "small" in page.text("#content dl")
        given = network()
        given["weights"] = {"fc0.weight": {"dtype": "float32", "shape": [2, 2], "base64": base64.b64encode(struct.pack("<4f", 1, 0, 0, 1)).decode()}}
        loss = page.run("return document.querySelectorAll('#content dd')[1].innerText")
        page.click("#attached button")
        assert page.run("return document.activeElement.id") == "files", "the focus is lost with the file"
        page.write(given)
        page.diagnose()
        assert page.run("return document.querySelectorAll('#content dd')[1].innerText") == loss

        page.run(
            "const data = new DataTransfer(); data.items.add(new File([arguments[0]], 'dropped.json'));"
            "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))", json.dumps(network(2)))  # fmt: skip
        page.until("return document.getElementById('text').value.includes('fc1')")

        pathlib.Path(directory, "model.pt").write_bytes(b"PK")
        page.type("#files", f"{directory}/model.pt")
        assert "model.pt: expected a request (.json)" in page.problem()

        long = network()
        long["weights"] = {"fc0.weight": [[1, 0], [0, 1]]}
        request.write_text(json.dumps(long) + " " * 1_100_000)
        page.attach(request)
        assert page.value("#text") == "" and page.run("return document.getElementById('text').disabled")
        page.diagnose()
        assert page.run("return document.querySelectorAll('#content dd')[1].innerText") == loss
        assert page.errors() == []


def test_a_fix_of_weights_in_a_file_is_applied():
    """What the patch removes is left out of the file."""
    with Server() as server, Page(server) as page, tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "model.safetensors")
        file.write_bytes(safetensors({f"fc{i}.weight": ([8, 8], [0.001 * ((7 * j + i) % 11 - 5) for j in range(64)]) for i in range(8)}))
        request = network(8)
        for layer in request["model"]["layers"]:
            layer.update(in_features=8, out_features=8)
        request["data"] = {"input": {"random": "normal", "shape": [4, 8]}, "target": {"random": "normal", "shape": [4, 8]}}
        page.write(request)
        page.attach(file)
        assert page.diagnose().startswith("unstable")
        assert "/weights/fc0.weight" in page.run("return document.querySelector('.fix pre').textContent")
        page.click(".fix .apply")
        page.until("return document.querySelector('.compare')")
        verdicts = page.run("return [...document.querySelectorAll('.compare .verdict')].map((line) => line.innerText)")
        assert not verdicts[1].startswith("unstable"), verdicts
        assert page.errors() == []


def test_a_model_in_a_file():
    """A request is written for it, and its graph is drawn."""
    model = pathlib.Path(__file__).resolve().parents[1] / "onnx/cases/convolutions_train.onnx"
    with Server() as server, Page(server) as page:
        page.attach(model)
        page.until("return document.getElementById('hint').innerText")
        request = json.loads(page.value("#text"))
        assert '"shape": [8, ' in page.value("#text"), "lists of numbers stay on a line"
        assert request["model"] == {"name": "convolutions_train", "loss": {"type": "CrossEntropyLoss"}}, request
        page.diagnose()
        assert page.count(".graph g") > 20 and page.drawn()
        assert page.count(".fix") > 0 and page.count(".apply") == 0 and "ONNX" in page.text("#content")
        assert page.errors() == []


def test_errors_are_shown():
    with Server() as server, Page(server) as page:
        page.click("#diagnose")
        assert "There is no request yet" in page.problem()
        page.write('{"model": }')
        page.click("#diagnose")
        page.until("return document.getElementById('problem').innerText.includes('400')")
        assert "Line 1" in page.text("#problem"), page.text("#problem")
        wrong = network()
        wrong["model"]["layers"][0]["type"] = "Linaer"
        page.write(wrong)
        page.click("#diagnose")
        page.until("return document.getElementById('problem').innerText.includes('422')")
        assert "Linear" in page.text("#problem") and "/model/layers/0" in page.text("#problem"), page.text("#problem")
        page.click("#problem button")
        assert page.run("const text = document.activeElement; return text.value.slice(text.selectionStart, text.selectionEnd)") == '"Linaer"'
        page.write(network())
        page.diagnose()
        assert page.run("return document.getElementById('problem').hidden")


def test_a_server_that_wants_a_token():
    with tempfile.NamedTemporaryFile("w") as tokens:
        tokens.write(f"me {hashlib.sha256(b'secret').hexdigest()} 12\n")
        tokens.flush()
        with Server("--tokens", tokens.name) as server, Page(server, "/#/") as page:
            assert "(401)" in page.problem() and page.run("return document.getElementById('options').open")
            page.type("#token", "secret\n")
            page.until("return document.getElementById('problem').hidden && document.querySelector('#analyses input')")
            page.write(network())
            page.diagnose()
            for _ in range(4):
                page.click("#diagnose")
                page.until("return !document.getElementById('diagnose').matches('[aria-disabled=true]')")
            assert "(429)" in page.problem() and "Try again in" in page.problem(), page.problem()


def test_a_server_that_is_started_again():
    """Its jobs go on, and so does the page."""
    with tempfile.TemporaryDirectory() as directory:
        options = ("--store", f"sqlite:{directory}/jobs.db", "--job-lease", "0.5")
        with Server(*options) as server, Page(server) as page:
            page.write(slow())
            page.click("#gradcheck")
            page.until("return document.getElementById('progress').value > 0")
            server.process.kill()
            server.process.wait()
            page.until("return document.getElementById('stage').innerText === 'waiting for the server'")
            with Server(*options, "--port", str(server.port)):
                page.until("return document.getElementById('progress').value > 0")
                page.click("#cancel")
                page.until("return document.getElementById('work').hidden")
                assert page.text("#said") == "Cancelled." and page.run("return document.getElementById('problem').hidden")


def test_a_server_that_is_gone():
    with Server() as server, Page(server) as page:
        page.write(network())
        server.stop()
        page.click("#diagnose")
        assert "can’t be reached" in page.problem()


def test_names_are_no_markup_and_may_be_long():
    with Server() as server, Page(server) as page:
        request = network(3)
        layers = request["model"]["layers"]
        request["model"]["name"] = layers[0]["name"] = "<img src=x onerror=document.title='x'>"
        layers[1]["name"] = "W" * 128
        request["data"]["input"] = [["NaN", 1], [2, 3]]
        page.write(request)
        page.save_as("<b>")
        page.diagnose()
        page.until("return document.querySelector('#list tbody tr')")
        page.command("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
        page.until("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")  # once charts are drawn anew
        assert page.count("#content img, #list b, .graph img") == 0
        assert page.errors() == []


def test_five_hundred_layers():
    with Server() as server, Page(server) as page:
        request = network()
        request["data"] = {"input": {"random": "normal", "shape": [32, 32]}, "target": {"random": "normal", "shape": [32, 32]}}
        request["model"]["layers"] = [
            layer for i in range(250) for layer in (
                {"name": f"encoder.layers.{i}.linear", "type": "Linear", "in_features": 32, "out_features": 32},
                {"name": f"encoder.layers.{i}.activation", "type": "ReLU"})]  # fmt: skip
        page.write(request)
        page.without_analyses()
        page.diagnose()
        assert page.count(".graph g") == 501 and page.drawn()
        assert "0.linear" in page.run("return document.querySelectorAll('.graph text')[2].textContent"), "what all names begin with is left out"
        assert page.count("#content > div > .finding") < 30 and page.count(".more .finding") > 20, "many findings of one rule are folded"
        assert page.run("return document.documentElement.scrollHeight") < 12000 and page.errors() == []


def test_analyses_are_laid_out():
    with Server() as server, Page(server) as page:
        page.write(network(3))
        page.run("document.querySelectorAll('#analyses input').forEach((box) => { box.checked = true; })")
        page.diagnose()
        titles = page.run("return [...document.querySelectorAll('figure h4')].map((title) => title.innerText)")
        assert "Steps of training" in titles and "Loss by learning rate" in titles and any("exponents" in title for title in titles), titles
        page.run("document.querySelectorAll('#content details').forEach((part) => { part.open = true; })")
        page.until("return [...document.querySelectorAll('#content details')].every((part) => part.innerText.length > 20)")
        text = page.text("#content")
        assert "largest eigenvalue" in text and "[object" not in text and "undefined" not in text
        assert page.count("#content details table") > 3 and page.errors() == []


def test_dark_and_light():
    """Charts take the colours of the scheme that the reader changes to."""
    with Server() as server, Page(server) as page:
        page.write(network())
        page.diagnose()
        before = page.run("return Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor")
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        page.until("return Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor !== arguments[0]", before)


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
        page.write(slow())
        page.click("#gradcheck")
        page.until("return !document.getElementById('cancel').hidden && document.getElementById('progress').value > 0")
        page.click("#cancel")
        page.until("return document.getElementById('work').hidden")
        assert page.run("return document.getElementById('report').hidden && document.activeElement.id") == "gradcheck"
        assert page.text("#said") == "Cancelled." and page.run("return document.getElementById('problem').hidden")


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
        page.until("return document.querySelector('#trend canvas') && document.querySelector('#list [aria-pressed=true]')")
        assert page.run("return document.activeElement.getAttribute('aria-label')") == "Baseline: night 0"
        assert page.drawn() and page.errors() == []
        page.open("about:blank")
        page.open(address)
        page.until("return document.querySelector('.verdict')")
        assert "small" in page.text("#content") and page.count(".graph g") == 2
        assert "Compared with the baseline" in page.text("#content"), "the baseline is forgotten"
        page.run("location.hash = '#/reports/' + '0'.repeat(32)")
        assert "(404)" in page.problem() and page.errors() != []
        page.write(network())
        page.diagnose()
        assert page.run("return location.hash") == "", "the address is that of another report"
        page.run("window.confirm = () => true")
        page.click("#list [aria-label='Delete night 0']")
        page.until("return document.querySelectorAll('#list tbody tr').length === 1")
        assert page.count("#list [aria-pressed=true]") == 0 and page.errors() == []


def test_narrow_screens():
    with Server() as server, Page(server) as page:
        page.command("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
        page.example("Vanishing")
        page.diagnose()
        assert not page.overflows(), "the page scrolls sideways"
        page.click(".fix .apply")
        page.until("return document.querySelector('.compare')")
        assert not page.overflows()


def test_keys_and_names():
    """Without a mouse, and read aloud: focus, names, headings."""
    with Server() as server, Page(server) as page:
        page.write(network())
        page.type("#text", "\ue009\ue007")  # Ctrl+Enter
        page.until("return document.querySelector('.verdict')")
        assert page.run("return document.activeElement.id") == "report", "the report is not what a reader meets next"
        assert page.text("#said").startswith("Report. ") and page.run("return document.title") != "stabilityd"
        nodes = page.command("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node["ignored"]]
        roles = ("button", "textbox", "checkbox", "combobox", "link", "image", "table", "region", "DisclosureTriangle", "progressbar")
        nameless = [node for node in shown if node["role"]["value"] in roles and not node["name"]["value"]]
        assert not nameless, nameless
        levels = [int(title) for title in page.run("return [...document.querySelectorAll('h1, h2, h3, h4, h5')].filter((title) => title.offsetParent).map((title) => title.tagName[1])")]
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels


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
    try:
        run_tests(globals())
    finally:
        Page.close()
