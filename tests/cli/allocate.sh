#!/usr/bin/env bash
# allocate plans within a budget, compares with rules of thumb, and writes what it promised to the byte.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)

export COLUMNS=500  # no line is broken, wherever the checkout lies
"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"

run 0 allocate m.safetensors --bits-per-weight 18 --candidates int3-g64,int4-g64,int8-per-channel-sym,keep --output plan.json --csv plan.csv --pareto
[ ! -s err ] || fail "a plan printed on stderr: $(cat err)"
for text in "No other choice within " "gap 0" "rule of thumb" "outliers and SQNR" "next better" "front: bits per weight"; do
    prints "$text" out
done
fits_schema plan.json allocate
python3 - <<'PYTHON' || fail "plan.json and plan.csv"
import csv, json

def refuse(constant):
    raise ValueError(constant + " in JSON")

plan = json.load(open("plan.json"), parse_constant=refuse)
assert plan["proven"] and plan["gap"] == 0
assert plan["bits_per_weight"] <= 18 and plan["bytes"] <= plan["budget_bytes"]
assert sum(f["bytes"] for f in plan["formats"].values()) == plan["bytes"]
assert abs(sum(i["loss"] for i in plan["items"]) - plan["loss"]) <= 1e-12 * plan["loss"]
for rule in plan["rules"]:
    if rule["name"] in plan["settings"]["candidates"]:
        assert rule["optimum_loss"] <= rule["loss"], rule
for item in plan["items"]:
    assert item["format"] in [o["format"] for o in item["options"]]
rows = list(csv.DictReader(open("plan.csv")))
assert [r["layer"] for r in rows] == list(plan["formats"])
assert [r["format"] for r in rows] == [f["format"] for f in plan["formats"].values()]
PYTHON

# a size is that of the file, to the byte at most; what is packed is what was promised
run 0 allocate m.safetensors --size 9MiB --candidates int3-g64,int4-g64,int8-per-channel-sym --pack small.safetensors --write wide.safetensors --output plan.json
python3 - <<'PYTHON' || fail "the packed file"
import json, os
plan = json.load(open("plan.json"))
assert os.path.getsize("small.safetensors") == plan["file_bytes"] <= 9 * 2**20, (os.path.getsize("small.safetensors"), plan["file_bytes"])
assert plan["settings"]["size"] == 9 * 2**20
PYTHON
run 0 compare m.safetensors wide.safetensors
rm small.safetensors wide.safetensors

# so is what is packed of the types of runtimes
run 0 allocate m.safetensors --size 8MiB --candidates q4_0,q8_0,mxfp4,nf4-g64,fp8-e4m3 --pack small.safetensors --output plan.json --quiet
python3 - <<'PYTHON' || fail "the packed file of other grids"
import json, os
assert os.path.getsize("small.safetensors") == json.load(open("plan.json"))["file_bytes"] <= 8 * 2**20
PYTHON
rm small.safetensors

# other budgets, alone and beside bytes
run 0 allocate m.safetensors --bops 4e8 --candidates int4-g64,int8-per-channel-sym,keep --no-rules --output plan.json
fits_schema plan.json allocate
prints "No other choice within 4e+08 bit operations loses less" out
run 0 allocate m.safetensors --bops 2e8 --activation-bits 8 --candidates int4-g64,int8-per-channel-sym,keep --no-rules --output half.json --quiet
python3 - <<'PYTHON' || fail "bit operations"
import json
plan, half = json.load(open("plan.json")), json.load(open("half.json"))
assert plan["budget_bytes"] is None and [b["name"] for b in plan["budgets"]] == ["bit operations"]
bits = {"keep": 32, "int4-g64": 4, "int8-per-channel-sym": 8}
planned = sum(16 * item["parameters"] * bits[item["format"]] for item in plan["items"])
assert planned <= plan["budgets"][0]["used"] <= 4e8
assert [i["format"] for i in plan["items"]] == [i["format"] for i in half["items"]]
with open("latency.csv", "w") as table:
    print("layer,scheme,latency", file=table)
    for item in plan["items"]:
        for name in item["layers"]:
            for scheme, latency in ("int4-g64", 1.5), ("int8-per-channel-sym", 1), ("keep", 3):
                print(f"{name},{scheme},{latency}", file=table)
PYTHON
run 0 allocate m.safetensors --latency-table latency.csv --latency-budget 20 --bits-per-weight 19 --candidates int4-g64,int8-per-channel-sym,keep --no-rules --output plan.json
fits_schema plan.json allocate
python3 - <<'PYTHON' || fail "latencies"
import json
plan = json.load(open("plan.json"))
assert [b["name"] for b in plan["budgets"]] == ["bytes", "latency"]
time = sum({"int4-g64": 1.5, "int8-per-channel-sym": 1, "keep": 3}[item["format"]] * len(item["layers"]) for item in plan["items"])
assert abs(plan["budgets"][1]["used"] - time) < 1e-9 and time <= 20, time
PYTHON
rm half.json latency.csv

