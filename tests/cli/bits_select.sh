#!/usr/bin/env bash
# bits select chooses weights from a file alone, with gradients of a model, of a file, and by differences.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)
run_it=(--data "$sample/held_out.npy" --predict-after 31 --batch-size 8 --num-val-batches 1)

# the file alone
run 0 bits select "$sample" --output alone.json --csv alone.csv --top-issues 3
prints "47 of 495,744 weights in 47 tensors, by flip_size; bits: exponent_sign" out
prints "and 44 more" out
fits_schema alone.json bits_select
run 0 bits select "$sample" --weight-selection-method magnitude --restrict layers.1.,norm --per-tensor-k 2 --top-w 5 --output - --quiet
cp out magnitude.json
fits_schema magnitude.json bits_select

# with the model's gradients, and what it costs
run 0 bits select "$sample" "${run_it[@]}" --output gradients.json
prints "plan: choosing weights takes 0 losses and 1 gradients of a batch" out
prints "by flip_aware with gradients from the evaluator" out
run 0 bits select "$sample" "${run_it[@]}" --plan-only
[ "$(wc -l <out)" -eq 1 ] || fail "--plan-only did more than plan"
fits_schema gradients.json bits_select
python3 - <<'PYTHON' || fail "what was chosen"
import csv, json
alone, magnitude, gradients = (json.load(open(f + ".json")) for f in ("alone", "magnitude", "gradients"))
table = list(csv.DictReader(open("alone.csv")))
assert [(r["name"], int(r["flat"])) for r in table] == [(c["name"], c["flat"]) for c in alone["candidates"]]
assert alone["meta"]["gradient_source"] is None and all(c["gradient"] is None for c in alone["candidates"])
assert len({c["name"] for c in alone["candidates"]}) == 47
assert len(magnitude["candidates"]) == 5 and all("layers.1." in c["name"] or "norm" in c["name"] for c in magnitude["candidates"])
assert magnitude["meta"]["restrict"] == ["layers.1.", "norm"]
assert gradients["meta"]["num_val_batches"] == 1 and gradients["gradients"] == 1 and gradients["losses"] == 0
for document in (alone, magnitude, gradients):
    scores = [c["score"] for c in document["candidates"]]
    assert scores == sorted(scores, reverse=True), document["meta"]["selection_method"]
    assert sum(document["flips"].values()) in (0, 9 * document["weights"])  # bits 7 to 15 of BF16
PYTHON

# gradients from a file
python3 - "$sample" <<'PYTHON' || fail "the file of gradients"
import json, struct, sys
with open(sys.argv[1] + "/model.safetensors", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
name = "model.norm.weight"
count = header[name]["shape"][0]
text = json.dumps({name: {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
open("g.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + struct.pack(f"<{count}f", *[0.0] * 7 + [2.0] + [0.0] * (count - 8)))
PYTHON
run 0 bits select "$sample" --gradients g.safetensors --restrict model.norm --weight-selection-method gradient --output - --quiet
python3 -c '
import json
c = json.load(open("out"))["candidates"]
assert len(c) == 1 and c[0]["flat"] == 7 and c[0]["score"] == 2 and c[0]["gradient"] == 2, c' || fail "gradients from a file"

# what cannot be done
refuses 2 "options.outside_w draws from the whole model, which a shard is not; draw without shards" \
    bits select "$sample" --outside-w 3 --shard 0/2
refuses 2 "options.method taylor needs gradients; give an evaluator, or numbers from a file" bits select "$sample" --weight-selection-method taylor
refuses 2 "--hessian-diag goes with --gradients" bits select "$sample" --hessian-diag g.safetensors
refuses 2 "--bitset: no bit set is named 'sgn'*" bits select "$sample" --bitset sgn
refuses 2 "gradients cost as much as 3 losses and take * s, more than the budget; take fewer batches" bits select "$sample" "${run_it[@]}" --max-evaluations 2 --quiet
refuses 2 "--include, --exclude and --restrict leave none of the 47 tensors*" bits select "$sample" "${run_it[@]}" --restrict nothing
finish
