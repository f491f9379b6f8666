#!/usr/bin/env bash
# A file that shrinks during a scan costs the tensors that were in it: the others are written, and the exit status is 3.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

mkdir model
random_model model/model-00001-of-00002.safetensors 2 1536 whole
random_model model/model-00002-of-00002.safetensors 2 2048 cut
"$WEIGHTSCOPE" scan model --progress always --threads 1 --output scan.json >out 2>err &
job=$!
tries=0
until grep -qs "weight" err || [ $((tries += 1)) -gt 300 ]; do
    sleep 0.1
done
truncate -s 1000000 model/model-00002-of-00002.safetensors
status=0
wait "$job" || status=$?
[ "$status" -eq 3 ] || fail "exit status $status, expected 3"
message=$(grep -v '^\[' err)
# a tensor that was done before the file shrank is not lost
[[ $message == "weightscope: error: model: "[12]" of 4 tensors could not be analysed, 'cut."[01]".weight' first: model/model-00002-of-00002.safetensors: "*"; the result holds the others" ]] \
    || fail "'$message'"
prints "unreadable" out
python3 - <<'PYTHON' || fail "scan.json"
import json
layers = json.load(open("scan.json"))["layers"]
lost = [name for name, layer in layers.items() if "error" in layer]
assert lost and all(name.startswith("cut.") for name in lost), lost
assert all(("basic_stats" in layer) != (name in lost) for name, layer in layers.items())
assert len(layers) == 4
PYTHON

finish
