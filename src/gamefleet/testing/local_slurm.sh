#!/usr/bin/env bash
# A real SLURM on this machine, in one folder, for tests and rehearsals:
#
#   local_slurm.sh up DIR && eval "$(local_slurm.sh env DIR)" && srun hostname
#   local_slurm.sh down DIR | status DIR | kill-node DIR n3 | start-node DIR n3
#   local_slurm.sh stop-controller DIR | start-controller DIR | restart-controller DIR
#
# munged, slurmctld, NODES slurmd, and slurmdbd on a private MariaDB (DB=0 leaves those two out, and with them sacct and
# per-user limits). No systemd, no cgroups, nothing in the system's folders, no root; loopback only where the host's name
# allows. SPEED=10 runs slurmctld's clock tenfold: a 1-minute limit ends a job in 6 to 9 s. Not enforced: memory, CPUs, GPUs.
set -euo pipefail

SELF=$(realpath "$0")
die() { echo "local_slurm: $*" >&2; exit 1; }
[ $# -ge 2 ] || die "usage: $0 up|down|status|env|kill-node|start-node|stop-controller|start-controller|restart-controller DIR [NODE]"
cmd=$1 D=$(realpath -m "$2") node=${3:-} me=$(id -un)

# `up` reads these from the environment and writes them down; every later command reads what was written.
SETTINGS=(NODES CPUS MEM_MB GPUS GPUMEM DB MAXJOBS MAXSUBMIT QOS_LIMITS SPEED SCHED KILLWAIT CRED_EXPIRE USERS)
# shellcheck disable=SC1091
[ "$cmd" = up ] || [ ! -e "$D/etc/settings" ] || . "$D/etc/settings"
NODES=${NODES:-4}                 # n1, n2, ...; at most 16
CPUS=${CPUS:-8} MEM_MB=${MEM_MB:-16000} GPUS=${GPUS:-2}
GPUMEM=${GPUMEM:-80G}             # SLURM counts with 1024: a job's gpumem:10G is 10 * 2^30
DB=${DB:-1}
MAXJOBS=${MAXJOBS:-4}             # running jobs per user; 0 for no limit
MAXSUBMIT=${MAXSUBMIT:-0}         # running and waiting jobs per user; 0 for no limit
QOS_LIMITS=${QOS_LIMITS:-}        # more, as sacctmgr writes them: "MaxWall=60 MaxTRESPU=cpu=16"
SPEED=${SPEED:-1}
SCHED=${SCHED:-fast}              # fast: jobs start at once; normal: the scheduler's own settings
KILLWAIT=${KILLWAIT:-5}           # seconds between SIGTERM and SIGKILL; SLURM's own default is 30
CRED_EXPIRE=${CRED_EXPIRE:-10}    # a requeued job is held one second longer than this; SLURM's own default is 120
USERS=${USERS:-}                  # further users with an association
OWNER=${OWNER:-}                  # process id: when it is gone, all of this goes down
ABANDON=${ABANDON:-0}             # 1: `down` kills the daemons, for a folder that is thrown away
PORTS_EACH=20

PATH=$PATH${DAEMON_FOLDERS-:/usr/sbin:/sbin}
export SLURM_CONF=$D/etc/slurm.conf MYSQL_UNIX_PORT=$D/run/db.sock
unset SLURM_TIME_FORMAT SQUEUE_FORMAT SINFO_FORMAT
reservations=${TMPDIR:-/tmp}/local-slurm-ports-$(id -u)

nodes() { seq -f 'n%g' "$NODES"; }
alive() { [ -s "$D/run/$1.pid" ] && grep -qsE '^(slurm|munged|mariadbd)' "/proc/$(<"$D/run/$1.pid")/comm"; }
await() { local end=$((SECONDS + 90)); until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || die "gave up: $* (see $D/log)"; sleep .05; done; }

check_programs() {   # status 4 means: something must be installed first
  local missing=() pair
  local wanted=(munged:munge slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client)
  [ "$DB" = 0 ] || wanted+=(slurmdbd:slurmdbd mariadbd:mariadb-server)
  for pair in "${wanted[@]}"; do command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}"); done
  [ "$SPEED" = 1 ] || [ -e "$(faketime_library)" ] || missing+=(faketime)
  [ ${#missing[@]} -eq 0 ] || { echo "local_slurm: missing packages: ${missing[*]}" >&2; exit 4; }
}

faketime_library() { local found=(/usr/lib/*/faketime/libfaketimeMT.so.1); echo "${found[0]}"; }

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

reserve_ports() {   # below the ephemeral range; a link is made atomically, so two instances never take the same block
  mkdir -p "$reservations"
  local start base try i
  start=$(cksum <<<"$D" | cut -d' ' -f1)
  for try in $(seq 0 599); do
    base=$((20000 + (start + try) % 600 * PORTS_EACH))
    if ! ln -sn "$D" "$reservations/$base" 2>/dev/null; then
      [ "$(readlink "$reservations/$base")" != "$D" ] || { PORT=$base; return; }
      [ -e "$reservations/$base/run" ] || rm -f "$reservations/$base"   # its folder is gone; free for the next who asks
      continue
    fi
    for i in $(seq 0 $((NODES + 1))); do is_free $((base + i)) || { rm -f "$reservations/$base"; continue 2; }; done
    PORT=$base
    return
  done
  die "no free block of $PORTS_EACH ports between 20000 and 32000"
}

release_ports() {
  local link
  for link in "$reservations"/*; do [ "$(readlink "$link")" != "$D" ] || rm -f "$link"; done
}

config() {
  local n i addr bind qos="" acct="" sched="" gpus=(/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty)
  [ "$GPUS" -le 6 ] || die "at most 6 GPUs a node"   # device files that exist everywhere stand in for GPUs
  addr=$(getent ahostsv4 "$(hostname)" | awk 'NR==1 {print $1}'); bind=CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
  [[ $addr = 127.* ]] || { addr=127.0.0.1; bind=; }   # listen on loopback only, where the host name resolves to it
  [ "$SCHED" = normal ] || sched=SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
  [ "$DB" = 0 ] || { qos=QOS=perlab; acct="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$addr
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$D/run/munge.sock
AccountingStorageTRES=gres/gpu,gres/gpumem
AccountingStorageEnforce=limits,qos"; }
  # Nodes have host names of their own although all are this machine: stock packages allow several slurmd only so.
  # TreeWidth and CredType: one munged serves all nodes, which must not forward each other's credentials.
  cat >"$SLURM_CONF" <<X
ClusterName=local
SlurmctldHost=$(hostname -s)($addr)
SlurmctldPort=$PORT
$bind
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock,cred_expire=$CRED_EXPIRE
CredType=cred/none
TreeWidth=100
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
$sched
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/%n.pid
SlurmdSpoolDir=$D/spool/%n
StateSaveLocation=$D/state
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/%n.log
JobCompType=jobcomp/filetxt
JobCompLoc=$D/log/jobcomp.txt
ReturnToService=2
KillWait=$KILLWAIT
MinJobAge=$((300 * SPEED))
SlurmdTimeout=$((10 * SPEED))
SlurmctldTimeout=$((10 * SPEED))
MessageTimeout=$((SPEED > 9 ? 99 : 10 * SPEED))
GresTypes=gpu,gpumem
$acct
$(i=1; for n in $(nodes); do i=$((i + 1))
  echo "NodeName=$n NodeHostname=$n NodeAddr=$addr Port=$((PORT + i)) CPUs=$CPUS RealMemory=$MEM_MB Gres=gpu:$GPUS,gpumem:$GPUMEM"; done)
PartitionName=gpu-linuxlab Nodes=ALL MaxTime=4:00:00 DefaultTime=1:00:00 DefMemPerCPU=500 Default=YES $qos
PartitionName=linuxlab Nodes=ALL MaxTime=4:00:00 DefaultTime=1:00:00 DefMemPerCPU=500 $qos
${EXTRA_CONF:-}
X
  for n in $(nodes); do
    mkdir -p "$D/spool/$n"; echo "NodeName=$n Name=gpumem Count=$GPUMEM"
    [ "$GPUS" = 0 ] || echo "NodeName=$n Name=gpu File=$(IFS=,; echo "${gpus[*]:0:GPUS}")"
  done >"$D/etc/gres.conf"
  echo CgroupAutomount=no >"$D/etc/cgroup.conf"
  (umask 077; cat >"$D/etc/slurmdbd.conf") <<X
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock
DbdHost=localhost
DbdAddr=$addr
DbdPort=$((PORT + 1))
$bind
SlurmUser=$me
PidFile=$D/run/slurmdbd.pid
LogFile=$D/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=$me
X
}

start_database() {
  [ -d "$D/db/mysql" ] || mariadb-install-db --no-defaults --user="$me" --datadir="$D/db" --skip-test-db \
    --auth-root-authentication-method=normal --innodb-log-file-size=8M >"$D/log/db-install.log" 2>&1
  alive db || { setsid mariadbd --no-defaults --user="$me" --datadir="$D/db" --socket="$MYSQL_UNIX_PORT" --pid-file="$D/run/db.pid" \
    --skip-networking --skip-grant-tables --innodb-log-file-size=8M --innodb-buffer-pool-size=16M \
    --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 </dev/null >"$D/log/db.log" 2>&1 & }
  await test -S "$MYSQL_UNIX_PORT"
  alive slurmdbd || slurmdbd
  await sacctmgr -n show cluster
  { [ -e "$D/state/accounts" ] || { add_accounts; : >"$D/state/accounts"; }; set_limits; } >/dev/null
}

add_accounts() {
  local user add="sacctmgr -iQ add"
  $add cluster local; $add qos perlab; $add account lab
  for user in $me $USERS; do $add user "$user" account=lab defaultaccount=lab; done
}

set_limits() {   # -1 takes a limit away; sacctmgr calls it an error to change nothing
  local limits=("MaxJobsPerUser=$MAXJOBS" "MaxSubmitJobsPerUser=$MAXSUBMIT") words
  read -ra words <<<"$QOS_LIMITS"
  limits=("${limits[@]/%=0/=-1}" "${words[@]}")
  sacctmgr -iQ modify qos perlab set "${limits[@]}" || :
}

start_controller() {
  local fast=()
  [ "$SPEED" = 1 ] || fast=(env LD_PRELOAD="$(faketime_library)" FAKETIME="+0 x$SPEED")
  alive slurmctld || "${fast[@]}" slurmctld -i 2>>"$D/log/start.log"
  await scontrol show partition linuxlab
}

start_node() { alive "$1" || slurmd -N "$1" 2>>"$D/log/start.log"; }

kill_node() {   # the daemon only: as with a cut cable, the job's processes go on until it is started again
  alive "$1" || die "no such running node: $1"
  kill -9 "$(<"$D/run/$1.pid")"; rm -f "$D/run/$1.pid"
}

watch_owner() {
  [ -n "$OWNER" ] || return 0
  setsid bash -c 'while [ -e "/proc/$1" ]; do sleep 2; [ -e "$3/run/munge.pid" ] || exit 0; done
    ABANDON=1 bash "$2" down "$3"; [ "$4" = 0 ] || rm -rf "$3" "$3.lock"' \
    watch "$OWNER" "$SELF" "$D" "$ABANDON" </dev/null >/dev/null 2>&1 &
}

up() {
  check_programs
  mkdir -p "$D"/{etc,run,log,state,spool}
  [ "${#D}" -lt 80 ] || die "the folder's name is too long for sockets: $D"
  [ -n "$USERS" ] || chmod 700 "$D"   # nobody else reaches the sockets
  local n s
  if ! alive munge; then
    reserve_ports; config
    for s in "${SETTINGS[@]}"; do printf '%s=%q\n' "$s" "${!s}"; done >"$D/etc/settings"
  fi
  [ -s "$D/run/munge.key" ] || (umask 077; head -c 128 /dev/urandom >"$D/run/munge.key")
  alive munge || { munged --force --key-file="$D/run/munge.key" --socket="$D/run/munge.sock" --pid-file="$D/run/munge.pid" \
    --log-file="$D/log/munge.log" --seed-file="$D/run/munge.seed" 2>>"$D/log/start.log"; watch_owner; }
  [ "$DB" = 0 ] || start_database
  start_controller
  for n in $(nodes); do start_node "$n"; done
  await bash -c "[ \$(sinfo -hN -p linuxlab -t idle,mix,alloc -o %N | wc -l) -ge $NODES ]"
  partitions UP gpu-linuxlab linuxlab
}

runs() { [ -e "/proc/$1" ] && ! grep -qs '^State:.Z' "/proc/$1/status"; }   # not everybody's init collects the dead at once

stop() {   # by the process ids that the daemons wrote: all at once, then wait for each
  local n p pids=()
  for n in "$@"; do ! alive "$n" || pids+=("$(<"$D/run/$n.pid")"); rm -f "$D/run/$n.pid"; done
  [ ${#pids[@]} -eq 0 ] || kill -"$([ "$ABANDON" = 1 ] && [ "$cmd" = down ] && echo KILL || echo TERM)" "${pids[@]}"
  for p in "${pids[@]}"; do   # slurmctld removes its pid file before it is gone
    for _ in $(seq 300); do ! runs "$p" || { sleep .05; continue; }; continue 2; done
    kill -9 "$p" 2>/dev/null || :
  done
}

partitions() { local p state=$1; shift; for p in "$@"; do scontrol update PartitionName="$p" State="$state"; done; }

end_jobs() {   # however they trap signals or submit themselves again, even on a node whose daemon was killed
  local n
  for n in "$@"; do start_node "$n"; done
  # shellcheck disable=SC2046
  partitions DOWN $(sinfo -h -o %R) || :
  for _ in $(seq 40); do [ -n "$(squeue -h 2>/dev/null)" ] || return 0; scancel -s KILL -f -u "$me" 2>/dev/null || :; scancel -u "$me" 2>/dev/null || :; sleep .1; done
}

sweep() {   # what jobs left behind after the daemons are gone: their supervisors, then every process with a job's variables
  local e p c
  for e in /proc/[0-9]*/environ; do
    grep -qszxF "SLURM_CONF=$SLURM_CONF" "$e" || continue
    p=${e//[!0-9]/}
    if [ "$(cat "/proc/$p/comm" 2>/dev/null)" = slurmstepd ]; then
      for c in $(ps -o pid= --ppid "$p"); do kill -9 -- "-$c" 2>/dev/null || :; done
    else
      grep -qsz '^SLURM_JOB_ID=' "$e" || continue
    fi
    kill -9 "$p" 2>/dev/null || :
  done
}

down() {
  local all
  all=$(cd "$D/spool" 2>/dev/null && echo *) || return 0
  # shellcheck disable=SC2086
  ! alive slurmctld || end_jobs $all
  # shellcheck disable=SC2086
  stop slurmctld $all; stop slurmdbd; stop db munge
  sweep
  release_ports
}

locked() {   # one command at a time; daemons must not inherit the lock
  [ -z "${LOCAL_SLURM_LOCKED:-}" ] || { "$@"; exit; }
  mkdir -p "$(dirname "$D")"
  LOCAL_SLURM_LOCKED=1 exec flock -o "$D.lock" bash "$SELF" "$cmd" "$D" "$node"
}

case $cmd in
  env) echo "export SLURM_CONF='$SLURM_CONF'" ;;
  status) alive slurmctld || { echo "down: $D"; exit 3; }; sinfo; squeue ;;
  up|down) locked "$cmd" ;;
  kill-node) kill_node "$node" ;;
  start-node) locked start_node "$node" ;;
  stop-controller) locked stop slurmctld ;;
  start-controller) locked start_controller ;;
  restart-controller) stop slurmctld; locked start_controller ;;
  *) die "unknown command $cmd" ;;
esac