# losses that are measured by running the model: every layer in every format, with standard errors over the batches; and the whole plan,
# beside the rules of thumb
run_it=(--data "$sample/held_out.npy" --predict-after 31 --eval-samples 48 --batch-size 16)
small=(--bits-per-weight 14 --include 'layers.[01].mlp' --candidates int4-g64,int8-per-channel-sym --no-rules)
run 0 allocate "$sample" "${run_it[@]}" "${small[@]}" --loss measured --output measured.json --html measured.html --csv measured.csv
fits_schema measured.json allocate
prints "plan: 6 layers in 2 formats on 3 batches: 39 forward passes, about " out
prints "rise of the loss, measured layer by layer" out
python3 - <<'PYTHON' || fail "measured losses"
import json
plan = json.load(open("measured.json"))
assert plan["settings"]["loss"] == "measured" and plan["loss_source"] == "measured on 3 batches" and plan["standard_error"] > 0
for item in plan["items"]:
    four, eight = item["options"]
    assert four["standard_error"] > 0 and four["loss"] > eight["loss"] - 3 * (four["standard_error"] + eight["standard_error"]), item
PYTHON
run 0 allocate "$sample" "${run_it[@]}" "${small[@]}" --loss measured --plan
prints "39 forward passes" out
[ "$(wc -l <out)" -eq 2 ] || fail "--plan prints more than the plan"
run 0 allocate "$sample" "${run_it[@]}" --bits-per-weight 14 --include mlp.down --candidates int4-g64,int8-per-channel-sym --evaluate --output whole.json
fits_schema whole.json allocate
prints "KL divergence of the outputs, measured layer by" out
prints "Run on 3 batches, its loss changes by " out
prints "rule of thumb, run" out
python3 - <<'PYTHON' || fail "--evaluate"
import json
plan = json.load(open("whole.json"))
assert plan["settings"]["loss"] == "kl_divergence" and plan["loss"] > 0
assert plan["quality"]["kl_divergence"] > 0 and plan["evaluation"]["batches"] == 3
rules = plan["rules"]
assert rules and all(0 < r["optimum_quality"]["kl_divergence"] and 0 < r["quality"]["kl_divergence"] for r in rules), rules
smallest = rules[-1]    # the plan of these bytes can be no other
assert smallest["name"] == "int4-g64" and smallest["quality"] == smallest["optimum_quality"], smallest
PYTHON
rm whole.json
refuses 2 "*the smallest plan takes*" allocate "$sample" "${run_it[@]}" --bits-per-weight 5 --include mlp.down    # before anything is run
refuses 2 "--evaluate runs the model; give --data, --text or --evaluator too" allocate "$sample" --bits-per-weight 5 --evaluate
for loss in "curvature --probes 2" "curvature --curvature diagonal --probes 2" fisher relative_activation_error; do
    # shellcheck disable=SC2086  # words
    run 0 allocate "$sample" "${run_it[@]}" "${small[@]}" --loss $loss --output plan.json
    fits_schema plan.json allocate
done
rm measured.html measured.csv measured.json

# ties, pins, limits and losses of one's own
cat >losses.csv <<'CSV'
layer,scheme,value,standard_error
transformer.h.0.attn.c_attn.weight,int4-g64,2,0.5
transformer.h.1.attn.c_attn.weight,int4-g64,1,0.5
transformer.h.0.attn.c_attn.weight,int8-per-channel-sym,0.1,
transformer.h.1.attn.c_attn.weight,int8-per-channel-sym,0.1,
CSV
run 0 allocate m.safetensors --bits-per-weight 31 --include 'h[.][01][.]attn[.]c_attn[.]weight' --candidates int4-g64,int8-per-channel-sym \
    --sensitivity losses.csv --output own.json
fits_schema own.json allocate
prints "would change if one loss moved by its standard error" out
run 0 allocate m.safetensors --bits-per-weight 20 --candidates int4-g64,int8-per-channel-sym --tie 'h[.](\d+)[.]mlp' --pin 'h[.]1[.]attn=int8-per-tensor-sym' \
    --min 'h[.]0[.]=8' --max 'h[.]5[.]=7' --no-rules --output tied.json --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
