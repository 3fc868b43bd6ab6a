# Keeps one task inside its pod, as the container's first process: waits for its gang, runs the script,
# passes on what suan says in the pod's annotations, and writes what became of it for the pod's status.
# Text for `bash -c`; its words come by the environment (SUAN_K_*), which the script does not see.
control=/run/suan-control home=/run/suan sent=/run/suan-script
limit=$SUAN_K_LIMIT_MS grace=$SUAN_K_GRACE_MS gang=$SUAN_K_GANG mark=$SUAN_K_MARK
end=${mark%$'\a'}$';end\a'
files=${SUAN_K_FILES:-} named=${SUAN_K_NAMED:-} named_told=${SUAN_K_NAMED_TOLD:-[]} workdir=
child= poll= asked=- late=0 began=0 helpers=()
exec {nap}<> <(:)

now() { # milliseconds
  local t=${EPOCHREALTIME:-$(date +%s.%6N)}
  t=${t/,/.}
  ms=$((${t%.*} * 1000 + 10#${t#*.} / 1000))
}
pause() { read -r -t "$1" -u "$nap" _ || :; }
refuse() { # $1: why the task cannot begin
  printf '%ssuan: %s\n' "$mark" "$1" >&2
  printf '%s\n' "$1" >"$home/why"
  finish 126
}

others() { # every process here but the keeper's own
  local each
  found=()
  for each in /proc/[0-9]*; do
    each=${each#/proc/}
    case " 1 $$ $BASHPID $poll ${helpers[*]} " in *" $each "*) ;; *) alive "$each" && found+=("$each") ;; esac
  done
}
alive() {
  local line
  read -r line 2>/dev/null <"/proc/$1/stat" && [[ $line != *") Z "* ]]
}
tell() { # $1: a signal, to all of them
  others
  [ "${#found[@]}" = 0 ] || kill "-$1" "${found[@]}" 2>/dev/null
}

# What suan says: `N SIGNAL GRACE_MS`; each N is heard once. The limit of time is kept here, too.
listen() {
  local heard=$1 kill_at=0 word number signal given
  poll=$BASHPID
  while :; do
    pause 0.2
    word=
    read -r word 2>/dev/null <"$control/end"
    now
    if [ -n "$word" ] && [ "${word%% *}" != "$heard" ]; then
      read -r number signal given <<<"$word"
      heard=$number
      pass_on "$signal" "$given"
    fi
    if [ "$limit" != 0 ] && [ $((ms - began)) -ge "$limit" ]; then
      limit=0
      : >"$home/late"
      pass_on TERM "$grace"
    fi
    if out_of_memory; then tell KILL; fi # as newer kernels end a whole group
    if [ "$kill_at" != 0 ] && [ "$ms" -ge "$kill_at" ]; then tell KILL; fi
  done
}
pass_on() { # $1: the signal; $2: how long until the end, in milliseconds
  local at=$((ms + $2))
  printf '%s\n' "$1" >"$home/asked"
  [ "$2" = 0 ] || tell "$1"
  if [ "$kill_at" = 0 ] || [ "$at" -lt "$kill_at" ]; then kill_at=$at; fi
  [ "$2" != 0 ] || tell KILL
}

measure() { # processor time in microseconds and the most memory in bytes, of the whole container
  local name value
  cpu=- memory=-
  if [ -r /sys/fs/cgroup/cpu.stat ]; then
    while read -r name value; do [ "$name" = usage_usec ] && cpu=$value; done </sys/fs/cgroup/cpu.stat
  elif read -r value 2>/dev/null </sys/fs/cgroup/cpuacct/cpuacct.usage; then
    cpu=$((value / 1000))
  fi
  if read -r value 2>/dev/null </sys/fs/cgroup/memory.peak; then memory=$value
  elif read -r value 2>/dev/null </sys/fs/cgroup/memory/memory.max_usage_in_bytes; then memory=$value; fi
}
out_of_memory() { # whether the kernel ended something here for want of memory
  local name value
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$file" ] || continue
    while read -r name value; do [ "$name" = oom_kill ] && [ "$value" != 0 ] && return 0; done <"$file"
  done
  return 1
}

taken() { # whether what was written to both streams is taken; waits for it, but not for ever
  local each probe tries
  for each in 1 "$held"; do
    [ -p "/proc/self/fd/$each" ] && { exec {probe}<"/proc/self/fd/$each"; } 2>/dev/null || continue
    for ((tries = 0; tries < 2000; tries++)); do
      read -r -t 0 -u "$probe" || break
      if [ "$tries" -lt 50 ]; then pause 0.002; else pause 0.02; fi
    done
    exec {probe}<&-
    [ "$tries" -lt 2000 ] || return 1
  done
}
# What a runtime has not yet read when we end it may drop: of containerd what lies in its named pipe (all
# versions before 1.6.21) and the piece that its shim could not write on in two seconds. So each stream ends
# with a mark, by which whoever reads the log knows that it is whole, and behind it with as much of no
# account as those two hold; once that is taken, all before it has been read.
flush() {
  local name value size=4 line sent=0
  while read -r name value _; do
    [ "$name" = KernelPageSize: ] && size=$value && break # a pipe has sixteen pages
  done 2>/dev/null </proc/self/smaps
  printf -v line '%8100s' ''
  line=$end${line// /$'\r'} # which terminals do not show
  exec {held}>&2 # in `taken`, 2 is elsewhere
  while taken && [ "$sent" -le $((16 * size + 40)) ]; do
    printf '%s\n%s\n%s\n' "$line" "$line" "$line"
    printf '%s\n%s\n%s\n' "$mark$line" "$mark$line" "$mark$line" >&2
    sent=$((sent + 23)) # KiB, of each stream
  done
}

# What the task leaves goes to the pod that keeps files: its output folder, and what it names below its
# working directory, each as a tar.
leave() {
  local each there=()
  [ -n "$files" ] && [ "$began" != 0 ] || return
  each=("$home/output"/* "$home/output"/.[!.]*)
  if [ -e "${each[0]}" ] || [ "${#each[@]}" -gt 2 ] || [ -e "${each[1]:-}" ]; then send_left output "$home" output; fi
  while IFS= read -r each; do
    [ -z "$each" ] || [ ! -e "$workdir/$each" ] || there+=("$each")
  done <<<"$named"
  [ "${#there[@]}" = 0 ] || send_left work "$workdir" "${there[@]}"
}
send_left() { # $1: as what; $2: in which folder; the rest: paths there
  local as=$1 folder=$2 size tries; shift 2
  size=$(tar -C "$folder" -c -- "$@" 2>/dev/null | wc -c)
  for tries in 1 2 3 4 5; do
    (
      read -r host port run word <<<"$files"
      exec {line}<>"/dev/tcp/$host/$port" || exit
      printf 'POST /leave/%s/%s/%s HTTP/1.1\r\nHost: suan\r\nX-Suan-Word: %s\r\nX-Suan-Named: %s\r\nContent-Length: %s\r\n\r\n' \
        "$run" "$SUAN_TASK_RANK" "$as" "$word" "$named_told" "$size" >&"$line"
      tar -C "$folder" -c -- "$@" >&"$line"
      read -r answer <&"$line" && [[ $answer == *" 200 "* ]]
    ) 2>/dev/null && return
    pause 1
  done
  printf '%ssuan: what the task left could not be sent to the pod that keeps files\n' "$mark" >&2
}

finish() { # $1: the exit code
  local ended oom=0
  [ -z "$poll" ] || kill -KILL "$poll" 2>/dev/null
  tell KILL
  [ -z "${err:-}" ] || exec {err}>&-
  [ "${#helpers[@]}" = 0 ] || wait "${helpers[@]}" 2>/dev/null
  now
  ended=$ms
  leave
  flush
  [ ! -e "$home/late" ] || late=1
  [ ! -e "$home/asked" ] || read -r asked <"$home/asked"
  out_of_memory && oom=1
  measure
  printf 'suan %s %s %s %s %s %s %s %s\n' "$1" "$began" "$ended" "$asked" "$late" "$oom" "$cpu" "$memory" \
    >/dev/termination-log
  [ ! -e "$home/why" ] || cat "$home/why" >>/dev/termination-log
  exit "$1"
}

hear() { # Kubernetes ends the pod: whoever asked, the script may save its work
  asked=TERM
  [ -e "$home/asked" ] || echo TERM >"$home/asked"
  tell TERM
  [ -n "$child" ] || finish 143
}
trap hear TERM
trap : HUP INT QUIT USR1 USR2 ALRM

heard() { # what suan had said before this began: then it never begins
  local word=
  read -r word 2>/dev/null <"$control/end"
  [ -z "$word" ] && return 1
  printf '%s\n' "${word#* }" | { read -r asked _; echo "$asked" >"$home/asked"; }
}

mkdir -p "$home/work" "$home/output"
addresses=$SUAN_K_IP
if [ "$gang" = 1 ]; then
  addresses=
  until [ -n "$addresses" ]; do
    heard && finish 143
    read -r addresses 2>/dev/null <"$control/go"
    [ -n "$addresses" ] || pause 0.05
  done
fi
heard && finish 143

if [ -n "${SUAN_K_RUN+set}" ]; then printf '%s' "$SUAN_K_RUN" >"$home/run"; else gzip -dc "$sent/run" >"$home/run"; fi
if [ -n "${SUAN_K_SETUP+set}" ]; then printf '%s' "$SUAN_K_SETUP" >"$home/setup"; fi
[ ! -e "$sent/setup" ] || gzip -dc "$sent/setup" >"$home/setup"

list=${addresses// /$'\n'}
export SUAN_NODE_IPS=$list SKYPILOT_NODE_IPS=$list MASTER_ADDR=${addresses%% *}
export SUAN_RUN_DIR=$home SUAN_OUTPUT_DIR=$home/output SKYPILOT_NODE_RANK=$SUAN_TASK_RANK
SUAN_PYTHON=$(command -v python3) && export SUAN_PYTHON
if [ -n "${SLURM_JOB_ID:-}" ]; then
  export SLURM_PROCID=$SUAN_TASK_RANK SLURM_NODEID=$SUAN_TASK_RANK SLURM_LOCALID=0 SLURMD_NODENAME=$SUAN_NODE
fi
workdir=${SUAN_K_WORKDIR:-$home/work} mounts=${SUAN_K_MOUNTS:-}
out_file=${SUAN_K_STDOUT:-} err_file=${SUAN_K_STDERR:-} both=${SUAN_K_BOTH:-}
unset "${!SUAN_K_@}"

now
began=$ms
cd "$workdir" 2>/dev/null ||
  refuse "the workdir '$workdir' is no directory in the image or on a volume of this pool"
while IFS=$'\t' read -r link target; do
  [ -n "$link" ] || continue
  [ -e "$target" ] ||
    refuse "file_mounts: the source '$target' does not exist in the image or on a volume of this pool"
  mkdir -p "$(dirname "$link")"
  [ "$(readlink "$link")" = "$target" ] || ln -s "$target" "$link" ||
    refuse "file_mounts: '$link' cannot be made"
done <<<"$mounts"

if [ -e "$home/setup" ]; then
  printf '%s' "$both" >"$home/both"
  set -- bash "$home/both"
elif read -r first <"$home/run" && [ "${first:0:2}" = '#!' ]; then
  chmod 700 "$home/run"
  set -- "$home/run"
else
  set -- bash "$home/run"
fi

# Kubernetes keeps both streams in one log. Lines of standard error carry a mark there, which
# terminals do not show, so that they can be told apart again.
quiet() { trap '' HUP INT QUIT TERM USR1 USR2 ALRM; }
if [ -n "$mark" ] && command -v sed >/dev/null; then
  exec {err}> >(quiet; LC_ALL=C exec sed -u "s/^/$mark/" >&2)
  helpers+=($!)
else
  exec {err}>&2
fi
if [ -n "$out_file" ]; then
  exec {out}> >(quiet; exec {err}>&-; exec tee "$out_file")
  helpers=($! "${helpers[@]}")
else
  exec {out}>&1
fi
marked=$err
if [ -n "$err_file" ] && [ "$err_file" = "$out_file" ]; then
  exec {err}>&"$out" {marked}>&-
elif [ -n "$err_file" ]; then
  exec {err}> >(quiet; exec {out}>&-; exec tee "$err_file" >&"$marked")
  helpers=($! "${helpers[@]}")
  exec {marked}>&-
fi
"$@" </dev/null >&"$out" 2>&"$err" {out}>&- {err}>&- {nap}>&- &
child=$!
listen 0 {out}>&- {err}>&- &
poll=$!
disown "$poll" # bash shall not tell of its end
exec {out}>&-
code=
until [ -n "$code" ]; do
  wait "$child" 2>/dev/null
  ended=$?
  alive "$child" || code=$ended
done
# Asked to end, what the script had started may still be saving: until its grace is over.
while [ -e "$home/asked" ]; do
  others
  [ "${#found[@]}" = 0 ] && break
  pause 0.05
done
finish "$code"
