# bash completion for replctl, as `replctl completion bash` prints it
_replctl() {
    local program=replctl offers IFS=$'\n'
    if [[ $1 == */replctl ]]; then program=${1/#\~\//$HOME/}; fi
    COMPREPLY=()
    offers=$("$program" __complete bash "$COMP_WORDBREAKS" \
        "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" </dev/null 2>/dev/null)
    case $? in
        0) COMPREPLY=($offers) ;;
        4) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$2")) ;;
        5) compopt -o dirnames 2>/dev/null || COMPREPLY=($(compgen -d -- "$2")) ;;
    esac
}
complete -F _replctl replctl
