#!/usr/bin/env bash
# Runs all tests (or those named as arguments, except those in WITHOUT), JOBS (3, on two cores, as many wait) at a time, and ends with
# "N passed, N failed". SEED (1) selects the random values. Test programs print TAP; a shell test, tests/test_*.sh, prints "ok - name" or
# "not ok - name" per case.
set -u
export LC_ALL=C # numbers have a point, and names one order
cd "$(dirname "$0")/.."
export CMOCKA_MESSAGE_OUTPUT=TAP OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export SEED=${SEED:-1}
[[ $SEED =~ ^[1-9][0-9]{0,8}$ ]] || { echo "SEED is a whole number of at most nine digits, at least 1, not '$SEED'" >&2; exit 64; }
[ "${SAN:-0}" = 0 ] || export ASAN_OPTIONS=${ASAN_OPTIONS-allocator_may_return_null=1}

# one NAME: runs a test, prints its result and stores its counts in $RESULTS. Prints in one go, so that lines of two tests don't mix.
one() {
  local name=$1 log=$RESULTS/$1.log TIMEFORMAT='%R %U %S' command code good bad skip wall user system cpu
  case $name in
    *.sh) command=(bash "tests/$name") ;;
    *) command=("$TESTS/${name%.c}") ;;
  esac
  { time timeout 900 "${command[@]}" </dev/null >"$log" 2>&1; } 2>"$log.time"
  code=$?
  read -r wall user system < <(tail -1 "$log.time") # behind what bash may say of a signal
  cpu=$(awk "BEGIN { print $user + $system }")
  sed -i '/^not ok .*# SKIP/d' "$log" # cmocka's line for a skipped test; the test has printed the reason
  good=$(grep -c '^ok ' "$log")
  bad=$(grep -c '^not ok ' "$log")
  skip=$(grep -c '^skipped - ' "$log")
  if [ $code -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ $((good + bad + skip)) -eq 0 ]; then bad=1; echo "not ok - $name ran no test" >>"$log"; fi
  echo "$good $bad $skip $wall $cpu $name" >"$RESULTS/$name.counts"
  {
    printf '%-28s %4d ok %3d failed  %4.0f s, %4.0f s of CPU time\n' "$name" "$good" "$bad" "$wall" "$cpu"
    grep '^skipped - ' "$log"
    if [ "$bad" -gt 0 ]; then sed 's/^/    /' "$log" | grep -v '^    ok ' | tail -60; echo "    (exit code $code; SEED=$SEED)"; fi
  } >"$log.said"
  cat "$log.said"
}
if [ "${1-}" = --one ]; then
  for name in ${2//,/ }; do one "$name"; done
  exit 0
fi

# This one runs alone: its hosts have a network and time limits of their own.
alone=" test_cluster.sh "
# These build in this folder, hence one after another, but beside other tests.
builds=" test_bundle.sh test_library.sh test_machine_code.sh test_mpich.sh test_packages.sh test_probe.sh test_registers.sh test_spills.sh "
# These take long, some of them waiting, and would be among the last, with an idle core beside them: they begin first.
long=" test_suites_records.sh test_tutorial.sh test_stop.sh test_link.sh test_watchdog.sh test_laws.sh test_golden.c "
export RESULTS=$(mktemp -d)
trap 'rm -rf "$RESULTS"' EXIT
if [ $# -gt 0 ]; then names=("$@"); else names=($(ls tests/test_*.c tests/test_*.sh | sed 's|tests/||')); fi
together=() apart=() builders=()
for name in "${names[@]}"; do
  name=$(basename "$name")
  case " ${WITHOUT-} " in *" $name "*) continue ;; esac
  if [[ $alone == *" $name "* ]]; then apart+=("$name")
  elif [[ $builds == *" $name "* ]]; then builders+=("$name")
  elif [[ $long == *" $name "* ]]; then together=("$name" ${together[@]+"${together[@]}"})
  else together+=("$name"); fi
done
[ $((${#builders[@]} + ${#together[@]})) = 0 ] ||
  printf '%s\n' "$(IFS=,; echo "${builders[*]-}")" ${together[@]+"${together[@]}"} | grep . | xargs -P "${JOBS:-3}" -n 1 bash tests/run.sh --one
for name in ${apart[@]+"${apart[@]}"}; do one "$name"; done
read -r passed failed skipped <<<"$(cat "$RESULTS"/*.counts | awk '{ g += $1; b += $2; s += $3 } END { print g + 0, b + 0, s + 0 }')"
missing=$((${#together[@]} + ${#apart[@]} + ${#builders[@]} - $(ls "$RESULTS" | grep -c '\.counts$')))
[ $missing = 0 ] || { echo "$missing tests ended without a result"; failed=$((failed + missing)); }
[ "$skipped" -gt 0 ] && echo "$skipped skipped (reasons above)"
[ ${#names[@]} -lt 10 ] || echo "$SECONDS s, $(cat "$RESULTS"/*.counts | awk '{ s += $5 } END { printf "%.0f", s }') s of CPU time; most: $(sort -k 5,5nr "$RESULTS"/*.counts | head -8 | awk '{ printf("%s%s %.0f", (NR > 1 ? ", " : ""), $6, $5) }')"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
