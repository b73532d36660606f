# Sourced by the job scripts: messages, the site's settings, and findna in a job that Slurm may stop and start again.
# shellcheck shell=bash
say() { printf '%(%F %T)T %s: %s\n' -1 "${script:?}" "$*"; }
end() { say "$2"; exit "$1"; }

# Passes signals from Slurm on to findna, also those that arrive before it starts.
launcher="" asked=""
pass_on() {
  say "$1: asking findna to stop with a checkpoint"
  asked=1
  [ -z "$launcher" ] || kill -USR1 "$launcher" 2>/dev/null || true
}
pass_signals_on() {
  trap 'pass_on "signal from Slurm (time limit, or scancel --batch)"' USR1 USR2
  trap 'pass_on "Slurm is ending this job"' TERM
}

# Reads slurm/site.env, and sets `restarts` and `restarts_max`.
read_site() {
  set +eu # the site's file may rely on failing commands and unset variables
  set -a
  # shellcheck source=/dev/null
  [ ! -f "${home:?}/slurm/site.env" ] || . "$home/slurm/site.env"
  set +a
  set -eu
  restarts_max=${RESTARTS:-100}
  restarts=${SLURM_RESTART_COUNT:-0}
}
check_restarts() {
  [ "$restarts" -le "$restarts_max" ] || end 75 "too many restarts (RESTARTS=$restarts_max): not started; submit again to continue"
}

# The newest checkpoint of the run folder `folder`, whose checkpoints are the job's progress; "": it has none.
newest() { [ -z "${folder?}" ] || find "$folder/ckpt" -maxdepth 1 -name 'step_*' 2>/dev/null | sort -V | tail -n 1; }

# run_findna ARGUMENT...: runs findna on the ranks of the job, and sets `code` to its exit code.
run_findna() {
  "$home/launch/run" "$@" & # in the background: a shell runs traps only between foreground commands
  launcher=$!
  [ -z "$asked" ] || { sleep 1; kill -USR1 $launcher 2>/dev/null || true; } # a signal arrived before the launcher started
  while :; do # a signal ends the wait, not the launcher
    wait $launcher || true
    kill -0 $launcher 2>/dev/null || break
  done
  code=0
  wait $launcher || code=$?
}

# requeue JOB STOPPED: puts the job back in the queue if there is a newer checkpoint than `before`, that of the start, so that another start
# gets further; else ends it with findna's exit code. STOPPED says what exit code 75 means.
requeue() {
  local job=$1 why=$2 state="" last
  case $code in
    75) ;;
    76) why="the ranks lost each other" ;;
    *) [ "$code" -gt 128 ] || end "$code" "exit code $code (see above, and docs/exit-codes.md): not put back in the queue"
       why="findna or its launcher was killed (exit code $code)" ;;
  esac
  for _ in {1..20}; do
    state=$(squeue -h -j "$job" -o %T) && break
    say "Slurm's controller does not answer; asking again in 15 seconds"
    sleep 15
  done
  last=$(newest)
  if [ "$state" != RUNNING ]; then
    end "$code" "$why, and Slurm is ending this job (state ${state:-unknown}): Slurm decides whether it starts again"
  elif [ -z "$folder" ]; then
    end "$code" "$why, and a probe or a search keeps nothing: not put back in the queue; submit this piece again with a longer --time"
  elif [ -z "$last" ] || [ "$last" = "${before?}" ]; then
    end "$code" "$why, but no checkpoint is newer than at the start (${before:-none}): not put back in the queue, because another start would get no further"
  elif [ "$restarts" -ge "$restarts_max" ]; then
    end "$code" "$why, but this was restart $restarts of at most $restarts_max (RESTARTS): submit again to continue from $last"
  fi
  say "$why: back in the queue, to continue from $last"
  trap - USR1 USR2 TERM
  scontrol requeue "$job" || end "$code" "Slurm refuses to requeue it: submit again to continue from $last"
  sleep 600 # Slurm ends this shell within seconds; if the shell ended by itself, the job would end with it
}