python3 - <<'PYTHON' || fail "ties, pins and limits"
import json
plan = json.load(open("tied.json"))
formats = {name: f["format"] for name, f in plan["formats"].items()}
for block in range(6):
    pair = {f for name, f in formats.items() if name.startswith(f"transformer.h.{block}.mlp") and f != "keep"}
    assert len(pair) <= 1, pair
assert formats["transformer.h.1.attn.c_attn.weight"] == "int8-per-tensor-sym"
assert formats["transformer.h.0.attn.c_attn.weight"] == "int8-per-channel-sym"
assert plan["rules"] == []
PYTHON

# two factors instead of a matrix
run 0 allocate m.safetensors --bits-per-weight 20 --candidates int4-g64,keep --no-rules --low-rank --output plan.json
prints "rank for 90 %" out
fits_schema plan.json allocate
python3 - <<'PYTHON' || fail "low rank"
import json
plan = json.load(open("plan.json"))
for name, layer in plan["low_rank"].items():
    assert layer["break_even_rank"] == layer["rows"] * layer["cols"] / (layer["rows"] + layer["cols"])
    ranks = [f["rank"] for f in layer["factors"]]
    assert ranks == sorted(ranks), name
# the sample's one matrix of rank 8
assert len(plan["low_rank"]) == 16
assert plan["low_rank"]["transformer.h.2.mlp.c_proj.weight"]["factors"][2]["rank"] == 8
PYTHON

# recipes
run 0 allocate m.safetensors --bits-per-weight 20 --candidates int4-g64,int8-per-channel-sym --no-rules --recipe llama-quantize=types.txt \
    --recipe compressed-tensors=config.json --recipe llm-compressor=recipe.yaml --recipe json=recipe.json --recipe csv=recipe.csv
prints "types.txt for llama-quantize: " out
grep -qF '^blk\.0\.attn_qkv\.weight$=' types.txt || fail "types.txt: $(head -n 2 types.txt)"
python3 - <<'PYTHON' || fail "config.json and recipe.yaml"
import json
config = json.load(open("config.json"))
assert config["quant_method"] == "compressed-tensors"
try:
    import yaml
except ImportError:
    print("recipe.yaml is not read: there is no PyYAML")
else:
    modifier = yaml.safe_load(open("recipe.yaml"))["default_stage"]["default_modifiers"]["QuantizationModifier"]
    assert modifier["ignore"] == config["ignore"]
    for name, group in config["config_groups"].items():
        assert modifier["config_groups"][name] == {"targets": group["targets"], "weights": group["weights"]}, name
PYTHON
fits_schema recipe.json allocate
# each line of the list for llama-quantize names one tensor of the file, and the names of Hugging Face become those
if [ -n "${WEIGHTSCOPE_TEST_MODELS:-}" ]; then
    for model in derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf ollama__ollama__llama-2-tiny-random.gguf derived__retsim-kquants-q2k-q6k.gguf derived__llama2xs-f16.safetensors; do
        run 0 allocate "$WEIGHTSCOPE_TEST_MODELS/$model" --bits-per-weight 24 --candidates q4_0,q8_0,keep --no-rules --recipe llama-quantize=types.txt --quiet
        names=${model/derived__llama2xs-f16.safetensors/derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf}
        run 0 inspect "$WEIGHTSCOPE_TEST_MODELS/$names" --output names.json --quiet
        python3 - <<'PYTHON' || fail "types of $model"
import json, re
tensors = json.load(open("names.json"))["tensors"]
matrices = [t["name"] for t in tensors if len(t["shape"]) >= 2]
lines = [line.rsplit("=", 1) for line in open("types.txt").read().splitlines()]
assert lines
for pattern, kind in lines:
    assert sum(re.search(pattern, name) is not None for name in matrices) == 1, (pattern, matrices)
PYTHON
        rm types.txt names.json
    done
else
    echo "the names of GGUF files are not checked: WEIGHTSCOPE_TEST_MODELS is not set"
fi
rm -f types.txt config.json recipe.yaml recipe.json recipe.csv
run 0 allocate m.safetensors --bits-per-weight 20 --candidates int4-g64,keep --charts charts --quiet
[ -s charts/allocation_front.svg ] || fail "no chart"
rm -r charts

# what cannot be done is told in one line, and leaves nothing
refuses 2 "there is no budget; give --bits-per-weight or --size, or --bops, or --latency-table with --latency-budget" allocate m.safetensors
refuses 2 "--bits-per-weight and --size are two budgets of bytes; take one of them" allocate m.safetensors --bits-per-weight 4 --size 1MB
refuses 2 "the budget is * bytes (1 bits per weight), and the smallest plan takes * bytes (* bits per weight), * of them for tensors that are kept; *" \
    allocate m.safetensors --bits-per-weight 1
