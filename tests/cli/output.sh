#!/usr/bin/env bash
# Output files appear whole or not at all, and before anything else is done it is known whether they can.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
mkdir folder

run 0 scan m.safetensors --output scan.json --csv scan.csv
[ ! -s err ] || fail "a scan printed on stderr: $(cat err)"
prints "Health 39/100" out
nothing_but folder m.safetensors scan.csv scan.json
fits_schema scan.json scan
python3 - <<'PYTHON' || fail "scan.json"
import json

def refuse(constant):
    raise ValueError(constant + " in JSON")

scan = json.load(open("scan.json"), parse_constant=refuse)
assert scan["schema"] == "weightscope/scan/1", scan["schema"]
assert scan["model"]["path"] == "m.safetensors" and scan["model"]["tensors"] == 53, scan["model"]
assert len(scan["layers"]) == 53 and list(scan["layers"])[:2] == ["transformer.wte.weight", "transformer.wpe.weight"]
assert scan["settings"]["methods"] == ["basic_stats", "spectral", "quantization", "sparsity", "heavy_tail"], scan["settings"]
assert scan["layers"]["transformer.h.3.attn.c_attn.weight"]["basic_stats"]["nan_count"] == 3
assert scan["layers"]["lm_head.weight"]["duplicate_of"] == "transformer.wte.weight"
assert "spectral" not in scan["layers"]["transformer.h.0.ln_1.weight"]
PYTHON
[ "$(wc -l <scan.csv)" -eq 54 ] || fail "scan.csv has $(wc -l <scan.csv) lines, expected one per tensor and a heading"

# stdout carries one thing
run 0 scan m.safetensors --output -
python3 -m json.tool out >/dev/null || fail "--output - printed no JSON alone"
run 0 scan m.safetensors --csv - --output again.json
[[ $(head -c 5 out) == name, && $(wc -l <out) -eq 54 ]] || fail "--csv - printed no table alone"
run 0 scan m.safetensors --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
rm again.json

# the file that was there stays until the new one is whole, and a link is followed
echo before >folder/target.json
ln -s folder/target.json link.json
run 0 scan m.safetensors --quiet --methods basic_stats --output link.json
[[ -L link.json && $(python3 -m json.tool folder/target.json) == *schema* ]] || fail "a link was replaced, not followed"
rm link.json folder/target.json

# known before the scan: nothing is read, so that a model that is missing too is not what is told
refuses 4 "missing/scan.json: cannot be written: *; create its folder first" scan nowhere.safetensors --output missing/scan.json
refuses 4 "folder: is a folder; name a file in it" scan nowhere.safetensors --output folder
refuses 4 "missing/scan.csv: cannot be written: *" inspect nowhere.safetensors --csv missing/scan.csv
refuses 4 "m.safetensors/scan.json: cannot be written: *" scan nowhere.safetensors --output m.safetensors/scan.json
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w folder
    refuses 4 "folder/scan.json: cannot be written: *; choose a folder that you may write to" scan nowhere.safetensors --output folder/scan.json
    chmod u+w folder
fi
refuses 2 "m.safetensors: is the model itself; name another file for the result" scan m.safetensors --output m.safetensors
refuses 2 "folder/../m.safetensors: is the model itself; name another file for the result" inspect m.safetensors --csv folder/../m.safetensors
if [ -w /dev/full ]; then
    refuses 4 "/dev/full: cannot be written: *" scan m.safetensors --output /dev/full
    status=0
    "$WEIGHTSCOPE" inspect m.safetensors >/dev/full 2>err || status=$?
    [ "$status" -eq 4 ] || fail "a full disk behind stdout: exit status $status, expected 4"
    prints "weightscope: error: standard output: cannot be written: " err
fi
nothing_but folder m.safetensors scan.csv scan.json
[ -z "$(ls -A folder)" ] || fail "something was left in the folder: $(ls -A folder)"

# nobody reads any more, or ever did
"$WEIGHTSCOPE" scan m.safetensors 2>err | head -n 1 >out
[[ ${PIPESTATUS[0]} -eq 0 && ! -s err ]] || fail "scan | head: no exit status 0, or $(cat err)"
[[ $(cat out) == "Health 39/100"* ]] || fail "scan | head printed '$(cat out)'"
"$WEIGHTSCOPE" inspect m.safetensors 2>err | true
[[ ${PIPESTATUS[0]} -eq 0 && ! -s err ]] || fail "inspect | true: no exit status 0, or $(cat err)"
status=0
"$WEIGHTSCOPE" scan m.safetensors --output scan.json 2>err >&- || status=$?
[[ $status -eq 0 && ! -s err ]] || fail "closed stdout: exit status $status, $(cat err)"
python3 -m json.tool scan.json >/dev/null || fail "closed stdout: what was meant for it went into a file"

# a limit on the size of files is told, and costs no file that was there
cp scan.json before.json
status=0
(
    ulimit -f 1
    exec "$WEIGHTSCOPE" scan m.safetensors --quiet --output scan.json 2>err
) || status=$?
[[ $status -eq 4 && $(cat err) == "weightscope: error: scan.json: cannot be written: File too large; raise the limit on the size of files: ulimit -f unlimited" ]] || fail "ulimit -f: exit status $status, $(cat err)"
cmp scan.json before.json || fail "ulimit -f: the file that was there is gone"
[ -z "$(find . -name '.weightscope-*')" ] || fail "ulimit -f: a temporary file is left"

# no colours but on a terminal
run 0 scan m.safetensors
if grep -q $'\x1b' out; then
    fail "colours in a file"
fi

finish
