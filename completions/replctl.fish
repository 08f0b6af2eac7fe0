# fish completion for replctl, as `replctl completion fish` prints it
function __replctl_offers
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program replctl
    string match -q -- '*/replctl' $before[1]; and set program $before[1]
    set -l offers ($program __complete fish (math (count $before) - 1) $before[2..] "$current" </dev/null 2>/dev/null)
    switch $status
        case 0
            string join -- \n $offers
        case 4 5
            set -l typed (string match -r -- '^-[^=]*=' "$current")
            set -l paths (__fish_complete_path (string replace -- "$typed" '' "$current" | string trim -l -c '"\''))
            string join -- \n "$typed"$paths
    end
end
complete -c replctl -f -a '(__replctl_offers)'
