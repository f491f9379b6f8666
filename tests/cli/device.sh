#!/usr/bin/env bash
# scan --device: the CPU unless told otherwise; CUDA where the build and the machine have it, and one clear line where they do not.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan --help
prints "--device" out
refuses 2 "--device: 'gpu' is none of cpu, cuda; see: weightscope scan --help" scan m.safetensors --device gpu

run 0 scan m.safetensors --device cpu --quiet --output cpu.json
prints '"cuda": null,' cpu.json
prints '"cuda_reason": "not used"' cpu.json
fits_schema cpu.json scan

# a saved scan keeps the device that took part
sed 's/"cuda": null,/"cuda": "A device (sm_90): 7 of 9 tensors"/; /"cuda_reason"/d' cpu.json >saved.json
run 0 report saved.json --quiet --output again.json --html page.html
prints '"cuda": "A device (sm_90): 7 of 9 tensors"' again.json
prints "A device (sm_90): 7 of 9 tensors" page.html
fits_schema again.json scan

status=0
"$WEIGHTSCOPE" scan m.safetensors --device cuda --quiet --output cuda.json >out 2>err </dev/null || status=$?
if [ "$status" -eq 0 ]; then
    fits_schema cuda.json scan
    grep -q '"cuda": ".* of [0-9]* tensors' cuda.json || fail "cuda.json does not name the device"
    python3 - cpu.json cuda.json <<'PYTHON' || fail "the device has other figures than the CPU"
import json
import sys

cpu, cuda = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:])
assert list(cpu["layers"]) == list(cuda["layers"])
for name, layer in cpu["layers"].items():
    for part in ("magnitude_percentiles", "sparsity_levels", "structured_sparsity"):
        assert layer.get("sparsity", {}).get(part) == cuda["layers"][name].get("sparsity", {}).get(part), (name, part)
PYTHON
elif grep -q 'this build has no CUDA' err; then
    refuses 2 "--device: this build has no CUDA; one that has it: cmake --preset cuda && cmake --build --preset cuda" scan m.safetensors --device cuda
    refuses 2 "--device: this build has no CUDA; *" scan missing.safetensors --device cuda
    nothing_but m.safetensors cpu.json saved.json again.json page.html
else
    refuses 2 "--device: there is no CUDA device that can be used here; leave it out to scan on the CPU" scan m.safetensors --device cuda
    nothing_but m.safetensors cpu.json saved.json again.json page.html
fi

finish
