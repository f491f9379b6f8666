#!/usr/bin/env bash
# example.sh SOURCE: runs the commands ("$ ...") that the header comment of SOURCE shows, indented, and compares what they
# print with what stands there; "..." stands for anything.
set -euo pipefail

shown=$(sed -n '/^\/\//!q; s/^\/\/     //p' "$1")
commands=$(sed -n 's/^\$ //p' <<<"$shown")
if [ -z "$commands" ]; then
    echo "$1: its header comment shows no command: //     \$ PROGRAM ARGUMENTS"
    exit 1
fi

printed=$(while read -r command; do
    echo "\$ $command"
    bash -c "$command" </dev/null 2>&1 || echo "(exit status $?)"
done <<<"$commands")

pattern=$(sed 's/[][*?\\]/\\&/g; s/\.\.\./*/g' <<<"$shown")
# shellcheck disable=SC2053  # a pattern
if [[ $printed != $pattern ]]; then
    diff --unified --label "shown in $1" --label printed <(echo "$shown") <(echo "$printed")
fi
