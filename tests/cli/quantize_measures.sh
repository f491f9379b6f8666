#!/usr/bin/env bash
# quantize measures losses, spectra and activations, and compares conventions.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)
run_on=(--data "$sample/held_out.npy" --eval-samples 128 --batch-size 64)

# what would be measured, and nothing more
run 0 quantize "$sample" --scheme int8-per-channel --scheme int4-g32 --evaluate "${run_on[@]}" --plan
# two batches, for the model and two variants; one of the model's outputs was made for the plan
prints "plan: 11 forward passes (6 losses, 5 outputs)" out
grep -q "Recommended" out && fail "--plan went on"

# losses of variants, weights and activations, and spectra
run 0 quantize "$sample" --scheme int8-per-channel --scheme int4-g32 --scheme int3-g64 --scheme int2-g64 --evaluate --spectrum --angles 4 --activations int8-asym \
    --calibration-samples 500 --observer min_max,mse "${run_on[@]}" --output study.json --csv study.csv
[ ! -s err ] || fail "quantize printed on stderr: $(cat err)"
for text in "the model as it is" "rank correlation of SQNR and change of the loss over 4 variants: -1.00" "spectrum, median of layers" \
    "spectral error by scheme" "activations as int8 asymmetric, 36 layers, from 500 tokens; the * is best by loss" " with weights of int4-g32" \
    "Recommended: int4-g32" "whose measured loss rises by at most 0.01"; do
    prints "$text" out
done
fits_schema study.json quantize
python3 - <<'PYTHON' || fail "study.json and study.csv"
import csv, json, math

def refuse(constant):
    raise ValueError(constant + " in JSON")

study = json.load(open("study.json"), parse_constant=refuse)
before = study["evaluation"]["before"]
assert abs(before["perplexity"] - math.exp(before["loss"])) < 1e-9
losses = [v["quality"]["loss"] for v in study["variants"]]
assert losses == sorted(losses) and losses[0] >= before["loss"] - 1e-3, losses  # fewer bits, more loss
for v in study["variants"]:
    q = v["quality"]
    assert abs(q["loss"] - before["loss"] - q["loss_change"]) < 1e-9
    assert 0 <= q["top1_agreement"] <= 1 and q["kl_divergence"] >= 0
assert study["variants"][0]["quality"]["top1_agreement"] > 0.95
assert study["variants"][3]["quality"]["kl_divergence"] > 10 * study["variants"][0]["quality"]["kl_divergence"]
chosen = [v["name"] for v in study["variants"] if v["quality"]["loss_change"] <= 0.01]
sizes = {v["name"]: v["bytes"] for v in study["variants"]}
assert study["recommended"] == min(chosen, key=lambda name: sizes[name])
assert study["evaluation"]["losses"] == 2 * 5 and study["evaluation"]["outputs"] == 1 + 2 * 4
for name, layer in study["layers"].items():
    for scheme in layer.get("schemes", {}).values():
        spectrum = scheme["spectrum"]
        # the spectral norm of the error is at most its Frobenius norm, and of the weights at least Frobenius / sqrt(stable rank)
        limit = scheme["relative_error"] * math.sqrt(spectrum["stable_rank"])
        assert 0 < spectrum["relative_spectral_error"] <= limit * (1 + 1e-3), (name, spectrum, limit)
        assert spectrum["angle_count"] == 4 and 0 <= spectrum["largest_angle"] <= 90
activations = study["activations"]
assert activations["bits"] == 8 and not activations["symmetric"] and len(activations["layers"]) == 5 * 7 + 1
assert [t["observer"] for t in activations["trials"]] == ["min_max", "mse"]
for layer in activations["layers"].values():
    assert layer["samples"] == 500
    assert layer["observers"]["min_max"]["low"] <= layer["min"] + abs(layer["observers"]["min_max"]["scale"])
    assert layer["observers"]["min_max"]["clipped_fraction"] < 1e-3  # the zero point is a whole number: an end may lie half a step outside
    assert layer["observers"]["mse"]["sqnr_db"] >= layer["observers"]["min_max"]["sqnr_db"] - 1e-9
assert activations["together"]["variant"] == study["recommended"]
rows = list(csv.DictReader(open("study.csv")))
whole = [r for r in rows if not r["layer"]]
assert [float(r["loss"]) for r in whole] == losses and all(r["relative_spectral_error"] == "" for r in whole)
layers = [r for r in rows if r["layer"] and r["scheme"]]
assert layers and all(r["loss"] == "" and float(r["relative_spectral_error"]) > 0 for r in layers)
PYTHON

# tokens with a scale each, without losses
run 0 quantize "$sample" --scheme int8-per-channel --activations int4-per-token "${run_on[@]}" --output tokens.json
fits_schema tokens.json quantize
prints "activations as int4 per token, 36 layers" out
python3 - <<'PYTHON' || fail "tokens.json"
import json
study = json.load(open("tokens.json"))
assert [t["observer"] for t in study["activations"]["trials"]] == ["per_token"] and "evaluation" not in study
PYTHON

# a limit of the loss that nothing keeps
run 0 quantize "$sample" --scheme int2-g64 --evaluate --max-loss-increase 0.001 "${run_on[@]}"
prints "no variant keeps the rise of the measured loss within 0.001, and this one's rises least: by " out

