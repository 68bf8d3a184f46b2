#!/usr/bin/env bash
# Writes the files beside it: what a real SLURM says. Takes two minutes; run it again for another version of SLURM.
#   tests/golden/slurm/capture.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tool=$here/../../../src/gamefleet/testing/local_slurm.sh
folder=$(mktemp -d)
trap 'ABANDON=1 bash "$tool" down "$folder"; rm -rf "$folder" "$folder.lock"' EXIT

MAXJOBS=5 MAXSUBMIT=14 QOS_LIMITS="MaxWall=300 MaxTRESPerUser=cpu=64" OWNER=$$ \
  EXTRA_CONF="PartitionName=closed Nodes=n1 State=DOWN MaxTime=UNLIMITED" bash "$tool" up "$folder" >/dev/null
eval "$(bash "$tool" env "$folder")"
export LC_ALL=C SLURM_TIME_FORMAT=%s
cd "$folder"

anonymous() {   # hosts, users and folders of this machine say nothing about SLURM
  sed -E -e "s#$folder#/slurm#g" -e "s/\b$(hostname -s)\b/login/g" -e "s/\b$(id -un)\b/USER/g" \
    -e "s/\(0\)/(1000)/g" -e 's#(Command|WorkDir)=.*#\1=/slurm#' -e '/^(BOOT_TIME|BcastExclude)|OS=/d' -e 's/ +$//'
}
keep() { anonymous >"$here/$1"; }
submit() { sbatch --parsable -o /dev/null "$@"; }
refused() { local file=$1; shift; { sbatch -o /dev/null --wrap true "$@" 2>&1 || :; } | keep "refused-$file.txt"; }

sbatch --version | keep version.txt
refused gres --gres=gpumem:81G
refused gres-name --gres=tpu:1
refused cpus -c 9
refused memory --mem=1T
refused account -A nope
refused partition -p nope
refused qos --qos=nope
refused time -t whenever
refused option --no-such-option
submit -J 'done' --wrap true >/dev/null
failed=$(submit -J failed --comment 'of fleet x' --wrap 'exit 3')
submit -J signalled --wrap 'kill -SEGV $$' >/dev/null
timeout=$(submit -J timeout -t 1 --wrap 'sleep 200')
lost=$(submit -J lost -w n4 --no-requeue --wrap 'sleep 200')
running=$(submit -J 'a name|with a bar and  spaces' -G 1 --gres=gpumem:20G -c 2 --wrap 'sleep 200')
sleep 3
cancelled=$(submit -J cancelled --wrap 'sleep 200')
submit -J after --dependency="afterany:$running" --wrap true >/dev/null
submit -J never --dependency="afternotok:1" --wrap true >/dev/null
submit -J too-long -t 5:00:00 --wrap true >/dev/null
submit -J held --hold --wrap true >/dev/null
submit -J later --begin=now+1hour --wrap true >/dev/null
submit -J array --array=1-2%1 -c 8 --wrap 'sleep 200' >/dev/null
submit -J over --wrap 'sleep 200' >/dev/null
sleep 3
submit -J impossible --gres=gpumem:81G --wrap true >/dev/null   # at a limit, SLURM does not look whether a node can hold it
scancel "$cancelled"
sleep 1
squeue -h -r --me -o '%i|%T|%r|%S|%e|%N|%j' | keep squeue.txt
for _ in $(seq 14); do submit --hold --wrap true >/dev/null 2>&1 || :; done
refused submit-limit
scancel --state=PENDING -u "$(id -un)"
sleep 1
scontrol show job "$running" | keep scontrol-job-running.txt
scontrol show job "$failed" | keep scontrol-job-failed.txt
{ scontrol show job 99999999 2>&1 || :; } | keep scontrol-job-unknown.txt
scontrol show partition | keep scontrol-partition.txt
scontrol show node n1 | keep scontrol-node.txt
scontrol show config | keep scontrol-config.txt
sinfo -h -e -o '%R|%c|%m|%G|%D|%T' | keep sinfo.txt
sacctmgr -nP show user "$(id -un)" format=user,defaultaccount | keep sacctmgr-user.txt
sacctmgr -nP show assoc user="$(id -un)" format=account,partition,qos,defaultqos,maxjobs,maxsubmitjobs,maxwall | keep sacctmgr-assoc.txt
sacctmgr -nP show qos format=name,maxjobspu,maxsubmitpu,maxwall,maxtrespu | keep sacctmgr-qos.txt
bash "$tool" kill-node "$folder" n4
until [ -z "$(squeue -h -j "$lost" 2>/dev/null)" ] && [ -z "$(squeue -h -j "$timeout" 2>/dev/null)" ]; do sleep 1; done
sleep 5
sacct -X -n -P -S now-1days -o JobID,State,ExitCode,Start,End,NodeList,JobName | keep sacct.txt
sacct -X -n -P -j "$(squeue -h -r -t CANCELLED -o %i | paste -sd,)" -o JobID,State,ExitCode,Start,End,NodeList,JobName | keep sacct-by-id.txt
squeue -h -r -t all --me -o '%i|%T|%r|%S|%e|%N|%j' | keep squeue-all.txt
bash "$tool" stop-controller "$folder"
{ squeue -h 2>&1 || :; } | keep silent-squeue.txt
{ sbatch --wrap true 2>&1 || :; } | keep silent-sbatch.txt
sed -i '/^AccountingStorage/d' "$SLURM_CONF"
{ sacct 2>&1 || :; } | keep silent-sacct.txt
