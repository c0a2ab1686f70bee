#!/usr/bin/env python3
"""The commands of those documents that show PyTorch, the README among them: from a server to a network that is cured, from a training script to a job
that fails and then passes. What needs a module that no python3 has is named, and not run.

    test_documents_python.py STABILITYD [DOCUMENT...]
"""
from documents import DOCUMENTS, needs_python, tests_of
from support import run_tests

globals().update(tests_of([path for path in DOCUMENTS if needs_python(path)]))

run_tests(globals())
