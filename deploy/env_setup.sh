#!/usr/bin/env bash
# Sets up what the job scripts of this folder use: `deploy/env_setup.sh`, or `deploy/env_setup.sh --cpu` without a GPU.
# With conda: the environment pokemon_slim (pokemon_slim_cpu) in the home directory. Without, and with --venv: .venv in
# this checkout. EXTRAS names what is installed, as in `pip install gamefleet[...]`; torch,red by default.
# Can be run again at any time: what is there is kept, what is missing or has changed is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LEAST_PYTHON=3.11
CPU_WHEELS=https://download.pytorch.org/whl/cpu

fail() {
    printf 'env_setup: %s\n' "$*" >&2
    exit 1
}

is_new_enough() { "$1" -c "import sys; sys.exit(sys.version_info < (${LEAST_PYTHON/./, }))" 2>/dev/null; }

load_conda() {
    export CONDA_ENVS_DIRS="${CONDA_ENVS_DIRS:-$HOME/conda_envs/}"
    export CONDA_PKGS_DIRS="${CONDA_PKGS_DIRS:-$HOME/conda_pkgs/}"
    if ! command -v conda >/dev/null && command -v module >/dev/null; then
        set +eu # `module` is the site's own shell function, and not written for these
        module load anaconda
        set -eu
    fi
    command -v conda >/dev/null
}

make_conda_environment() {
    is_usable "$1" || conda create -y -p "$1" "python=$LEAST_PYTHON" pip \
        || fail "conda could not make $1; the reason is above. If the quota is used up, \`conda clean --all\` frees" \
            "room, or set CONDA_ENVS_DIRS and CONDA_PKGS_DIRS to folders on another disk. Then run this again."
}

make_venv() {
    local python
    is_usable "$1" && return
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if is_new_enough "$python"; then
            "$python" -m venv "$1" \
                || fail "$python could not make $1; the reason is above. On Debian and Ubuntu: apt install python3-venv."
            return
        fi
    done
    fail "there is no Python $LEAST_PYTHON or newer on the PATH (python3 is $(python3 -V 2>&1 || true))." \
        "Load one (\`module avail python\`), install conda, or name one: PYTHON=/path/to/python3.12 deploy/env_setup.sh"
}

is_usable() { [ -x "$1/bin/python" ] && "$1/bin/python" -m pip --version >/dev/null 2>&1; }

install() {
    local python=$1/bin/python pip=("$1/bin/python" -m pip install --disable-pip-version-check --quiet) torch
    if [ "$VARIANT" = cpu ] && ! "$python" -c 'import torch' 2>/dev/null; then
        torch=$("$python" -c 'import tomllib
needs = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["torch"]
print(*(need for need in needs if need.startswith("torch==")))')
        # The build without CUDA is a tenth of the size, but only PyTorch's own server has it.
        "${pip[@]}" --no-deps --retries 1 --index-url "$CPU_WHEELS" "$torch" \
            || echo "PyTorch's small build cannot be had from $CPU_WHEELS; taking the one that pip finds." >&2
    fi
    "${pip[@]}" -e ".[$EXTRAS]" \
        || fail "pip could not install gamefleet into $1; the reason is above. Without a network, run this on a login" \
            "node, or set PIP_FIND_LINKS to a folder with the wheels. With the disk full, free some room. Then run" \
            "this again: what is installed stays."
}

VARIANT=gpu NAME=pokemon_slim PLACE=conda EXTRAS=${EXTRAS:-torch,red}
for word in "$@"; do
    case $word in
        --cpu) VARIANT=cpu NAME=pokemon_slim_cpu ;;
        --venv) PLACE=venv ;;
        *)
            echo "usage: deploy/env_setup.sh [--cpu] [--venv]" >&2
            exit 2
            ;;
    esac
done

# Packages of `pip install --user` would seem to be installed here too.
export PYTHONNOUSERSITE=1
if [ "$PLACE" = conda ] && load_conda; then
    FIRST=${CONDA_ENVS_DIRS%%:*}
    PREFIX=${FIRST%/}/$NAME
    make_conda_environment "$PREFIX"
else
    PREFIX=$PWD/.venv
    make_venv "$PREFIX"
fi
is_new_enough "$PREFIX/bin/python" \
    || fail "$PREFIX holds $("$PREFIX/bin/python" -V), which is older than $LEAST_PYTHON: remove the folder, run this again."

# Nothing is asked of the network when nothing has changed.
STAMP=$PREFIX/.gamefleet-installed
WANTED="$PWD $(cksum <pyproject.toml)"
[ "$EXTRAS" = torch,red ] || WANTED+=" $EXTRAS"
if [ "$(cat "$STAMP" 2>/dev/null)" != "$WANTED" ]; then
    echo "Installing into $PREFIX; the first time takes some minutes."
    install "$PREFIX"
fi
LOOKED_AT=torch
[[ $EXTRAS == *red* ]] && LOOKED_AT="av, pyboy, torch"
FOUND=$("$PREFIX/bin/python" -W ignore -c "import $LOOKED_AT"'
print("PyTorch", torch.__version__, "with CUDA " + torch.version.cuda if torch.version.cuda else "without CUDA")') \
    || fail "$PREFIX is damaged (see above): remove the folder, run this again."
echo "$WANTED" >"$STAMP"

if [ "$VARIANT" = gpu ] && [[ $FOUND != *"with CUDA"* ]]; then
    echo "Note: this PyTorch has no CUDA, so that a GPU would not be used. Remove $PREFIX and run this again where" \
        "pip finds the CUDA build, if you have an NVIDIA GPU." >&2
fi
echo "Environment ready: $PREFIX ($("$PREFIX/bin/gamefleet" --version), $FOUND)."
if [ "$EXTRAS" = torch,red ]; then
    echo "Activate it with: source deploy/activate.sh $NAME   Then: sbatch deploy/slurm_$VARIANT.job"
else
    echo "Activate it with: source ${PREFIX#"$PWD"/}/bin/activate"
fi
