#!/bin/sh
# Records what docker's client says: ./capture.sh COMMANDS > TRANSCRIPT
# COMMANDS has one command line of `docker trust` a line; `<text` at its end is piped in, \n for newlines.
# Runs in a copy of files/ with a fresh home; needs no daemon and no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^#' "$1" | while IFS= read -r line; do
    rm -rf "$work/files" "$work/home"
    mkdir -p "$work/home"
    cp -r "$here/files" "$work/files"
    chmod 600 "$work/files"/*
    cp "$work/files/ec.pem" "$work/files/open.pem"
    chmod 640 "$work/files/open.pem"
    mkdir -m 700 "$work/files/folder"
    input=
    case "$line" in *' <'*) input=${line##* <} ;; esac
    words=${line% <*}
    printf '$ %s\n' "$line"
    set +e
    (cd "$work/files" && printf "$input" | env -i HOME="$work/home" PATH="$PATH" sh -c "docker $words") >"$work/out" 2>"$work/err"
    code=$?
    set -e
    sed 's/^/[out] /' "$work/out" | sed "s#$work#/TMP#g"
    [ -z "$(tail -c1 "$work/out")" ] || echo '[no newline]'
    sed 's/^/[err] /' "$work/err" | sed "s#$work#/TMP#g"
    echo "[rc=$code]"
done
