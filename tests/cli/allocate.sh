#!/usr/bin/env bash
# allocate plans within a budget, compares with rules of thumb, and writes what it promised to the byte.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=160  # no line is broken
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
python3 -c 'import json; assert json.load(open("config.json"))["quant_method"] == "compressed-tensors"' || fail "config.json"
fits_schema recipe.json allocate
rm types.txt config.json recipe.yaml recipe.json recipe.csv
run 0 allocate m.safetensors --bits-per-weight 20 --candidates int4-g64,keep --charts charts --quiet
[ -s charts/allocation_front.svg ] || fail "no chart"
rm -r charts

# what cannot be done is told in one line, and leaves nothing
refuses 2 "there is no budget; give --bits-per-weight or --size" allocate m.safetensors
refuses 2 "--bits-per-weight and --size are two budgets; take one of them" allocate m.safetensors --bits-per-weight 4 --size 1MB
refuses 2 "the budget is * bytes (1 bits per weight), and the smallest plan takes * bytes (* bits per weight), * of them for tensors that are kept; *" \
    allocate m.safetensors --bits-per-weight 1
refuses 2 "--candidates: no scheme is named 'int9', *" allocate m.safetensors --bits-per-weight 4 --candidates int9
refuses 2 "--loss activation_error needs --imatrix" allocate m.safetensors --bits-per-weight 4 --loss activation_error
refuses 2 "--sensitivity and --trace each say what the loss is; take one of them" allocate m.safetensors --bits-per-weight 4 --sensitivity a --trace b
refuses 2 "--recipe: 'gguf' is none of llama-quantize, compressed-tensors, llm-compressor, onnxruntime, json, csv; see: *" \
    allocate m.safetensors --bits-per-weight 4 --recipe gguf=x
refuses 2 "--pin: 'x' is no REGEX=FORMAT; see: *" allocate m.safetensors --bits-per-weight 4 --pin x
refuses 2 "--min: 'a=b' is no REGEX=BITS; see: *" allocate m.safetensors --bits-per-weight 4 --min a=b
refuses 2 "--size: *" allocate m.safetensors --size lots
refuses 3 "none.csv: *" allocate m.safetensors --bits-per-weight 20 --sensitivity none.csv
refuses 2 "m.safetensors: is the model itself; name another file for the result" allocate m.safetensors --bits-per-weight 20 --pack m.safetensors
refuses 4 "missing/p: cannot be written: *" allocate m.safetensors --bits-per-weight 20 --pack missing/p
nothing_but m.safetensors plan.json plan.csv own.json tied.json losses.csv

run 0 allocate --help
for option in --bits-per-weight --size --candidates --loss --sensitivity --imatrix --hessian-diag --fisher --trace --tie --pin --min --max --no-rules --low-rank --pareto \
    --recipe --write --pack --charts --embeddings --threads; do
    prints "$option" out
done
finish
