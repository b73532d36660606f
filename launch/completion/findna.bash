# Completion of findna for bash. Reads the words from the program (findna COMMAND --help=words), so that they match the installed version.
_findna_words() { "${COMP_WORDS[0]}" "$@" 2>/dev/null; }
# _findna_values PLACEHOLDER WORD: completes WORD by choices or by file names
_findna_values() {
  case $1 in
    *'|'*) COMPREPLY=($(compgen -W "${1//|/ }" -- "$2")) ;;
    FOLDER | RUN | OUTPUT) compopt -o filenames; COMPREPLY=($(compgen -d -- "$2")) ;;
    N | X | TEXT | '') ;;
    *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$2")) ;;
  esac
}
_findna() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} key
  COMPREPLY=()
  # bash splits words at '=', into section.key, = and value
  if [ "$before" = = ]; then key=${COMP_WORDS[COMP_CWORD - 2]} before=; elif [ "$word" = = ]; then key=$before word= before=; fi
  if [ -n "${key-}" ]; then
    _findna_values "$({ _findna_words config --as words; _findna_words "$command" --help=words; } | awk -F '\t' -v k="$key" '$1 == k || $1 == k "=" { print $2; exit }')" "$word"
  elif [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "$(_findna_words --help=words | cut -f1) help" -- "$word"))
  elif [ "$command" = help ]; then
    COMPREPLY=($(compgen -W "$(_findna_words --help=words | cut -f1) exit-codes" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$(_findna_words "$command" --help=words | cut -f1) --help" -- "$word"))
  elif [[ $before == --* ]] && key=$(_findna_words "$command" --help=words | awk -F '\t' -v k="$before" '$1 == k { print $2; exit }') && [ -n "$key" ]; then
    _findna_values "$key" "$word"
  else
    case $command in
      pretrain | finetune | config | doctor | trace)
        COMPREPLY=($(compgen -W "$(_findna_words config --as words | cut -f1)" -- "$word"))
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace ;;
    esac
    if [ ${#COMPREPLY[@]} = 0 ]; then compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")); fi
  fi
}
complete -F _findna findna
