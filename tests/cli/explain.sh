#!/usr/bin/env bash
# explain knows every field of a scan and every rule, and suggests names where it does not know one.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

run 0 explain stable_rank
prints "spectral.stable_rank  (field)" out
prints "  formula  Σσ² / σ_max²" out
prints "arXiv:math/0503442" out
run 0 explain dead_rows outliers
prints "dead_rows  (rule)" out
prints "outliers  (rule)" out
run 0 explain soft_rank
[ "$(grep -c '(field)' out)" -eq 3 ] || fail "soft_rank: $(grep '(field)' out)"
run 0 explain
prints "basic_stats.mean" out
prints "appeared_nonfinite" out
run 0 explain --output all.json --quiet
[ ! -s out ] || fail "--quiet printed something"
fits_schema all.json explain

# whatever a scan and a verdict hold is explained
"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --include 'h[.]0|wpe|ln_f' --output scan.json --quiet
python3 - <<'PYTHON' || fail "something is not explained"
import json

known = {e["name"] for e in json.load(open("all.json"))["entries"]}
scan = json.load(open("scan.json"))

def names(value, prefix):
    for key, part in value.items():
        if isinstance(part, dict) and key != "layers":
            yield from names(part, prefix + key + ".")
        elif not key.endswith("_reason"):
            yield prefix + key

for layer in scan["layers"].values():
    for name in names(layer, ""):
        assert name in known, name
for part in ("model", "settings", "environment"):
    for name in names(scan[part], part + "."):
        assert name in known, name
for rule in scan["health"]["rules"]:
    assert rule["id"] in known, rule["id"]
PYTHON

refuses 2 "no field and no rule is named 'stabel_rank'; near it are spectral.stable_rank*; all are listed by: weightscope explain" explain stabel_rank
refuses 2 "no field and no rule is named 'qqqqqqqqq'; all are listed by: weightscope explain" explain qqqqqqqqq
nothing_but m.safetensors scan.json all.json
finish
