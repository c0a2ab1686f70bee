#!/usr/bin/env python3
"""Every command in the documents is run, what they show of its output is compared, and every link between them leads somewhere. (documents.py says
how; documents whose commands need Python's modules are in test_documents_python.py.)

    test_documents.py STABILITYD [DOCUMENT...]
"""
import re

from documents import DOCUMENTS, NOT_RUN, ROOT, blocks, needs_python, tests_of
from support import run_tests

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def headings(text):
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def test_links():
    broken = []
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", document.read_text(), flags=re.M | re.S)
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (document.parent / name).resolve() if name else document
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file.read_text())):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md" and f"({path.name})" not in index]
    assert not missing, missing


def test_what_is_not_run_is_in_the_documents():
    commands = {content.strip() for path in DOCUMENTS for _, language, content, _ in blocks(path.read_text()) if language == "sh"}
    assert set(NOT_RUN) <= commands, set(NOT_RUN) - commands


globals().update(tests_of([path for path in DOCUMENTS if not needs_python(path)]))

run_tests(globals())
