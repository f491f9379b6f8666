#!/usr/bin/env bash
# Progress is a line on a terminal, nothing in a pipe, and plain lines where they are asked for.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
for mode in auto never; do
    run 0 scan m.safetensors --progress $mode
    [ ! -s err ] || fail "--progress $mode printed to a file: $(cat err)"
done
run 0 scan m.safetensors --progress always --quiet
[ ! -s err ] || fail "--quiet left the progress: $(cat err)"
run 0 scan m.safetensors --progress always
last=$(tail -n 1 err)
[[ $last == "[####################] 100 %  52/52  "* ]] || fail "--progress always ended with '$last'"
if grep -q $'\r' err; then
    fail "--progress always overwrites its line in a file"
fi

# on a terminal of 60 columns, where the system can give one
if script -qec true /dev/null >/dev/null 2>&1 && python3 -c '' 2>/dev/null; then
    random_model slow.safetensors 4 1024
    COLUMNS=60 TERM=xterm script -qec "'$WEIGHTSCOPE' scan slow.safetensors --progress auto" /dev/null >screen </dev/null
    tr '\r' '\n' <screen >lines
    grep -q '^\[[#.]*\] .* %  [0-9]/4  layer\.[0-3]\.weight' lines || fail "no progress line on a terminal: $(head -c 500 lines)"
    [ "$(grep '^\[[#.]' lines | wc -L)" -lt 60 ] || fail "a progress line is too long"
    COLUMNS=60 TERM=xterm script -qec "'$WEIGHTSCOPE' scan m.safetensors --progress never" /dev/null >screen </dev/null
    grep -q $'\x1b\\[' screen || fail "no colours on a terminal"
    COLUMNS=60 TERM=xterm NO_COLOR=1 script -qec "'$WEIGHTSCOPE' scan m.safetensors --progress never" /dev/null >screen </dev/null
    grep -q $'\x1b' screen && fail "colours although NO_COLOR is set"
    COLUMNS=60 TERM=dumb script -qec "'$WEIGHTSCOPE' scan m.safetensors --progress never" /dev/null >screen </dev/null
    grep -q $'\x1b' screen && fail "colours on a terminal that knows none"
    [ "$(tr -d '\r' <screen | wc -L)" -le 60 ] || fail "the report is wider than the terminal"
fi

finish
