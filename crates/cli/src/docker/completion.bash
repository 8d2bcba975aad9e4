# Completion of docker-trust for bash: source this file, or put it into ~/.local/share/bash-completion/completions/docker-trust.
_docker_trust() {
    local answer directive word="${COMP_WORDS[COMP_CWORD]}"
    answer=$("${COMP_WORDS[0]}" __completeNoDesc "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
    directive=${answer##*:}
    mapfile -t COMPREPLY < <(compgen -W "${answer%:*}" -- "$word")
    if ((${#COMPREPLY[@]} == 0)); then
        case $directive in
            0) compopt -o default ;;
            16) compopt -o dirnames ;;
        esac
    fi
}
complete -F _docker_trust docker-trust
