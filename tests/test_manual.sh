#!/usr/bin/env bash
# Tests that manual pages and completion cover the program: each option of each command, each key of a config.
source "$(dirname "$0")/lib.sh"
"$root/launch/manual" "$FINDNA" man || not_ok "the pages are made"
commands=$("$FINDNA" --help=words | cut -f1)
check "a page for each command" test "$(ls man/man1 | wc -l)" = $(($(wc -w <<<"$commands") + 1))
lacking=""
for command in $commands; do
  for option in $("$FINDNA" "$command" --help | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p'); do
    grep -qF "\\-\\-${option//-/\\-}" "man/man1/findna-$command.1" || lacking+=" $command:--$option"
    "$FINDNA" "$command" --help=words | cut -f1 | grep -qx -- "--$option" || lacking+=" words of $command:--$option"
  done
done
check "pages and words have every option of --help:$lacking" test -z "$lacking"
check "findna.yaml(5) has every key" test "$(grep -c '^\.B [a-z_]*\.[a-z_0-9]*$' man/man5/findna.yaml.5)" = "$("$FINDNA" config --as words | wc -l)"
check "docs/options.md has as many" test "$("$FINDNA" config --as words | wc -l)" = "$(grep -c '^| `[a-z_]*\.' "$root/docs/options.md")"
check "findna(1) has the exit codes of findna help exit-codes" diff <("$FINDNA" help exit-codes | awk '{ print $1 }') <(sed -n '/^.SH EXIT/,$ s/^\.B \([0-9]*\)$/\1/p' man/man1/findna.1)
check "and docs/exit-codes.md" diff <("$FINDNA" help exit-codes | sed 's/^ *\([0-9]*\)  /\1 /') <(sed -n 's/^| \([0-9]*\) | `FD_[A-Z]*` | \(.*\) |$/\1 \2/p' "$root/docs/exit-codes.md")
expect "an unknown form of help" 64 "expected --help, --help=text, --help=man or --help=words" "$FINDNA" knn --help=pdf
if command -v groff >/dev/null && groff -Tutf8 -man -z /dev/null 2>/dev/null; then
  check "man formats the pages without a warning" bash -c '! groff -Kutf8 -Tutf8 -man -ww -z man/man*/* 2>&1 | grep .'
else echo "skipped - formatting of the pages: groff is not installed"; fi

# complete.sh WORD...: the completions that bash offers for the last word
cat >complete.sh <<'E'
source "$1/launch/completion/findna.bash"
compopt() { :; }
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_findna
printf '%s\n' "${COMPREPLY[@]}"
E
offered() { bash complete.sh "$root" "$FINDNA" "$@"; }
mkdir -p runs/one; touch rows.tsv
check "bash: commands" test "$(offered pre | tr '\n' ' ')" = "prepare pretrain "
check "bash: options of a command" test "$(offered knn --nei)" = --neighbours
check "bash: values of an option" test "$(offered knn --features to)" = tokens
check "bash: keys of a config" test "$(offered pretrain optim.warm)" = optim.warmup=
check "bash: values of a key" test "$(offered pretrain model.encoder = mae)" = mae
check "bash: files" test "$(offered knn --train row)" = rows.tsv
check "bash: folders of runs" test "$(offered embed runs/o)" = runs/one
check "bash: topics of help" test "$(offered help exit)" = exit-codes
if command -v zsh >/dev/null; then check "zsh parses its file" zsh -n "$root/launch/completion/_findna"; else echo "skipped - completion of zsh: not installed"; fi
if command -v fish >/dev/null; then
  PATH=$(dirname "$FINDNA"):$PATH
  complete_fish() { fish -c "source '$root/launch/completion/findna.fish'; complete -C '$1'" | cut -f1; }
  check "fish: commands" test "$(complete_fish 'findna pre' | tr '\n' ' ')" = "prepare pretrain "
  check "fish: options" test "$(complete_fish 'findna knn --nei')" = --neighbours
  check "fish: values of a key" test "$(complete_fish 'findna pretrain model.encoder=mae' | head -1)" = model.encoder=mae
else echo "skipped - completion of fish: not installed"; fi
