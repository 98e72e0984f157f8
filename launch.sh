#!/usr/bin/env bash
# From a bare machine with Python 3.10 or newer to a trained model, or to the test results.
set -euo pipefail

readonly MIN_PYTHON=3.10
# What this release is tested with. A machine with a GPU takes the newest torch instead, which knows newer GPUs.
readonly CPU_TORCH=torch==2.13.0
# `dev` and what it brings, by name, so that a recipe finds its extras installed.
readonly TEST_EXTRAS=dev,deepspeed,mteb,pdf,quantization,sentence-transformers,video

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root
venv=${SMART_TRAIN_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$PWD/$venv # `test` goes to another folder
readonly venv
readonly python=$venv/bin/python

usage() {
    cat <<'TEXT'
usage: ./launch.sh RECIPE [key=value ...] [--overwrite]   train, evaluate and export
       ./launch.sh --seeds 0,1,2 RECIPE [key=value ...]   the same under several seeds, and how far they are apart
       ./launch.sh --dry-run RECIPE [key=value ...]       show the command and the derived quantities
       ./launch.sh test                                   lint, import direction, types and all tests
       ./launch.sh test PYTEST_ARGUMENTS                  only the tests that pytest selects

The first use creates a virtual environment and installs the package into it, with the extras that the recipe needs.
A later use adds the extras that are missing (`smart-train extras RECIPE` prints them).

  PYTHON            the interpreter to create the environment with (default: the first suitable one on PATH)
  SMART_TRAIN_VENV  the folder of the environment (default: .venv beside this script)

Paths inside a recipe are relative to the folder from which you run this. pip's own variables (PIP_INDEX_URL,
PIP_EXTRA_INDEX_URL, ...) say where packages come from. On a machine without a GPU, an index with CPU builds of torch
saves the download of the CUDA libraries.
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
        fits "$PYTHON" || die "PYTHON=$PYTHON is not Python $MIN_PYTHON or newer"
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

# Waits until no other launch.sh works on the environment, where the machine has flock: two that begin at the same time
# would delete each other's half of it.
begin_work() {
    command -v flock >/dev/null || return 0
    { mkdir -p "$(dirname "$venv")" && exec 9>"$venv.lock"; } 2>/dev/null || return 0
    local status=0
    flock -n 9 || status=$?
    if ((status == 1)); then # another holds it; any other status is of a disk without locks
        say "waiting for another launch.sh, which works on $venv"
        flock 9
    fi
}

end_work() { exec 9>&-; }

create_venv() {
    local base
    # A leftover of an interrupted creation has the marker but no pip.
    if "$python" -m pip --version >/dev/null 2>&1; then return; fi
    if [[ -e $venv && ! -e $venv/pyvenv.cfg ]]; then
        die "$venv exists and is not a virtual environment; set SMART_TRAIN_VENV to another folder"
    fi
    base=$(find_python)
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$base cannot create virtual environments; install its venv and pip (Debian, Ubuntu: apt-get install python3-venv)"
    say "creating $venv with $("$base" --version)"
    "$base" -m venv --clear "$venv"
}

sees_gpu() { command -v nvidia-smi >/dev/null && [[ -n $(nvidia-smi -L 2>/dev/null) ]]; }

pip_install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }

