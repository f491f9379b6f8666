#!/usr/bin/env bash
# compare says what one model is to another, from weights or saved scans, and its exit status follows --fail-on.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
python3 - <<'PYTHON'
import json, random, struct

def write(path, tensors, dtype="F32"):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}{'f' if dtype == 'F32' else 'e'}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)

def single(value):  # rounded to float32
    return struct.unpack("<f", struct.pack("<f", value))[0]

def drawn(seed):
    stream = random.Random(seed)
    return {f"layers.{i}.{name}.weight": ([40, 24], [single(stream.gauss(0, 0.05)) for _ in range(960)]) for i in range(2) for name in ("up", "down")}

base = drawn(1)
stream = random.Random(7)
write("base.safetensors", base)
write("half.safetensors", base, "F16")
write("renamed.safetensors", {"module.model." + name: entry for name, entry in base.items()})
write("tuned.safetensors", {name: (shape, [v + stream.gauss(0, 0.002) for v in values]) for name, (shape, values) in base.items()})
write("other.safetensors", drawn(2))
def grid(values):
    scale = max(abs(v) for v in values) / 7
    return [scale * round(v / scale) for v in values]
write("quantized.safetensors", {name: (shape, [q for r in range(40) for q in grid(values[24 * r:24 * r + 24])]) for name, (shape, values) in base.items()})
def lora(name, values):
    if "up" not in name:
        return values
    a, b = [stream.gauss(0, 0.1) for _ in range(40)], [stream.gauss(0, 0.1) for _ in range(24)]
    return [v + a[i // 24] * b[i % 24] for i, v in enumerate(values)]
write("adapted.safetensors", {name: (shape, lora(name, values)) for name, (shape, values) in base.items()})
broken = {name: (shape, list(values)) for name, (shape, values) in base.items()}
broken["layers.1.up.weight"][1][5] = float("nan")
write("broken.safetensors", broken)
short = dict(base)
del short["layers.1.up.weight"]
write("short.safetensors", short)
PYTHON

for pair in "half:dtype cast" "renamed:identical" "tuned:fine-tune" "other:unrelated, same architecture" "quantized:quantized copy" "adapted:adapter-like"; do
    run 0 compare base.safetensors "${pair%%:*}.safetensors" --output out.json --csv out.csv
    [ "$(head -n 1 out)" = "${pair#*:}" ] || fail "${pair%%:*}: $(head -n 1 out), expected ${pair#*:}"
    [ ! -s err ] || fail "$(cat err)"
    fits_schema out.json compare
    [ "$(wc -l <out.csv)" -eq 5 ] || fail "$(wc -l <out.csv) lines in out.csv"
done

python3 - <<'PYTHON' || fail "what the JSON says of the adapter"
import json
r = json.load(open("out.json"))
assert r["relation"] == "adapter-like" and r["common_layers"] == 4, r["relation"]
layer = r["layer_comparisons"]["layers.0.up.weight"]
assert layer["relation"] == "low_rank_update" and layer["weights"]["difference"]["numerical_rank"] == 1, layer["relation"]
assert layer["weights"]["changed_percentage"] > 99 and len(layer["weights"]["channel_drift"]["channels"]) == 40
assert set(layer) >= {"mean_diff", "std_diff", "l2_norm_ratio", "max_abs_change", "spectral_diff"}
assert layer["figures"]["basic_stats.l2_norm"]["model1"] < layer["figures"]["basic_stats.l2_norm"]["model2"]
assert r["most_changed"] and all(".up." in name for name in r["most_changed"]), r["most_changed"]
PYTHON

# saved scans on one side or both
run 0 scan base.safetensors --output base.json --quiet
run 0 scan tuned.safetensors --output tuned.json --quiet
run 0 compare base.json tuned.json --output scans.json
prints "undecided" out
fits_schema scans.json compare
run 0 compare base.json base.json
prints "same figures" out
run 0 compare base.safetensors tuned.json
prints "saved scan of tuned.safetensors" out

# findings and the exit status
run 1 compare base.safetensors broken.safetensors --fail-on critical
prints "appeared_nonfinite" out
run 1 compare base.safetensors short.safetensors --fail-on warning
prints "removed" out
prints "Only in A: layers.1.up.weight" out
run 0 compare base.safetensors short.safetensors --fail-on critical
run 0 compare base.safetensors short.safetensors --fail-on warning --threshold removed.warning=none
echo '{"removed": {"warning": null, "info": 1}}' >limits.json
run 0 compare base.safetensors short.safetensors --fail-on warning --thresholds limits.json
run 1 compare base.safetensors tuned.safetensors --fail-on warning --threshold drift.warning=0.01
run 1 compare base.safetensors other.safetensors --fail-on warning
prints "unrelated" out
run 0 compare base.safetensors tuned.safetensors --include up --top 1 --output - --methods basic_stats
python3 -c '
import json
r = json.load(open("out"))
assert len(r["layer_comparisons"]) == 2 and "spectral.stable_rank" not in r["layer_comparisons"]["layers.0.up.weight"]["figures"]' || fail "--include and --methods"
run 0 compare base.safetensors tuned.safetensors --quiet
[ ! -s out ] || fail "--quiet printed something"
run 0 compare base.safetensors tuned.safetensors --charts charts
[ -s charts/layer_comparison.svg ] || fail "no chart"
rm -r charts

echo '{"nothing": {"warning": 1}}' >unknown.json
refuses 3 "unknown.json: nothing: names none of the rules appeared_nonfinite, removed, *" compare base.safetensors tuned.safetensors --thresholds unknown.json
echo '{"drift": {"fatal": 1}}' >unknown.json
refuses 3 "unknown.json: drift.fatal: is no level; expected info, warning or critical" compare base.safetensors tuned.safetensors --thresholds unknown.json
refuses 2 "--threshold: 'dead_rows.warning=1' names none of the rules appeared_nonfinite, *" compare base.safetensors tuned.safetensors --threshold dead_rows.warning=1
refuses 2 "base.safetensors: is one of the two that are compared; name another file for the result" compare base.safetensors tuned.safetensors --output base.safetensors
refuses 3 "nowhere: *" compare base.safetensors nowhere
refuses 2 "*B is required*" compare base.safetensors
refuses 2 "--include, --exclude and --restrict leave none of *; list them with: weightscope inspect base.safetensors" compare base.safetensors tuned.safetensors --include nothing
nothing_but {base,half,renamed,tuned,other,quantized,adapted,broken,short}.safetensors {base,tuned,scans,out,limits,unknown}.json out.csv
finish
