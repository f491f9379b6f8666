#!/usr/bin/env bash
# Each illness of the sample is named once, with its remedy, and nothing else is; --fail-on, --preset and --threshold do what they say.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output scan.json
python3 - <<'PYTHON' || fail "the verdict on the sample"
import json

health = json.load(open("scan.json"))["health"]
found = [(level, f["layer"].removeprefix("transformer."), f["rule"]) for level in ("critical", "warning", "info") for f in health[level]]
expected = [
    ("critical", "h.2.mlp.c_proj.weight", "low_rank"),
    ("critical", "h.3.attn.c_attn.weight", "nonfinite"),
    ("warning", "wpe.weight", "outliers"),
    ("warning", "h.0.mlp.c_fc.weight", "dead_rows"),
    ("warning", "h.1.attn.c_proj.weight", "near_singular"),
    ("info", "lm_head.weight", "tied_copy"),
]
assert found == expected, found
assert all(f["message"] and f["remedy"] for level in ("critical", "warning", "info") for f in health[level])
assert health["score"] == 39 and health["grade"] == "Critical" and health["recommendation"] == "do not deploy", health["score"]
PYTHON
for text in low_rank nonfinite outliers dead_rows near_singular tied_copy "Health 39/100, Critical: do not deploy"; do
    prints "$text" out
done

run 1 scan m.safetensors --fail-on critical
prints "Health 39/100" out
run 1 scan m.safetensors --fail-on warning --quiet
run 0 scan m.safetensors --fail-on never
run 0 scan m.safetensors --fail-on critical --include wpe      # a warning only
run 1 scan m.safetensors --fail-on warning --include wpe
run 0 scan m.safetensors --fail-on warning --include wpe --threshold outliers.warning=5
prints "0 critical findings, 0 warnings" out
run 1 scan m.safetensors --fail-on critical --include wpe --threshold outliers.critical=2.5
run 0 scan m.safetensors --fail-on warning --include wpe --threshold outliers.warning=none
run 0 scan m.safetensors --preset classic --fail-on critical --include wpe
run 1 scan m.safetensors --preset classic --fail-on critical --restrict h.1.attn.c_proj
prints "condition_number" out

run 0 scan m.safetensors --methods basic_stats --top-issues 0
prints "Not judged, for lack of figures" out
run 0 scan m.safetensors --methods spectral --methods sparsity --include c_fc --output some.json
run 0 scan m.safetensors --bits 4 --group-size 64 --include c_fc --output other.json
python3 - <<'PYTHON' || fail "the settings"
import json

some, other = json.load(open("some.json")), json.load(open("other.json"))
assert some["settings"]["methods"] == ["spectral", "sparsity"] and some["settings"]["include"] == ["c_fc"], some["settings"]
assert len(some["layers"]) == 8 and some["model"]["tensors"] == 53
layer = some["layers"]["transformer.h.0.mlp.c_fc.weight"]
assert layer["transposed"] and layer["sparsity"]["structured_sparsity"]["dead_rows"] == 12 and "basic_stats" not in layer
q = other["layers"]["transformer.h.0.mlp.c_fc.weight"]["quantization"]
assert q["bits"] == 4 and q["group_size"] == 64, q
PYTHON
run 0 scan m.safetensors --orientation out_in --include h.0.mlp.c_fc.weight --csv -
prints "dead_columns" out
[ "$(tail -n 1 out | cut -d, -f 5)" = false ] || fail "--orientation out_in turned a matrix"

finish
