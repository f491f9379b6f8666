#!/usr/bin/env bash
# A file that shrinks during a scan costs the tensors that were in it, a shard that is missing or damaged what it holds: the others
# are written, and the exit status is 3.
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

# the shard is short from the start, and then gone
run 3 scan model --threads 1 --output damaged.json --methods basic_stats
[[ $(<err) == "weightscope: error: model: 1 shard is lost, 'model-00002-of-00002.safetensors': "*"; the result holds the others" ]] || fail "$(<err)"
prints "lost_shards" out
rm model/model-00002-of-00002.safetensors
run 3 scan model --output missing.json --methods basic_stats --fail-on critical
[[ $(<err) == "weightscope: error: model: 1 shard is lost, 'model-00002-of-00002.safetensors' is not there; the result holds the others" ]] || fail "$(<err)"
python3 - <<'PYTHON' || fail "missing.json"
import json
scan = json.load(open("missing.json"))
assert scan["model"]["lost_shards"] == ["'model-00002-of-00002.safetensors' is not there"], scan["model"]
assert [finding["rule"] for finding in scan["health"]["critical"]] == ["lost_shards"], scan["health"]
assert scan["health"]["score"] <= 39 and len(scan["layers"]) == 2
PYTHON
run 3 report missing.json    # a saved scan tells it too
prints "is not there" out
refuses 3 "model: the shard 'model-00002-of-00002.safetensors' is missing; download it as well" inspect model

finish
