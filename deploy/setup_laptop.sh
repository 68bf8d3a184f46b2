#!/usr/bin/env bash
# Sets up the machine with the GPU: .venv in this checkout with PyTorch, and a token unless there is one.
# Can be run again at any time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
EXTRAS=torch deploy/env_setup.sh --venv "$@"
.venv/bin/gamefleet token
echo "Addresses of this machine: $(hostname -I 2>/dev/null || ipconfig getifaddr en0 2>/dev/null || echo unknown)"
echo "Bring the token to the server: .venv/bin/gamefleet token send USER@SERVER"
echo "Then start the learner: deploy/run_gpu_server.sh --host 0.0.0.0 --port 5555"
