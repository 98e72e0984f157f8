#!/usr/bin/env bash
# From a bare machine with Python 3.10 or newer to a trained model, or to the test results.
set -euo pipefail

readonly MIN_PYTHON=3.10
# What this release is tested with. A machine with a GPU takes the newest torch instead, which knows newer GPUs.
readonly CPU_TORCH=torch==2.13.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root
readonly venv=${SMART_TRAIN_VENV:-$root/.venv}
readonly python=$venv/bin/python

usage() {
    cat <<'TEXT'
usage: ./launch.sh RECIPE [key=value ...] [--overwrite]   train, evaluate and export
       ./launch.sh --dry-run RECIPE [key=value ...]       show the command and the derived quantities
       ./launch.sh test                                   lint, import direction and all tests
       ./launch.sh test PYTEST_ARGUMENTS                  the tests that pytest selects

The first use creates a virtual environment and installs the package into it; a later use takes it as it is.

  PYTHON            the interpreter to create the environment with (default: the first fit one on PATH)
  SMART_TRAIN_VENV  where the environment lives (default: .venv beside this script)

Paths inside a recipe are meant from the folder you call this from. pip's own variables (PIP_INDEX_URL,
PIP_EXTRA_INDEX_URL, ...) say where packages come from; point them at an index with CPU builds of torch to spare a
machine without a GPU the download of the CUDA libraries.
TEXT
}

say() { printf 'launch.sh: %s\n' "$*" >&2; }

die() {
    say "$@"
    exit 2
}

# Whether "$1" runs and is new enough.
fits() {
    "$1" -c "import sys; sys.exit(sys.version_info < (${MIN_PYTHON/./, }))" 2>/dev/null
}

find_python() {
    local candidate
    if [[ -n ${PYTHON:-} ]]; then
        fits "$PYTHON" || die "PYTHON=$PYTHON is no Python $MIN_PYTHON or newer"
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python python3.{14,13,12,11,10}; do
        if fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no Python $MIN_PYTHON or newer is on PATH; install one, or name it: PYTHON=/path/to/python ./launch.sh ..."
}

create_venv() {
    local base
    # A leftover of an interrupted creation has the marker but no pip.
    if "$python" -m pip --version >/dev/null 2>&1; then return; fi
    if [[ -e $venv && ! -e $venv/pyvenv.cfg ]]; then
        die "$venv exists and is no virtual environment; set SMART_TRAIN_VENV to another place"
    fi
    base=$(find_python)
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$base cannot create virtual environments; install its venv and pip (Debian, Ubuntu: apt-get install python3-venv)"
    say "creating $venv with $("$base" --version)"
    "$base" -m venv --clear "$venv"
}

sees_gpu() { command -v nvidia-smi >/dev/null && [[ -n $(nvidia-smi -L 2>/dev/null) ]]; }

pip_install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }

# install EXTRAS: the package and its dependencies, unless that was done for this very pyproject.toml. `pdf` is always
# among them, because a recipe that ships renders its pages.
install() {
    local extras=$1 stamp wanted
    create_venv
    stamp=$venv/.smart_train.$extras
    wanted="$root $(cksum <"$root/pyproject.toml")"
    if [[ -e $stamp && $(<"$stamp") == "$wanted" ]]; then return; fi
    say "installing into $venv (once; some minutes)"
    if sees_gpu; then pip_install torch; else pip_install "$CPU_TORCH"; fi
    pip_install --editable "${root}[$extras]"
    printf '%s\n' "$wanted" | tee "$stamp" >"$venv/.smart_train.pdf"
}

# Whether the arguments of a run, or the recipe among them, ask for a ZeRO strategy.
needs_deepspeed() {
    local word
    for word in "$@"; do
        if [[ $word == distributed.strategy=zero* ]]; then return; fi
        if [[ -f $word ]] && grep -Eq '^[^#]*strategy: *zero' "$word"; then return; fi
    done
    return 1
}

# Tests run with torchvision, which most users have, and once more without it. It is kept out of the environment itself,
# because a CPU build is not to be had everywhere and the CUDA build does not import beside a CPU torch by itself.
torchvision_path() {
    local folder=$venv/torchvision version
    # torch 2.X.Y goes with torchvision 0.(X + 15).Y.
    version=$("$python" -c 'import torch; _, x, y = torch.__version__.split("+")[0].split("."); print(f"0.{int(x) + 15}.{y}")')
    if [[ ! -e $folder/.$version ]]; then
        rm -rf "$folder"
        pip_install --no-deps --target "$folder" "torchvision==$version"
        touch "$folder/.$version"
    fi
    if ! PYTHONPATH=$folder "$python" -c 'import torchvision' 2>/dev/null; then
        folder+=:$root/tests/support/torchvision_cpu
        PYTHONPATH=$folder "$python" -c 'import torchvision'
    fi
    printf '%s\n' "$folder"
}

run_tests() {
    local with_torchvision
    install pdf,dev
    cd "$root"
    export PATH=$venv/bin:$PATH
    with_torchvision=$(torchvision_path)
    python -m tests.machine
    if (($#)); then
        PYTHONPATH=$with_torchvision python -m pytest "$@"
        return
    fi
    ruff check .
    ruff format --check .
    lint-imports
    say "tests that touch the image processor, without torchvision"
    python -m pytest --numprocesses logical -m "not slow and not dist" tests/models tests/export tests/test_cli.py
    say "all tests, with torchvision"
    PYTHONPATH=$with_torchvision python -m pytest --numprocesses logical --durations=20
}

case ${1:-} in
"" | -h | --help)
    usage
    [[ -n ${1:-} ]] || exit 2
    ;;
test)
    shift
    run_tests "$@"
    ;;
*)
    if needs_deepspeed "$@"; then install deepspeed,pdf; else install pdf; fi
    exec "$python" -m smart_train launch "$@"
    ;;
esac
