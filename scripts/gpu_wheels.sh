#!/usr/bin/env bash
# Fetches the packages that a bare CUDA machine lacks, as wheels, into .gpu_wheels beside this checkout.
#   scripts/gpu_wheels.sh [--folder DIR] [--limit-mib N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec "${PYTHON:-python3}" -m benchmarks.gpu_wheels "$@"
