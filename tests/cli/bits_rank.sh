#!/usr/bin/env bash
# bits rank flips bits of a model: on top of each other, each alone, in shards, and as a sample; what it writes can be read again.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)
run_it=(--data "$sample/held_out.npy" --predict-after 31 --batch-size 8 --num-val-batches 1)

run 0 bits select "$sample" "${run_it[@]}" --top-w 6 --output weights.json --quiet

# progressive, up and down
run 0 bits rank "$sample" "${run_it[@]}" --weights-in weights.json --top-b 2 --output plan.json --save-all-records
prints "plan: 54 flips of 6 weights take at most" out
prints "the plan has 2 of these" out
run 0 bits rank "$sample" "${run_it[@]}" --weights-in weights.json --bitset mantissa --top-b 1 --minimize --output down.json --quiet

# what flips do to the outputs: told of the plan, of each flip on request, and by bits flip; and as what flips are ranked by
run 0 bits rank "$sample" "${run_it[@]}" --weights-in weights.json --metric kl_divergence --top-b 2 --outputs --output moved.json
prints "measuring what is chosen takes 12 more" out
prints "after step 2" out
run 0 bits flip "$sample" --plan moved.json "${run_it[@]}" --dry-run --output flipped.json
prints "with the flips" out
run 0 bits flip "$sample" --plan moved.json --write flipped.safetensors --quiet
cp "$sample/config.json" .
run 0 bits flip flipped.safetensors --plan moved.json --revert "${run_it[@]}" --dry-run --output undone.json
prints "flips undone" out
for name in flipped undone; do
    fits_schema "$name.json" bits_plan
done
for name in plan down moved; do
    fits_schema "$name.json" bits_rank
done

# each alone: in one piece, and in two shards put together
alone=(--weights-in weights.json --search independent --top-b 4 --metrics all)
run 0 bits rank "$sample" "${run_it[@]}" "${alone[@]}" --save-all-records --output whole.json --csv top.csv --quiet
run 0 bits rank "$sample" "${run_it[@]}" "${alone[@]}" --shard 0/2 --output first.json --quiet
run 0 bits rank "$sample" "${run_it[@]}" "${alone[@]}" --shard 1/2 --threads 2 --output second.json --quiet
run 0 bits rank --merge second.json --merge first.json --save-all-records --output merged.json --quiet
fits_schema merged.json bits_rank
refuses 2 "1 of 2 shards are given, expected all of them" bits rank --merge first.json
refuses 2 "shard 0 of 2 is there twice, expected each once" bits rank --merge first.json --merge first.json
refuses 3 "down.json: all_records: is missing, which putting shards together needs; rank with --shard or --save-all-records" bits rank --merge down.json

# a sample
run 0 bits rank "$sample" "${run_it[@]}" --search sample --samples 60 --bitset sign --restrict layers.0. --output sample.json
prints "plan: a sample of 60 from" out
prints "flips were drawn" out
fits_schema sample.json bits_rank

python3 - <<'PYTHON' || fail "what was ranked"
import csv, json
plan, down, whole, merged, sample = (json.load(open(f + ".json")) for f in ("plan", "down", "whole", "merged", "sample"))
moved, flipped, undone = (json.load(open(f + ".json")) for f in ("moved", "flipped", "undone"))
names = ["kl_divergence", "top1_agreement", "outputs_mae", "outputs_rmse", "outputs_psnr_db", "outputs_cosine_similarity"]
quality, steps = moved["quality"], [r["quality"] for r in moved["ranked"]]
assert steps[1] == quality["plan"] == flipped["quality"]["after"] and quality["before"] == flipped["quality"]["before"], (quality, flipped["quality"])
assert moved["meta"]["eval_metric"] == "kl_divergence" and moved["meta"]["goal"] == "maximize" and moved["meta"]["original_metric_score"] == 0
assert [r["flipped_score"] for r in moved["ranked"]] == [s["kl_divergence"] for s in steps], moved["ranked"]
assert steps[1]["kl_divergence"] > steps[0]["kl_divergence"] > 0 and all(quality["plan"][n] is not None for n in names)
assert quality["before"]["kl_divergence_reason"] == "nothing is changed" and quality["before"]["figures"][0]["name"] == "accuracy"
assert (quality["losses"], quality["measures"], quality["outputs"]) == (4, 4, 4), quality
assert undone["quality"]["after"]["loss"] == quality["before"]["loss"] and undone["quality"]["before"]["loss"] == quality["plan"]["loss"]
assert plan["quality"]["plan"]["loss"] == plan["meta"]["best_metric_score"] and "quality" not in plan["ranked"][0]
assert "quality" in whole and "quality" not in sample
assert plan["meta"]["goal"] == "maximize" and plan["meta"]["original_metric_score"] == plan["baseline_metrics"]["loss"]
assert [r["step"] for r in plan["ranked"]] == [1, 2] and len(plan["plan"]) == 2
assert plan["ranked"][1]["original_score"] == plan["ranked"][0]["flipped_score"] == max(
    r["flipped_metrics"]["loss"] for r in plan["all_records"] if r["step"] == 1 and r["outcome"] == "finite")
