#!/usr/bin/env bash
# Real and malformed weight files, where WEIGHTSCOPE_TEST_MODELS names a folder that holds them.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
models=${WEIGHTSCOPE_TEST_MODELS:-}
if [ ! -d "$models" ]; then
    echo "skipped: WEIGHTSCOPE_TEST_MODELS names no folder"
    exit 77
fi
needs_python

shopt -s nullglob
for model in "$models"/*.safetensors "$models"/derived__llama2xs-bf16-sharded "$models"/quatricmorph-tiny-llama-2shard "$models"/malformed/*_ok.safetensors; do
    name=$(basename "$model" .safetensors)
    run 0 scan "$model" --output "$name.json"
    [ ! -s err ] || fail "$name: $(cat err)"
    fits_schema "$name.json" scan
    run 0 inspect "$model"
done
for model in "$models"/malformed/*.safetensors; do
    if [[ $model != *_ok.safetensors ]]; then
        refuses 3 "$model: byte *: *" scan "$model"
        refuses 3 "$model: byte *: *" inspect "$model"
    fi
done

python3 - <<'PYTHON' || fail "what the scans say"
import glob, json

def refuse(constant):
    raise ValueError(constant + " in JSON")

def load(name):
    for path in glob.glob(glob.escape(name) + ".json"):
        return json.load(open(path), parse_constant=refuse)

def findings(scan, *levels):
    return [(f["layer"], f["rule"]) for level in levels or ("critical", "warning", "info") for f in scan["health"][level]]

for path in glob.glob("*.json"):
    load(path.removesuffix(".json"))

if scan := load("intel__auto-round__hadamards"):
    assert len(scan["layers"]) == 66
    for name, layer in scan["layers"].items():
        assert abs(layer["spectral"]["condition_number"] - 1) < 1e-9, (name, layer["spectral"])
    assert not findings(scan), findings(scan)
if scan := load("ollama__ollama__minicpm3-4b"):
    zero = {name for name, layer in scan["layers"].items() if layer["basic_stats"]["zeros_percentage"] == 100}
    assert zero and {layer for layer, rule in findings(scan) if rule == "all_zero"} == zero, zero
    assert all(scan["layers"][name]["spectral"]["condition_number"] is None for name in zero)
    assert all(scan["layers"][name]["spectral"]["condition_number_reason"] for name in zero)
    assert not [f for f in findings(scan) if f[1] != "all_zero"], findings(scan)
if scan := load("JunSuzukiJapan__tl__model_2digit_latest"):
    assert findings(scan, "critical", "warning") == [(None, "untrained")], findings(scan)
    assert scan["health"]["score"] == 39 and scan["health"]["recommendation"] == "do not deploy", scan["health"]["score"]
if scan := load("derived__llama2xs-f32-with-tied-lm_head"):
    assert findings(scan) == [("lm_head.weight", "tied_copy")], findings(scan)
    assert scan["layers"]["lm_head.weight"]["duplicate_of"] == "model.embed_tokens.weight"
if scan := load("st_nan_inf_subnormal_ok"):
    assert ("w", "nonfinite") in findings(scan, "critical"), findings(scan)

# one trained model in three formats: 16 bits round, and change nothing else
wide, half, brain = (load(name) for name in ("derived__llama2xs-f32-with-tied-lm_head", "derived__llama2xs-f16", "derived__llama2xs-bf16-sharded"))
if wide and half and brain:
    for scan, tolerance in ((half, 2e-3), (brain, 2e-2)):
        assert not findings(scan, "critical", "warning")
        for name, layer in scan["layers"].items():
            other = wide["layers"][name]
            assert layer["shape"] == other["shape"] and layer["parameters"] == other["parameters"], name
            assert abs(layer["basic_stats"]["l2_norm"] / other["basic_stats"]["l2_norm"] - 1) < tolerance, name
            if "spectral" in layer:
                assert abs(layer["spectral"]["max_singular_value"] / other["spectral"]["max_singular_value"] - 1) < tolerance, name
                assert abs(layer["quantization"]["sqnr_db"] - other["quantization"]["sqnr_db"]) < 0.5, name
PYTHON

finish
