#!/usr/bin/env bash
# Reports on whole networks agree with PyTorch's statistics.
#
#   tests/http/test_models.sh STABILITYD
set -euo pipefail
exec python3 "$(dirname "$0")/../golden/compare_models.py" "$1"
