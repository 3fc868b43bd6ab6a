# What an #SBATCH script finds on a node of suan: the Slurm names that depend on the node, and
# `srun` and `scontrol show hostnames` as shell functions. See docs/howto/use-slurm-scripts.md.
export SLURM_NODEID="${SKYPILOT_NODE_RANK:-0}" SLURM_LOCALID=0
export SLURM_PROCID=$((SLURM_NODEID * ${SLURM_NTASKS_PER_NODE:-1}))
export SLURM_JOB_NODELIST="${SKYPILOT_NODE_IPS:-127.0.0.1}"
export SLURM_JOB_NODELIST="${SLURM_JOB_NODELIST//$'\n'/,}"
export SLURM_NODELIST="$SLURM_JOB_NODELIST"
export SLURMD_NODENAME="${HOSTNAME:-localhost}"

# Runs this node's share of a step's tasks; the others' shares are run by the same line there.
srun() {
  local total="${SLURM_NTASKS:-1}" nodes="${SLURM_JOB_NUM_NODES:-1}" label='' dir=.
  while [ $# -gt 0 ]; do
    case "$1" in
      --) shift; break ;;
      -n | --ntasks) total="$2"; shift 2 ;;
      --ntasks=*) total="${1#*=}"; shift ;;
      -n[0-9]*) total="${1#-n}"; shift ;;
      -N | --nodes) nodes="$2"; shift 2 ;;
      --nodes=*) nodes="${1#*=}"; shift ;;
      -N[0-9]*) nodes="${1#-N}"; shift ;;
      -D | --chdir) dir="$2"; shift 2 ;;
      --chdir=*) dir="${1#*=}"; shift ;;
      -l | --label) label=1; shift ;;
      -u | -K | -v | -Q | -s | -O | -E | -X | -Z | --unbuffered | --kill-on-bad-exit | --exclusive) shift ;;
      --overlap | --exact | --pty | --verbose | --quiet | --overcommit | --preserve-env) shift ;;
      --*=* | -[A-Za-z]?*) shift ;;
      -*) shift 2 || return 2 ;;
      *) break ;;
    esac
  done
  [ $# -gt 0 ] || { echo 'srun: no command is given' >&2; return 2; }
  [ "$SLURM_NODEID" -lt "$nodes" ] || return 0
  local share=$(((total + nodes - 1) / nodes)) pids=() pid rank i worst=0 code
  for ((i = 0; i < share; i++)); do
    rank=$((SLURM_NODEID * share + i))
    [ "$rank" -lt "$total" ] || break
    (
      cd "$dir" || exit 1
      export SLURM_PROCID=$rank SLURM_LOCALID=$i SLURM_NTASKS=$total SLURM_NPROCS=$total
      export SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_STEP_NUM_TASKS=$total SLURM_STEP_NUM_NODES=$nodes
      if [ -n "$label" ]; then
        "$@" 2>&1 | while IFS= read -r line || [ -n "$line" ]; do printf '%s: %s\n' "$rank" "$line"; done
        exit "${PIPESTATUS[0]}"
      fi
      exec "$@"
    ) <&0 &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do
    wait "$pid"
    code=$?
    [ "$code" -gt "$worst" ] && worst=$code
  done
  return "$worst"
}

scontrol() {
  if [ "${1:-} ${2:-}" = 'show hostnames' ]; then
    printf '%s\n' "${3:-$SLURM_JOB_NODELIST}" | tr ',' '\n'
  else
    echo "scontrol: only 'show hostnames' works in suan" >&2
    return 1
  fi
}
export -f srun scontrol
