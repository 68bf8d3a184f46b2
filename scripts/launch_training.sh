#!/bin/bash
# Trains the Showdown agent on a SLURM cluster; all of it is `gamefleet launch`.
#
#   scripts/launch_training.sh NODES GPUS_PER_NODE HOURS [BATCH_PER_GPU] [OPTIONS]
#   scripts/launch_training.sh --help
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if command -v gamefleet >/dev/null; then
    exec gamefleet launch "$@"
elif [[ -x $repository/.venv/bin/gamefleet ]]; then
    exec "$repository/.venv/bin/gamefleet" launch "$@"
fi
echo "gamefleet is not installed here: activate its environment, or: pip install -e '$repository[showdown,torch]'" >&2
exit 3
