#!/usr/bin/env bash
# Serves an export with vLLM so that `VLLMClient` and `smart-train verify --vllm` can read it.
#   scripts/serve_vllm.sh DIR [options of `vllm serve`, such as --port 8001 --dtype float32]
set -euo pipefail

if [[ $# -lt 1 || ! -f ${1:-}/smart_config.json ]]; then
    echo "usage: $0 DIR [options]   DIR is what 'smart-train export' wrote" >&2
    exit 2
fi
folder=$1
shift
# Every token's state is wanted, so no beginning of a prompt is taken from a cache.
exec vllm serve "$folder" --runner pooling --pooler-config '{"task": "token_embed"}' --no-enable-prefix-caching "$@"
