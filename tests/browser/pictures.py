#!/usr/bin/env python3
"""Writes docs/pictures/*.png: a picture for each thing that the page does, which docs/page.md and others show.

    pictures.py STABILITYD
"""
import base64
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http"))

from support import Server  # noqa: E402
from test_page import Page  # noqa: E402

LIMIT = 120_000  # bytes of a picture
WIDTH = 1000
PICTURES = ROOT / "docs/pictures"
SICK = ROOT / "examples/vanishing-sigmoid.json"
MODEL = ROOT / "tests/onnx/cases/convolutions_train.onnx"


def shoot(page, name, selector, height, width=WIDTH):
    """The window of that size, with that element at its top."""
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True)
    page.run("scrollTo({top: document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY - 8, behavior: 'instant'})", selector)
    page.until("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    file = PICTURES / f"{name}.png"
    file.write_bytes(base64.b64decode(page.command("Page.captureScreenshot", format="png")["data"]))
    if shutil.which("optipng"):
        subprocess.run(["optipng", "-quiet", "-o4", "-strip", "all", str(file)], check=True)
    size = file.stat().st_size
    assert size < LIMIT, f"{name}.png has {size} bytes, more than {LIMIT}"
    print(f"docs/pictures/{name}.png: {size} bytes")


def choose(page, *names):
    """Only those analyses."""
    page.run("document.querySelectorAll('#analyses input').forEach((box) => { box.checked = arguments[0].includes(box.value); })", names)


def request_and_report(page):
    page.write(json.dumps(json.loads(SICK.read_text()), indent=2))
    shoot(page, "request", "body", 760)
    page.diagnose()
    shoot(page, "report", "#report", 780)
    shoot(page, "graph", ".graph", 520)
    shoot(page, "charts", ".charts", 755)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    shoot(page, "dark", ".graph", 780)
    page.command("Emulation.setEmulatedMedia", features=[])
    shoot(page, "narrow", "#report", 780, width=360)
    page.click(".fix .apply")
    page.until("return document.querySelector('.compare')")
    shoot(page, "cured", "#report", 660)


def training(page):
    page.write(SICK.read_text())
    choose(page, "training", "learning_rate")
    page.diagnose()
    shoot(page, "training", ".charts figure:nth-of-type(4)", 400)


def nan(page):
    page.example("NaN")
    choose(page, "fixes")
    page.diagnose()
    shoot(page, "nan", ".graph", 640)


def gradients(page):
    request = json.loads(SICK.read_text())
    request["gradients"] = {"logits.bias": [0.1] * 10}
    page.write(json.dumps(request))
    page.diagnose("#gradcheck")
    shoot(page, "gradients", "#report", 760)


def problem(page):
    wrong = json.loads(SICK.read_text())
    wrong["model"]["layers"][1]["type"] = "Sigmiod"
    page.write(json.dumps(wrong, indent=2))
    page.click("#diagnose")
    page.until("return !document.getElementById('problem').hidden")
    page.click("#problem button")
    page.run("document.getElementById('report').hidden = true")
    shoot(page, "problem", "#text", 520)


def saved(page):
    for night, factor in enumerate((1, 1.3, 0.8, 3)):
        request = json.loads(SICK.read_text())
        request["options"] = {"seed": night}
        request["model"]["layers"][-1]["init"] = {"weight": {"init": "xavier_uniform_", "gain": factor}}
        page.write(json.dumps(request))
        choose(page)
        page.save_as(f"night {night + 1}")
        page.diagnose()
        page.until("return document.querySelectorAll('#list tbody tr').length > arguments[0]", night)
    page.click("#list tbody tr:last-child button")
    page.until("return document.querySelector('#trend canvas')")
    shoot(page, "saved", "#saved", 740)


def model(page):
    page.run("document.getElementById('report').hidden = true")
    page.attach(MODEL)
    page.until("return document.getElementById('hint').innerText")
    page.run("document.querySelector('#options').open = true")
    shoot(page, "model", "#request", 860)


def main():
    PICTURES.mkdir(exist_ok=True)
    for take in (request_and_report, training, nan, gradients, problem, saved, model):
        with Server() as server, Page(server) as page:
            take(page)
    Page.close()


main()
