#!/usr/bin/env bash
# prune plans, chooses, measures, writes a smaller model, and says what it cannot do.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)
data=$sample/held_out.npy
few=(--num-samples 64 --eval-samples 64 --batch-size 64 --predict-after 31)

# without data: magnitude, groups of attention and channels
run 0 prune "$sample" --ratio 0.2 --output groups.json --csv groups.csv --write smaller --masks zeros.safetensors
for text in "kv_group" "mlp_channel" "magnitude: " "writing smaller" "only weightscope opens this as it is: its layers differ in width"; do
    prints "$text" out
done
fits_schema groups.json prune
python3 - "$sample" <<'PYTHON' || fail "groups.json, groups.csv or what was written"
import csv, json, struct, sys

def refuse(constant):
    raise ValueError(constant + " in JSON")

def shapes(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: entry["shape"] for name, entry in header.items()}, data[8 + length:], header

def count(all_shapes):
    total = 0
    for shape in all_shapes.values():
        size = 1
        for extent in shape:
            size *= extent
        total += size
    return total

study = json.load(open("groups.json"), parse_constant=refuse)
method = study["methods"][0]
assert study["model"]["parameters"] == 495744 and study["model"]["layers"] == 5
assert method["actual_ratio"] >= 0.2 and method["reached"] and method["removed_parameters"] >= 0.2 * 495744
rows = list(csv.DictReader(open("groups.csv")))
assert len(rows) == 5 * (2 + 256) == sum(len(g["score"]) for g in study["groups"])
scores = [float(r["score"]) for r in rows]
assert scores == sorted(scores)
for r in rows[::97]:
    assert abs(float(r["importance"]) / float(r["cost"]) - float(r["score"])) <= 1e-12 * float(r["score"]), r
assert sum(int(r["cost"]) for r in rows if r["removed"] == "1") == method["removed_parameters"]
# one key-value group: rows of 3 query heads, key, value and 3 columns of 16 by 96; a channel: 3 rows of 96
assert {(r["group_type"], int(r["cost"])) for r in rows} == {("kv_group", 8 * 16 * 96), ("mlp_channel", 288)}
before, _, _ = shapes(sys.argv[1] + "/model.safetensors")
after, _, _ = shapes("smaller/model.safetensors")
assert count(before) - count(after) == method["removed_parameters"]
assert all(layer["removed_parameters"] <= layer["parameters"] for layer in study["layers"])
config = json.load(open("smaller/config.json"))
widths = config["weightscope_layers"]
assert [w["intermediate_size"] for w in widths] == [after[f"model.layers.{i}.mlp.gate_proj.weight"][0] for i in range(5)]
masked, data, header = shapes("zeros.safetensors")
assert masked == before
zeros = 0
for name in header:
    begin, end = header[name]["data_offsets"]
    zeros += sum(1 for i in range(begin, end, 2) if data[i:i + 2] == b"\0\0")
assert zeros >= method["removed_parameters"], (zeros, method["removed_parameters"])
PYTHON

# uniform widths are in Hugging Face's own words
run 0 prune "$sample" --ratio 0.3 --uniform --write uniform --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
python3 - <<'PYTHON' || fail "uniform/config.json"
import json
config = json.load(open("uniform/config.json"))
assert "weightscope_layers" not in config and config["intermediate_size"] < 256 and config["head_dim"] == 16, config
PYTHON
# and what was written can be pruned again
run 0 prune uniform --ratio 0.1 --output again.json
python3 -c 'import json; assert json.load(open("again.json"))["model"]["parameters"] <= 0.7 * 495744' || fail "again.json"

# with data: methods side by side
run 0 prune "$sample" --data "$data" "${few[@]}" --method wanda --compare taylor,random,magnitude --granularity row --ratio 0.5 --output rows.json --csv rows.csv \
    --markdown rows.md --html rows.html
for text in "plan: " "(whole model)" "* wanda" "compared within their row" "scores are from 64 rows"; do
    prints "$text" out
done
fits_schema rows.json prune
for text in '| method | removed | loss | change | perplexity |' '| `* wanda` | 50.00 % |' 'scored by |w| √(Σ x²)'; do
    prints "${text//|w|/\\|w\\|}" rows.md
done
prints "<!DOCTYPE html>" rows.html
prints "* wanda" rows.html
python3 - <<'PYTHON' || fail "rows.json"
import csv, json
study = json.load(open("rows.json"))
names = [m["method"] for m in study["methods"]]
assert names == ["wanda", "taylor", "random", "magnitude"], names
assert study["before"]["loss"] < 0.01
loss = {m["method"]: m["after"]["loss"] for m in study["methods"]}
assert loss["wanda"] < loss["random"] and loss["magnitude"] < loss["random"], loss
for m in study["methods"]:
    assert abs(m["actual_ratio"] - 0.5) < 1e-12 and 0 <= m["overlap"] <= 1
    after = m["after"]
    assert 0 <= after["top1_agreement"] <= 1 and after["kl_divergence"] >= 0 and after["loss_change_error"] is None
    assert abs(after["loss"] - study["before"]["loss"] - after["loss_change"]) < 1e-9 and after["outputs_rmse"] > 0
    assert [f["name"] for f in after["figures"]] == ["accuracy"]
    data = m["method"] in ("wanda", "taylor")
    assert m["comparison_group"] == "row" and m["normalisation"] == "none" and m["seed"] == 0
    assert (m["source"], m["batches"], m["samples"]) == (("evaluator", 1, 64) if data else (None, 0, 0)), m
    assert m["relative_standard_error"] is None and "standard errors" in m["relative_standard_error_reason"]
    assert m["peak_bytes"] > 1e6
