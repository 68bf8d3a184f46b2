#!/usr/bin/env bash
# Learns on this machine for a coordinator on another one: `deploy/run_gpu_server.sh --port 5555`.
# Every option is one of `gamefleet learner serve`, which listens on this machine's loopback address unless told
# otherwise (--host 0.0.0.0). AUTH_TOKEN in the environment is taken for the token; `gamefleet token` keeps one.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v gamefleet >/dev/null || source "$HERE/activate.sh" gamefleet >&2
exec gamefleet learner serve --auth-token-env AUTH_TOKEN "$@"