# a program that runs the model: its loss is the mean square of the first tensor that it finds
cat >program.py <<'PYTHON'
import json, struct, sys
path = sys.stdin.readline().split(" ", 2)[2].strip()
print("batches 1", flush=True)
for line in sys.stdin:
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    begin, end = header["model.layers.0.mlp.up_proj.weight"]["data_offsets"]
    values = [struct.unpack("<f", b"\0\0" + data[8 + length + i:8 + length + i + 2])[0] for i in range(begin, end, 2)]
    print(sum(v * v for v in values), len(values), flush=True)
PYTHON
run 0 quantize "$sample" --scheme int4-g32 --scheme int2-g32 --evaluate --evaluator "python3 program.py" --output program.json
fits_schema program.json quantize
python3 - <<'PYTHON' || fail "program.json"
import json
study = json.load(open("program.json"))
for v in study["variants"]:
    assert v["quality"]["kl_divergence"] is None and v["quality"]["kl_divergence_reason"] == "no outputs"
    assert v["quality"]["loss_change"] != 0
PYTHON

# a program that shows what enters its layers: rows 0.5 j and -j, and one more that does not count
cat >shows.py <<'PYTHON'
import json, struct, sys
sys.stdin.readline()
print("batches 1 activations", flush=True)
name = "model.layers.0.mlp.up_proj.weight"
rows = [[0.5 * j for j in range(96)], [-1.0 * j for j in range(96)], [1e6] * 96]
for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    if question == "loss":
        print(1, 1, flush=True)
        continue
    header = {name: {"dtype": "F32", "shape": [3, 96], "data_offsets": [0, 1152]}, name + ".rows": {"dtype": "U8", "shape": [3], "data_offsets": [1152, 1155]}}
    text = json.dumps(header).encode()
    open(rest[0].strip(), "wb").write(struct.pack("<Q", len(text)) + text + b"".join(struct.pack("<96f", *r) for r in rows) + bytes([1, 1, 0]))
    print(1, flush=True)
PYTHON
run 0 quantize "$sample" --scheme int8-per-channel --evaluate --activations int8-asym --observer min_max --evaluator "python3 shows.py" --output shows.json
fits_schema shows.json quantize
prints "activations as int8 asymmetric, 1 layer, from 2 tokens; the * is best by median SQNR" out
python3 - <<'PYTHON' || fail "shows.json"
import json
study = json.load(open("shows.json"))
layer = study["activations"]["layers"]["model.layers.0.mlp.up_proj.weight"]
assert (layer["min"], layer["max"], layer["samples"], layer["largest_channel"]) == (-95, 47.5, 2, 95), layer
code = layer["observers"]["min_max"]
assert abs(code["scale"] - 142.5 / 255) < 1e-7  # scales are floats
assert "quality" not in study["activations"]["trials"][0] and "together" not in study["activations"]
assert "losses with quantized activations are not measured: a program cannot have them replaced" in study["evaluation"]["notes"]
PYTHON

# conventions beside each other
run 0 quantize "$sample" --diff int4-g32 int4-g32-full int4-g32-asym --output diff.json --csv diff.csv
fits_schema diff.json quantize_diff
for text in "35 layers under 3 schemes" "codes -7 to 7 against -8 to 7; scale max|w| / 7 against max|w| / 7.5" "group furthest apart"; do
    prints "$text" out
done
python3 - <<'PYTHON' || fail "diff.json and diff.csv"
import csv, json
diff = json.load(open("diff.json"))
assert [s["name"] for s in diff["schemes"]] == ["int4-g32", "int4-g32-full", "int4-g32-asym"]
rows = list(csv.DictReader(open("diff.csv")))
compared = [r for r in rows if r["second_scheme"]]
assert len(compared) == 2 * 35 and len(rows) == 2 * 35 + sum("kept" in layer for layer in diff["layers"].values())
for name, layer in diff["layers"].items():
    for d in layer.get("differences", []):
        assert abs(d["second_sqnr_db"] - d["first_sqnr_db"] - d["change_db"]) < 1e-9
        assert 0 < d["differing_values"] <= d["weights"] and d["worst_group"]["differing_count"] > 0
        assert len(d["first_groups"]) == 5 and d["groups"] * 32 == d["weights"]
PYTHON

# what contradicts itself
refuses 2 "--evaluate runs the model; give --data, --text or --evaluator too" quantize "$sample" --evaluate
refuses 2 "--activations runs the model; give --data, --text or --evaluator too" quantize "$sample" --activations int8
refuses 2 "--data, --text and --evaluator say what to run the model on, and neither --evaluate nor --activations asks for that" quantize "$sample" "${run_on[@]}"
refuses 2 "--plan tells what --evaluate would cost, and that is not given" quantize "$sample" --plan
refuses 2 "--activations: 'int9' is no way to quantize activations; write it as int8, int8-per-token or int8-asym; see: *" quantize "$sample" --activations int9
refuses 2 "--activations: the program of --evaluator does not show what enters its layers; let it answer 'batches N activations', or use --data or --text" \
    quantize "$sample" --scheme int8-per-channel --activations int8 --evaluator "python3 program.py"
refuses 2 "--diff: int4-g32 alone has nothing to be compared with; name two schemes or more" quantize "$sample" --diff int4-g32
refuses 2 "--diff compares schemes and does nothing else; leave out *" quantize "$sample" --diff int4-g32,int4-g64 --spectrum
refuses 2 "--diff: no scheme is named 'four', *" quantize "$sample" --diff int4-g32,four
refuses 2 "--max-loss-increase: '-1' is no number of 0 or more; see: *" quantize "$sample" --max-loss-increase=-1
nothing_but diff.csv diff.json program.json program.py shows.json shows.py study.csv study.json tokens.json
finish
