#!/usr/bin/env bash
# Sets up the machine without a GPU: .venv in this checkout with PyTorch's build for CPUs, which is a tenth of the size,
# wandb, and distributed_config.toml to edit. Can be run again at any time; a file that is there is kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
EXTRAS=torch,wandb deploy/env_setup.sh --cpu --venv "$@"
if [ ! -e distributed_config.toml ]; then
    cp configs/hanabi_distributed.toml distributed_config.toml
    echo "Made distributed_config.toml: write the laptop's address into it (gpu_host)."
fi
echo "The token comes from the laptop: on it, gamefleet token send USER@SERVER"
echo "Then start the coordinator: .venv/bin/gamefleet run distributed_config.toml --server"
