# shellcheck shell=bash
# Makes `gamefleet` ready in this shell: `source deploy/activate.sh [pokemon_slim|pokemon_slim_cpu]`.
# Takes the conda environment of that name, or else the checkout's .venv; deploy/env_setup.sh makes either. An
# environment works by its folder of programs alone, so conda need not be loaded where one is only used.

export CONDA_ENVS_DIRS="${CONDA_ENVS_DIRS:-$HOME/conda_envs/}"
export CONDA_PKGS_DIRS="${CONDA_PKGS_DIRS:-$HOME/conda_pkgs/}"

activate_gamefleet() {
    local name=$1 checkout=$2 folder
    local first=${CONDA_ENVS_DIRS%%:*}
    # After the folder in the home directory, where `conda create` puts environments when nobody says otherwise.
    for folder in "${first%/}/$name" "$HOME"/{.conda,miniforge3,miniconda3,anaconda3}/envs/"$name" "$checkout/.venv"; do
        if [ -x "$folder/bin/gamefleet" ]; then
            export PATH="$folder/bin:$PATH"
            # Packages of `pip install --user` (notebooks) would win over those of a conda environment.
            export PYTHONNOUSERSITE=1
            echo "Using $folder"
            return 0
        fi
    done
    echo "There is no gamefleet in ${first%/}/$name, nor in $checkout/.venv." \
        "Set one up with: deploy/env_setup.sh$([ "$name" = pokemon_slim_cpu ] && echo ' --cpu')" >&2
    return 1
}

activate_gamefleet "${1:-pokemon_slim}" "$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