assert plan["meta"]["best_metric_score"] == plan["ranked"][1]["flipped_score"] > plan["ranked"][0]["flipped_score"]
assert sum(plan["outcomes"].values()) == len(plan["all_records"])
assert all(int(f["old_code"], 16) ^ int(f["new_code"], 16) == 1 << f["bit"] for f in plan["plan"])
assert down["meta"]["goal"] == "minimize" and all(r["score"] < 0 for r in down["ranked"])
for key in whole:
    assert key in ("meta", "quality") or whole[key] == merged[key], key
different = {key for key in whole["meta"] if whole["meta"][key] != merged["meta"][key]}
assert different <= {"seconds", "losses", "measures"} and "quality" not in merged, different
assert whole["meta"]["losses"] == whole["meta"]["num_flips_evaluated"] + 1 == merged["meta"]["losses"] - 1
assert set(whole["top_by_metric"]) == {"loss", "accuracy"}
rows = list(csv.DictReader(open("top.csv")))
assert float(rows[0]["metric_delta"]) == whole["top_by_metric"]["loss"][0]["delta"]["loss"] and rows[0]["rank"] == "1"
share = sample["failing_share"]
assert share["sample"] == 60 == sum(s["sample"] for s in share["strata"]) and 0 <= share["share"]["lower"] <= share["share"]["upper"] <= 1
PYTHON

# the ranking is on disk before its plan is measured: here the program that runs the model ends the tool at the first question for outputs
cat >ending.py <<'PYTHON'
import json, mmap, os, signal, struct, sys
file = open(sys.stdin.readline().split(maxsplit=2)[2].strip(), "rb")
memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print("batches 1 outputs", flush=True)
for line in sys.stdin:
    if line.startswith("outputs"):
        os.kill(os.getppid(), signal.SIGTERM)
    print(sum(w * w for w in struct.unpack("<4f", memory[-16:])), 4, flush=True)
PYTHON
python3 - <<'PYTHON'
import json, struct
text = json.dumps({"w.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
open("four.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + struct.pack("<4f", 1, -2, 3, 0.5))
json.dump({"candidates": [{"name": "w.weight", "flat": i} for i in range(4)]}, open("four.json", "w"))
PYTHON
run 143 bits rank four.safetensors --evaluator "exec python3 ending.py" --weights-in four.json --bitset mantissa --top-b 2 \
    --output ended.json --csv ended.csv --html - --resume ended.resume
[ ! -s out ] || fail "a page that was cut off: $(head -c 200 out)"
fits_schema ended.json bits_rank
python3 - <<'PYTHON' || fail "the ranking of a run that was ended while it measured"
import json
ended = json.load(open("ended.json"))
assert len(ended["plan"]) == 2 and "quality" not in ended, ended
assert sum(1 for line in open("ended.csv")) > 2
PYTHON

# what cannot be done
refuses 2 "ranking runs the model; give it --data, --text or --evaluator*" bits rank "$sample"
refuses 2 "--maximize and --minimize contradict each other; give one of them" bits rank "$sample" --maximize --minimize
refuses 2 "--shard: each step of a progressive search needs the best flip of all shards; rank step by step: *" bits rank "$sample" "${run_it[@]}" --shard 0/2
refuses 2 "--outputs goes with --search progressive or independent: a sample chooses no flips" \
    bits rank "$sample" "${run_it[@]}" --search sample --outputs
refuses 2 "--outputs: what flips do is measured once the shards are put together; leave it out, or leave out --shard" \
    bits rank "$sample" "${run_it[@]}" --search independent --shard 0/2 --outputs
refuses 2 "--shard: '2/2' is no shard; write the first of four as 0/4*" bits rank "$sample" --shard 2/2
refuses 2 "MODEL is missing, which only --merge can do without" bits rank
refuses 2 "the evaluator has no figure 'speed', expected one of loss, accuracy, kl_divergence, top1_agreement, outputs_mae, outputs_rmse" bits rank "$sample" "${run_it[@]}" --weights-in weights.json --metric speed
refuses 2 "the budget does not buy the flips of a single candidate*" bits rank "$sample" "${run_it[@]}" --weights-in weights.json --max-evaluations 3 --quiet
refuses 3 "top.csv: *" bits rank "$sample" "${run_it[@]}" --weights-in top.csv
finish
