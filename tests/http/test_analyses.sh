#!/usr/bin/env bash
# Singular values and eigenvalues agree with PyTorch's.
#
#   tests/http/test_analyses.sh STABILITYD
set -euo pipefail
exec python3 "$(dirname "$0")/../golden/compare_analyses.py" "$1"
