#!/usr/bin/env bash
# Ctrl-C, SIGTERM and a terminal that is closed end a scan at once and leave nothing behind.
set -u
set -m  # jobs of their own group, which do not ignore SIGINT
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

random_model slow.safetensors 20 2048

# interrupt SIGNAL  sends it once the scan is at work; its exit status lies in `status`
interrupt() {
    local job tries=0
    "$WEIGHTSCOPE" scan slow.safetensors --progress always --output scan.json >out 2>err &
    job=$!
    until grep -qs "layer" err || [ $((tries += 1)) -gt 300 ]; do
        sleep 0.1
    done
    SECONDS=0
    kill "-$1" "$job"
    wait "$job"
    status=$?
    [ "$SECONDS" -le 10 ] || fail "SIG$1: it took $SECONDS seconds"
    [ ! -s out ] || fail "SIG$1: printed $(head -n 1 out)"
    nothing_but slow.safetensors
}

interrupt INT
[ "$status" -eq 130 ] || fail "SIGINT: exit status $status, expected 130"
[ "$(grep -v '^\[' err)" = "weightscope: interrupted" ] || fail "SIGINT: $(tail -n 3 err)"
interrupt TERM
[ "$status" -eq 143 ] || fail "SIGTERM: exit status $status, expected 143"
[ "$(grep -v '^\[' err)" = "weightscope: terminated" ] || fail "SIGTERM: $(tail -n 3 err)"
interrupt HUP
[ "$status" -eq 129 ] || fail "SIGHUP: exit status $status, expected 129"
[ "$(grep -v '^\[' err)" = "weightscope: terminated" ] || fail "SIGHUP: $(tail -n 3 err)"

finish