# install EXTRAS: the package and its dependencies, with the extras (a,b,c; none when empty), unless that was done for
# this very pyproject.toml. A part that is installed is stamped by itself, so a recipe never installs another's again.
install() {
    local extras=$1 wanted part missing=()
    wanted="$root $(cksum <"$root/pyproject.toml")"
    for part in base ${extras//,/ }; do
        if [[ ! -e $venv/.smart_train.$part || $(<"$venv/.smart_train.$part") != "$wanted" ]]; then missing+=("$part"); fi
    done
    if ((!${#missing[@]})); then return; fi
    say "installing into $venv (once; some minutes)"
    if [[ ${missing[0]} == base ]]; then
        if sees_gpu; then pip_install torch; else pip_install "$CPU_TORCH"; fi
    fi
    pip_install --editable "$root${extras:+[$extras]}"
    for part in "${missing[@]}"; do printf '%s\n' "$wanted" >"$venv/.smart_train.$part"; done
}

# The extras that the recipe among the arguments needs. Reading it takes two small packages, so a mistake in it is
# reported within seconds on a bare machine, not after an installation.
needed_extras() {
    local word before='' words=()
    for word in "$@"; do
        # The word after --seeds is its value, and not a change to the recipe.
        if [[ $word != -* && $before != --seeds ]]; then words+=("$word"); fi
        before=$word
    done
    if ! "$python" -c 'import typer, yaml' 2>/dev/null; then pip_install typer pyyaml >&2 || return; fi
    PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "$python" -m smart_train extras ${words[@]+"${words[@]}"}
}

run_recipe() {
    local extras path
    begin_work
    create_venv
    extras=$(needed_extras "$@") || exit
    install "$extras"
    if [[ ,$extras, == *,video,* ]]; then
        path=$(torchvision_path)
        export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH}
    fi
    end_work
    exec "$python" -m smart_train launch "$@"
}

# Tests run with torchvision, which most users have, and once more without it; recipes with videos need it. It is kept
# out of the environment itself, because not every package index has a CPU build, and the CUDA build does not import
# beside a CPU torch by itself.
torchvision_path() {
    local folder=$venv/torchvision version
    # torch 2.X.Y goes with torchvision 0.(X + 15).Y.
    version=$("$python" -c 'import torch; _, x, y = torch.__version__.split("+")[0].split("."); print(f"0.{int(x) + 15}.{y}")')
    if [[ ! -e $folder/.$version ]]; then
        rm -rf "$folder"
        pip_install --no-deps --target "$folder" "torchvision==$version" >&2 || return
        touch "$folder/.$version"
    fi
    if ! PYTHONPATH=$folder "$python" -c 'import torchvision' 2>/dev/null; then
        folder+=:$root/tests/support/torchvision_cpu
        PYTHONPATH=$folder "$python" -c 'import torchvision' || return
    fi
    printf '%s\n' "$folder"
}

run_tests() {
    # A worker that has nothing left takes tests from the other: long ones do not pile up behind one of them.
    local with_torchvision workers=(--numprocesses logical --dist worksteal)
    begin_work
    create_venv
    install "$TEST_EXTRAS"
    cd "$root"
    export PATH=$venv/bin:$PATH
    with_torchvision=$(torchvision_path)
    end_work
    python -m tests.machine
    if (($#)); then
        PYTHONPATH=$with_torchvision python -m pytest "$@"
        return
    fi
    ruff check .
    ruff format --check .
    lint-imports
    mypy
    say "tests that touch the image processor, without torchvision"
    # What torchvision changes is how a processor is made and resizes, and which libraries read an export. So one search
    # stands for the commands, three tests for the export's own work, and left out are text models and files that test
    # weights, adapters and the rows of a vocabulary. A new file is in until it is named here.
    python -m pytest "${workers[@]}" -m "not slow and not dist" -k "not text_encoder and not text_decoder" \
        --ignore=tests/models/test_{adapter_parts,attention,bases,family_howto,foreign_adapters,layered_states}.py \
        --ignore=tests/models/test_{pooled_gradients,projection,quantization,real_weights,rescoring,vlm2vec,vocabulary}.py \
        tests/models tests/export/test_{libraries,rankings}.py \
        tests/export/test_card.py::test_card_without_facts_is_plain_and_valid \
        tests/export/test_export.py::test_{export_scores_like_the_trained_model_without_its_base,plain_transformers_finds_every_key_and_no_other} \
        tests/cli/test_search.py::test_search_ranks_a_folder
    say "all tests, with torchvision"
    PYTHONPATH=$with_torchvision python -m pytest "${workers[@]}" --durations=20
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
    run_recipe "$@"
    ;;
esac
