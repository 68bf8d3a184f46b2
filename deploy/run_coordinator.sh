#!/usr/bin/env bash
# Plays on this machine for a learner on another one: `deploy/run_coordinator.sh --gpu-host 192.168.1.100`.
# Every option is one of `gamefleet coordinate`, which goes on with the run that is there. AUTH_TOKEN in the environment
# is taken for the token; `gamefleet token` keeps one.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v gamefleet >/dev/null || source "$HERE/activate.sh" gamefleet >&2
exec gamefleet coordinate --auth-token-env AUTH_TOKEN "$@"
