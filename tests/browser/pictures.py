#!/usr/bin/env python3
"""Writes docs/pictures/*.png: the page with a sick network, its charts, and before beside after.

    pictures.py STABILITYD
"""
import base64
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http"))

from support import Server  # noqa: E402
from webdriver import Browser  # noqa: E402

LIMIT = 200_000  # bytes of a picture


def shoot(page, name, selector):
    """The window, with that element at its top."""
    page.run("document.querySelector(arguments[0]).scrollIntoView({behavior: 'instant', block: 'start'})", selector)
    page.until("return document.getAnimations().every((animation) => animation.playState !== 'running')")
    picture = base64.b64decode(page.do("GET", "/screenshot"))
    assert len(picture) < LIMIT, f"{name}.png has {len(picture)} bytes, more than {LIMIT}"
    directory = ROOT / "docs/pictures"
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.png").write_bytes(picture)
    print(f"docs/pictures/{name}.png: {len(picture)} bytes")


def main():
    with Server() as server, Browser(width=1000, height=900) as page:
        page.open(server.url)
        page.until("return document.querySelectorAll('#analyses input').length > 0")
        page.run("document.getElementById('text').value = arguments[0]", (ROOT / "examples/vanishing-sigmoid.json").read_text())
        page.click("#diagnose")
        page.until("return document.querySelector('.verdict') && document.querySelectorAll('canvas').length > 3")
        shoot(page, "report", "#report")
        shoot(page, "charts", "canvas")
        page.click(".fix button:last-child")
        page.until("return document.querySelector('.compare')")
        shoot(page, "cured", "#report")


main()