refuses 2 "--candidates: no scheme is named 'int9', *" allocate m.safetensors --bits-per-weight 4 --candidates int9
refuses 2 "--loss activation_error needs --imatrix, or --data, --text or --evaluator" allocate m.safetensors --bits-per-weight 4 --loss activation_error
refuses 2 "--sensitivity and --trace each say what the loss is; take one of them" allocate m.safetensors --bits-per-weight 4 --sensitivity a --trace b
refuses 2 "--recipe: 'gguf' is none of llama-quantize, compressed-tensors, llm-compressor, onnxruntime, json, csv; see: *" \
    allocate m.safetensors --bits-per-weight 4 --recipe gguf=x
refuses 2 "--pin: 'x' is no REGEX=FORMAT; see: *" allocate m.safetensors --bits-per-weight 4 --pin x
refuses 2 "--min: 'a=b' is no REGEX=BITS; see: *" allocate m.safetensors --bits-per-weight 4 --min a=b
refuses 2 "--size: *" allocate m.safetensors --size lots
refuses 2 "--sensitivity and --data each say what the loss is; take one of them" allocate m.safetensors --bits-per-weight 4 --sensitivity a --data b
refuses 2 "--data runs the model, which --loss error does not need" allocate m.safetensors --bits-per-weight 4 --loss error --data b
refuses 2 "--loss measured needs --data, --text or --evaluator" allocate m.safetensors --bits-per-weight 4 --loss measured
refuses 2 "--plan tells what --loss measured or kl_divergence would cost, and neither is asked for" allocate m.safetensors --bits-per-weight 4 --plan
refuses 2 "--latency-table and --latency-budget belong together; give both or neither" allocate m.safetensors --bits-per-weight 4 --latency-budget 3
refuses 2 "the budget is 1000 for bit operations, and no plan takes less than *; ask for that much, or allow smaller candidates or more tensors" \
    allocate m.safetensors --bops 1000

# numbers that are none are one clear error, wherever they stand
printf 'layer,scheme,value\na,int4-g64,nan\n' >nan.csv
printf 'layer,trace,standard_error\na,1,inf\n' >inf.csv
printf 'layer,scheme,latency\na,keep,-1\n' >negative.csv
python3 - <<'PYTHON'
import json, struct
name = "transformer.h.0.attn.c_proj.weight"
data = open("m.safetensors", "rb").read()
shape = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])[name]["shape"]
count = shape[0] * shape[1]
for path, odd in ("nan.safetensors", float("nan")), ("inf.safetensors", float("inf")), ("negative.safetensors", -1.0):
    text = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * count]}}).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + struct.pack("<f", 1.0) * (count - 1) + struct.pack("<f", odd))
PYTHON
refuses 3 "nan.csv: entry 1: value: is 'nan', expected a finite number" allocate m.safetensors --bits-per-weight 20 --sensitivity nan.csv
refuses 3 "inf.csv: entry 1: standard_error: is 'inf', expected a finite number from 0 on" allocate m.safetensors --bits-per-weight 20 --trace inf.csv
refuses 3 "negative.csv: entry 1: latency: is -1, expected 0 or more" allocate m.safetensors --latency-table negative.csv --latency-budget 1
refuses 3 "nan.safetensors: tensor 'transformer.h.0.attn.c_proj.weight': *" allocate m.safetensors --bits-per-weight 20 --hessian-diag nan.safetensors
refuses 3 "inf.safetensors: tensor 'transformer.h.0.attn.c_proj.weight': *" allocate m.safetensors --bits-per-weight 20 --hessian-diag inf.safetensors
refuses 3 "negative.safetensors: tensor 'transformer.h.0.attn.c_proj.weight': *" allocate m.safetensors --bits-per-weight 20 --fisher negative.safetensors
rm nan.csv inf.csv negative.csv nan.safetensors inf.safetensors negative.safetensors
refuses 3 "none.csv: *" allocate m.safetensors --bits-per-weight 20 --sensitivity none.csv
refuses 2 "m.safetensors: is the model itself; name another file for the result" allocate m.safetensors --bits-per-weight 20 --pack m.safetensors
refuses 4 "missing/p: cannot be written: *" allocate m.safetensors --bits-per-weight 20 --pack missing/p
nothing_but m.safetensors plan.json plan.csv own.json tied.json losses.csv

run 0 allocate --help
for option in --bits-per-weight --size --candidates --loss --sensitivity --imatrix --hessian-diag --fisher --trace --tie --pin --min --max --no-rules --low-rank --pareto \
    --bops --latency-table --latency-budget --data --evaluator --curvature --html --markdown --recipe --write --pack --charts --embeddings --threads; do
    prints "$option" out
done
finish
