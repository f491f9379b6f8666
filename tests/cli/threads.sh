#!/usr/bin/env bash
# Any number of threads gives the same element statistics, bit for bit, the same verdict, and spectra that agree.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
for threads in 1 2 3; do
    run 0 scan m.safetensors --threads $threads --output $threads.json --csv $threads.csv
done
python3 - <<'PYTHON' || fail "the number of threads shows"
import json

def near(a, b, path):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            near(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            near(x, y, f"{path}[{i}]")
    elif isinstance(a, float) and isinstance(b, float):
        # the condition number of the near-singular layer is a ratio of 8e8: its error is that of sigma_min, 1e-16 of sigma_max
        smallest = any(name in path for name in ("min_singular", "condition_number", "singular_value_ratio"))
        assert abs(a - b) <= (1e-6 if smallest else 1e-9) * max(abs(a), abs(b)), (path, a, b)
    else:
        assert a == b, (path, a, b)

one = json.load(open("1.json"))
assert one["environment"]["threads"] == 1
for threads in (2, 3):
    other = json.load(open(f"{threads}.json"))
    assert other["environment"]["threads"] == threads, other["environment"]
    assert list(one["layers"]) == list(other["layers"]), "order"
    for name, layer in one["layers"].items():
        for method in ("basic_stats", "quantization", "sparsity"):
            assert layer[method] == other["layers"][name][method], (name, method)
        near(layer.get("spectral"), other["layers"][name].get("spectral"), name)
    near(one["health"], other["health"], "health")
PYTHON

finish
