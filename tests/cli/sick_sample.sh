#!/usr/bin/env bash
# sick_sample writes the same bytes on every machine, says what it planted, and refuses wrong usage in one line.
set -euo pipefail

fail() {
    echo "$1"
    exit 1
}

"$SICK_SAMPLE" sample.safetensors >planted
[ "$(wc -l <planted)" -eq 6 ] || fail "expected six planted illnesses: $(cat planted)"
sum=$(sha256sum sample.safetensors)
[ "${sum%% *}" = 7aa39e5099f00c9a62623b090647b22cd3b2b78bb927a4ff9c43944a335665e8 ] \
    || fail "the sample changed, and with it tests/reference/sick_sample.csv: $sum"

status=0
message=$("$SICK_SAMPLE" 2>&1 >/dev/null) || status=$?
[ "$status" -eq 2 ] || fail "no argument: exit status $status, expected 2"
[ "$message" = "sick_sample: error: expected one argument; usage: sick_sample OUT.safetensors" ] || fail "$message"

status=0
message=$("$SICK_SAMPLE" missing/sample.safetensors 2>&1 >/dev/null) || status=$?
[ "$status" -eq 4 ] || fail "no such folder: exit status $status, expected 4"
[[ $message == "sick_sample: error: missing/sample.safetensors: "* ]] || fail "$message"
