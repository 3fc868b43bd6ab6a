#!/bin/bash
# Keeps one run inside its Slurm job: claims its turn, runs the tasks, writes what became of them.
#   keeper batch DIR ATTEMPT TASKS LIMIT GRACE WORKDIR OUT ERR COMMAND...   by sbatch, once in a job
#   keeper task  DIR ATTEMPT TASKS LIMIT GRACE WORKDIR OUT ERR COMMAND...   by srun, once for each task
# It forks nothing but the task itself (and a clock where there is a time limit): 500 runs are 500 of these.
role=$1 dir=$2 attempt=$3 tasks=$4 limit=$5 grace=$6 workdir=$7 out=$8 err=$9
shift 9
run=${dir##*/} news=${dir%/*/*}/news child= clock_pid= heed_pid= asked= interrupted= found=()
heeds=${SUAN_HEED:-}

clock() { now=${EPOCHREALTIME:-}; [ -n "$now" ] || now=$(date +%s.%N); }

# Slurm's own signals reach a whole job, its first processes or its group, as the site has set it up. So
# suan signals the keeper, and the keeper everything below it. URG is suan's word for "end now".
hear() {
  interrupted=1 asked=$1
  [ -z "$child" ] || pass_on "$1"
}
pass_on() { # to every process below us, but the clock and who heeds
  below $$
  [ "${#found[@]}" = 0 ] || kill "-$1" "${found[@]}" 2>/dev/null
}
below() {
  local file each children=()
  for file in /proc/"$1"/task/*/children; do
    read -r -a children 2>/dev/null <"$file"
    for each in "${children[@]}"; do
      [ "$each" != "$clock_pid" ] && [ "$each" != "$heed_pid" ] || continue
      found+=("$each")
      below "$each"
    done
  done
}
if [ "$role$tasks" = batch1 ] || { [ "$role" = task ] && [ "${SUAN_FORWARD:-1}" = 1 ]; }; then
  for name in HUP INT QUIT ALRM TERM USR1 USR2; do trap "hear $name" "$name"; done
  trap "hear KILL" URG
else # the batch part of a gang, or a task whose children Slurm signals itself
  for name in HUP INT QUIT ALRM TERM USR1 USR2 URG; do trap "interrupted=1 asked=$name" "$name"; done
  [ "$role" = batch ] || trap "hear KILL" URG
fi

claim() { # whoever makes this file first, we or one who gave the launch up, has decided
  clock
  set -C
  printf '%s %s %s\n' "$SLURM_JOB_ID" "$now" "${SLURMD_NODENAME:-}" 2>/dev/null >"$dir/turn.$attempt"
  local claimed=$?
  set +C
  return $claimed
}

devices() { # this task's share of what the job has on this node, under the vendor's own name
  local all name=${SUAN_DEVICES_NAME:-CUDA_VISIBLE_DEVICES}
  IFS=, read -r -a all <<<"${CUDA_VISIBLE_DEVICES:-}"
  local IFS=,
  if [ "$tasks" -gt 1 ] && [ "${#all[@]}" -gt 0 ]; then
    all=("${all[@]:$((${SLURM_LOCALID:-0} * SUAN_DEVICES)):$SUAN_DEVICES}")
    export CUDA_VISIBLE_DEVICES="${all[*]}"
  fi
  if [ "$name" != CUDA_VISIBLE_DEVICES ]; then export "$name=${all[*]}"; fi
}

surround() {
  export SUAN_TASK_RANK=${SLURM_PROCID:-0} SUAN_NODE=${SLURMD_NODENAME:-}
  export SKYPILOT_NODE_RANK=$SUAN_TASK_RANK MASTER_PORT=$((20000 + SLURM_JOB_ID % 12000))
  if [ "${SUAN_DEVICES:-0}" -gt 0 ]; then devices; fi
  if [ -n "${SUAN_EXPORTS:-}" ]; then eval "$SUAN_EXPORTS"; fi
  unset SUAN_EXPORTS SUAN_DEVICES SUAN_DEVICES_NAME SUAN_KEEPER SUAN_FORWARD SUAN_CPUS SUAN_HEED
}

start() { # in a process group of its own, so that it can be ended without us
  set -m
  if [ "$out" = "$err" ]; then
    "$@" </dev/null >>"$out" 2>&1 &
  else
    "$@" </dev/null >>"$out" 2>>"$err" &
  fi
  child=$!
  if [ "$limit" != 0 ]; then watch_clock & clock_pid=$!; fi
  if [ -n "$heeds" ]; then heed & heed_pid=$!; fi
  set +m
  [ -z "$asked" ] || pass_on "$asked"
}

watch_clock() {
  trap - HUP INT QUIT ALRM TERM USR1 USR2 URG
  sleep "$limit" || return
  : >"$dir/late.$attempt"
  kill -TERM $$
  sleep "$grace" || return
  kill -URG $$
} </dev/null >/dev/null 2>&1

heed() { # where Slurm lets nobody signal us: suan writes its signals into a file
  local idle lines heard=0
  trap - HUP INT QUIT ALRM TERM USR1 USR2 URG
  exec {idle}<> <(:) # nothing ever comes of it: to read it is a pause that forks nothing
  while :; do
    read -r -t 0.5 -u "$idle"
    [ -s "$dir/signals" ] && mapfile -t lines <"$dir/signals" || continue
    while [ "$heard" -lt "${#lines[@]}" ]; do kill "-${lines[heard++]}" $$; done
  done
} </dev/null >/dev/null 2>&1

alive() {
  local line
  read -r line 2>/dev/null <"/proc/$1/stat" && [[ $line != *") Z "* ]]
}

linger() { # asked to end, what the script had started may still be saving: until its grace is over
  local each
  for each in "${found[@]}"; do
    while [ "$asked" != KILL ] && alive "$each"; do sleep 0.05; done
  done
}

await() {
  while :; do
    interrupted=
    wait "$child" 2>/dev/null
    code=$?
    [ -n "$interrupted" ] || break
  done
  linger
  [ -z "$clock_pid" ] || kill -KILL -- "-$clock_pid" 2>/dev/null
  [ -z "$heed_pid" ] || kill -KILL -- "-$heed_pid" 2>/dev/null
}

finish() { # $1: the file that tells the end
  clock
  { times; printf 'end %s %s %s\n' "$code" "$now" "${asked:--}"; } >"$1"
}

see_through() { # $1: the file that tells the end; then the command
  local told=$1
  shift
  : >"$out"
  [ "$out" = "$err" ] || : >"$err"
  surround
  if cd "$workdir"; then
    start "$@"
    await
  else
    echo "suan: cannot enter $workdir on ${SLURMD_NODENAME:-this node}" >>"$err"
    code=126
  fi
  finish "$told"
}

failed_already() { # another task; Slurm does not end what begins on a node after it has ended the rest
  local file text
  for file in "$dir"/task-*.end."$attempt"; do
    text=
    read -r -d '' text <"$file"
    [[ $text != *"end "[1-9]* ]] || return 0
  done 2>/dev/null
  return 1
}

if [ "$role" = task ]; then
  ! failed_already || exit 143
  out="${out/@RANK@/$SLURM_PROCID}" err="${err/@RANK@/$SLURM_PROCID}"
  see_through "$dir/task-$SLURM_PROCID.end.$attempt" "$@"
  exit "$code"
fi

claim || exit 0
if [ "$tasks" = 1 ]; then
  see_through "$news/$run.end" "$@"
else
  # The time limit is kept by each task; a signal to srun would kill them all at once.
  unset SLURM_GPUS_PER_TASK SLURM_TRES_PER_TASK SLURM_TRES_BIND SLURM_NTASKS_PER_NODE
  set -m
  SLURM_HOSTFILE="$dir/hosts" srun --distribution=arbitrary --ntasks="$tasks" --cpus-per-task="$SUAN_CPUS" \
    --kill-on-bad-exit=1 --quiet bash "$SUAN_KEEPER" task "$dir" "$attempt" "$tasks" "$limit" "$grace" \
    "$workdir" "$out" "$err" "$@" </dev/null &
  child=$!
  set +m
  await
  finish "$news/$run.end"
fi
exit "$code"
