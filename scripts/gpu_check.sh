#!/usr/bin/env bash
# Everything worth knowing about this checkout on a CUDA machine, in one command: tests, losses, speed, memory.
#   scripts/gpu_check.sh [--minutes 9] [--only STAGE] [--scale tiny] [--out DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec "${PYTHON:-python3}" -m benchmarks.gpu_check "$@"
