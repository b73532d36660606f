#!/usr/bin/env bash
# Tests the pages: README is short, links resolve, pictures are small, named tests exist, every message of docs/troubleshooting.md is in the sources, and every
# command and option named in README, the tutorial and docs/coming-from.md exists.
source "$(dirname "$0")/lib.sh"
cd "$root"
pages=(README.md CONTRIBUTING.md docs/*.md slurm/README.md datasets/README.md)
check "README has at most 90 lines" test "$(wc -l <README.md)" -le 90
dead=""
for page in "${pages[@]}"; do
  while read -r link; do
    file=${link%%#*} anchor=""
    case $link in *'#'*) anchor=${link#*#} ;; esac
    [ -z "$file" ] && file=$(basename "$page")
    [ -e "$(dirname "$page")/$file" ] || { dead+=" $page:$link"; continue; }
    [ -z "$anchor" ] || grep '^#' "$(dirname "$page")/$file" | sed 's/^#* *//' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-' | grep -qx -- "$anchor" || dead+=" $page:$link"
  done < <(grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//' | grep -v '^https\?:')
  while read -r named; do [ -e "$named" ] || dead+=" $page:$named"; done < <(grep -oE '(^|[^/A-Za-z0-9_.])docs/[a-z-]+\.md' "$page" | grep -oE 'docs/.*')
done
check "links and names of pages resolve to files:$dead" test -z "$dead"
for picture in docs/*.svg docs/*.png; do
  [ -e "$picture" ] || continue
  check "$picture is below 100 kB" test "$(stat -c %s "$picture")" -lt 102400
done

missing=""
for name in $(grep -ohE 'test_[a-z0-9_]+\.(c|sh)' "${pages[@]}" | sort -u); do [ -e "tests/$name" ] || missing+=" $name"; done
for goal in $(grep -ohE '`make [a-z][a-z-]*' "${pages[@]}" | sed 's/.* //' | sort -u); do grep -qE "^$goal:" Makefile || missing+=" make $goal"; done
check "tests and make targets that the pages name exist:$missing" test -z "$missing"

# Messages: adjacent literals are joined, as the compiler does; the text between two … is searched for literally.
cat $(git ls-files 'src/*.c' 'src/*.h' 'src/*.def' 'mpi/*.c' launch 2>/dev/null || find src mpi launch -type f) | tr '\n' '\1' | sed 's/"[ \x01]*"//g' | tr '\1' '\n' >"$scratch/sources"
entries=0 gone=""
while IFS= read -r message; do
  entries=$((entries + 1))
  while IFS= read -r part; do
    [ -z "${part// /}" ] || grep -qF -- "$part" "$scratch/sources" || gone+=$'\n'"    $part"
  done < <(sed 's/…/\n/g' <<<"$message")
done < <(sed -n 's/^| `\(.*\)` | .*/\1/p' docs/troubleshooting.md)
check "the messages of docs/troubleshooting.md ($entries) are in the sources:$gone" test -z "$gone" -a "$entries" -gt 30

# Commands: `findna COMMAND ... --option` in code must have the options of that command's --help.
commands=$("$FINDNA" --help=words | cut -f1)
wrong="" seen=0
for page in README.md docs/tutorial.md docs/coming-from.md docs/pretraining.md docs/troubleshooting.md; do
  while read -r command rest; do
    seen=$((seen + 1))
    grep -qx -- "$command" <<<"$commands" || { wrong+=" $page:$command"; continue; }
    words=$({ "$FINDNA" "$command" --help=words; [ "$command" != prepare ] || "$FINDNA" prepare --table x --help=words; } | cut -f1)
    for option in $(grep -oE -- '--[a-z][a-z-]*' <<<" $rest"); do
      [ "$option" = --help ] || grep -qx -- "$option" <<<"$words" || wrong+=" $page:$command:$option"
    done
  done < <(grep -oE '(findna|launch/run( -n [0-9]+)?) [a-z]+( [^`#|]*)?' "$page" | grep -E "^(findna|launch/run( -n [0-9]+)?) ($(tr '\n' '|' <<<"$commands" | sed 's/|$//'))( |$)" | sed -E 's/^(findna|launch\/run( -n [0-9]+)?) //')
done
check "commands and options of the pages ($seen) exist:$wrong" test -z "$wrong" -a "$seen" -gt 30
