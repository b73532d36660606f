# Completion of findna for fish. Reads the words from the program (findna COMMAND --help=words), so that they match the installed version.
function __findna_words # ARGUMENTS: words with their help
    findna $argv 2>/dev/null | while read -l -d \t word value help
        printf '%s\t%s\n' $word $help
    end
end
function __findna_command
    set -l words (commandline -opc)
    test (count $words) -gt 1; and echo $words[2]
end
function __findna_values # choices of the preceding option, or of section.key=
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l key $words[-1]
    set -l start ''
    if string match -q '*=*' -- $token
        set key (string replace -r '=.*' '=' -- $token)
        set start $key
    end
    begin
        findna (__findna_command) --help=words
        findna config --as words
    end 2>/dev/null | while read -l -d \t word value help
        test "$word" = "$key"; and string match -q '*|*' -- $value; and printf "$start%s\n" (string split '|' -- $value)
    end
end
complete -c findna -n 'test -z (__findna_command)' -f -a '(__findna_words --help=words)'
complete -c findna -n 'test -n (__findna_command)' -a '(__findna_words (__findna_command) --help=words)'
complete -c findna -n 'contains -- (__findna_command) pretrain finetune config doctor trace' -a '(__findna_words config --as words)'
complete -c findna -n 'test -n (__findna_command)' -a '(__findna_values)'