assert study["methods"][0]["overlap"] == 1
assert len(list(csv.DictReader(open("rows.csv")))) == 35
PYTHON
run 0 prune "$sample" --granularity nm --output nm.json --quiet
python3 -c 'import json; s = json.load(open("nm.json")); assert s["methods"][0]["actual_ratio"] == 0.5 and s["settings"]["pattern"] == "keep=2,of=4"' || fail "nm.json"

# a budget is kept, frozen layers stay
run 0 prune "$sample" --params 400000 --freeze-first 1 --freeze-last 1 --output budget.json --quiet
run 0 prune "$sample" --size 600kB --output size.json --quiet
python3 - <<'PYTHON' || fail "budget.json or size.json"
import json
study = json.load(open("budget.json"))
assert study["model"]["parameters"] - study["methods"][0]["removed_parameters"] <= 400000
assert study["layers"][0]["removed_parameters"] == study["layers"][4]["removed_parameters"] == 0
size = json.load(open("size.json"))
assert size["model"]["bytes"] - size["methods"][0]["removed_bytes"] <= 600000
PYTHON

# checked by removal; ablation and auto
run 0 prune "$sample" --data "$data" --num-samples 16 --eval-samples 16 --batch-size 16 --probes 2 --granularity kv_group,mlp --method ablation --compare magnitude,auto --validate 10 --output checked.json
prints "checked by removal" out
prints "* auto" out
fits_schema checked.json prune
python3 - <<'PYTHON' || fail "checked.json"
import json
study = json.load(open("checked.json"))
exact = study["methods"][0]["validation"][0]
assert study["methods"][0]["relative_standard_error_reason"] == "there is one batch" and study["groups"][0]["standard_error"] is None
assert exact["spearman"] > 0.999 and abs(exact["calibration_slope"] - 1) < 1e-6, exact["spearman"]
assert sum(v["chosen"] for v in study["methods"][2]["validation"]) == 2
PYTHON

# batches tell how sure an ablation is, and samples how sure Taylor is
run 0 prune "$sample" --data "$data" --num-samples 16 --eval-samples 16 --batch-size 4 --granularity kv_group --curvature fisher \
    --method ablation --compare taylor_2nd --output sure.json
prints "rows that shut the group, from 16 samples in 4 batches; standard errors are " out
prints "peak" out
fits_schema sure.json prune
python3 - <<'PYTHON' || fail "sure.json"
import json
study = json.load(open("sure.json"))
exact, taylor = study["methods"]
assert (exact["comparison_group"], exact["normalisation"]) == ("global", "importance / parameters")
assert (exact["source"], exact["batches"], exact["samples"]) == ("evaluator", 4, 16)
importance = [x for g in study["groups"] for x in g["importance"]]
errors = [x for g in study["groups"] for x in g["standard_error"]]
assert len(errors) == len(importance) == 10 and min(errors) > 0
share = (sum(e * e for e in errors) / sum(x * x for x in importance)) ** 0.5
assert abs(exact["relative_standard_error"] / share - 1) < 1e-9, (exact["relative_standard_error"], share)
assert taylor["relative_standard_error"] > 0 and taylor["samples"] == 16
PYTHON
run 0 prune "$sample" --data "$data" "${few[@]}" --method taylor_2nd_signed --plan
prints "gradients" out
[ "$(grep -c '^\*\|perplexity' out)" -eq 0 ] || fail "--plan did more than plan"

# what cannot be done
refuses 2 "the methods need gradients; give data or an evaluator to collect them from, or files that have them" prune "$sample" --method taylor
refuses 2 "ablation measures losses; give data or an evaluator" prune "$sample" --method ablation
refuses 2 "--ratio, --params and --size each say how much goes; give one of them" prune "$sample" --ratio 0.1 --params 5
refuses 2 "--uniform and frozen layers contradict each other*" prune "$sample" --uniform --freeze-first 1
refuses 2 "--method: 'best' is no method, expected magnitude, taylor*" prune "$sample" --method best
refuses 2 "groups of the kinds kv_group and attention overlap; choose one of them" prune "$sample" --granularity kv_group,attention
refuses 2 "* is the folder of the model itself, expected another one" prune "$sample" --write "$sample" --quiet
refuses 2 "all groups are frozen or left out by name" prune "$sample" --include 'self_attn[.]q_proj'
finish
