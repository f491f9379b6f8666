#!/usr/bin/env bash
# Bits are chosen, ranked, flipped and turned back: of a model that a program runs, of one in GGUF blocks, and with the work split up.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)

# A program that runs a perceptron of half floats and floats, and knows its gradient.
cat >net.py <<'PYTHON'
import json, math, mmap, os, random, struct, sys

asked = len(sys.argv) == 1
file = sys.stdin.readline().split(maxsplit=2)[2].strip() if asked else sys.argv[1]
opened = open(file, "rb")
memory = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
length = struct.unpack_from("<Q", memory)[0]
header = json.loads(memory[8:8 + length])
header.pop("__metadata__", None)
order = sorted(header, key=lambda name: header[name]["data_offsets"])

def rows_of(name):
    begin, end = (8 + length + at for at in header[name]["data_offsets"])
    rows, cols = header[name]["shape"]
    flat = struct.unpack("<" + {"F16": "e", "F32": "f"}[header[name]["dtype"]] * (rows * cols), memory[begin:end])
    return [flat[r * cols:(r + 1) * cols] for r in range(rows)]

stream = random.Random(5)
data = [[([stream.gauss(0, 1) for _ in range(4)], [stream.gauss(0, 1) for _ in range(3)]) for _ in range(8)] for _ in range(3)]

def look(batch):
    up, down = rows_of("up.weight"), rows_of("down.weight")
    total, back = 0.0, {"up.weight": [[0.0] * 4 for _ in up], "down.weight": [[0.0] * len(up) for _ in down]}
    for x, y in data[batch]:
        hidden = [math.tanh(sum(a * b for a, b in zip(row, x))) for row in up]
        error = [sum(a * b for a, b in zip(row, hidden)) - t for row, t in zip(down, y)]
        total += sum(e * e for e in error) / 2
        for o, e in enumerate(error):
            for h, value in enumerate(hidden):
                back["down.weight"][o][h] += e * value
        for h, value in enumerate(hidden):
            slope = (1 - value * value) * sum(e * row[h] for e, row in zip(error, down))
            for i, a in enumerate(x):
                back["up.weight"][h][i] += slope * a
    return total, back

if not asked:
    print(repr(sum(look(b)[0] for b in range(3)) / 24))
    sys.exit()
print("batches 3" + (" gradient" if "NO_GRADIENT" not in os.environ else ""), flush=True)
for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    total, back = look(int(batch))
    if question == "gradient":
        numbers = [g for name in order for row in back[name] for g in row]
        open(rest[0].strip(), "wb").write(struct.pack(f"<{len(numbers)}f", *numbers))
    print(repr(total), 8, flush=True)
PYTHON
python3 - <<'PYTHON'
import json, random, struct
stream = random.Random(2)
parts, header = [], {}
for name, dtype, shape in (("up.weight", "F16", [6, 4]), ("down.weight", "F32", [3, 6])):
    raw = struct.pack("<" + ("e" if dtype == "F16" else "f") * (shape[0] * shape[1]), *[stream.gauss(0, 0.7) for _ in range(shape[0] * shape[1])])
    begin = sum(map(len, parts))
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + len(raw)]}
    parts.append(raw)
text = json.dumps(header).encode()
open("net.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + b"".join(parts))
PYTHON

program=(--evaluator "python3 net.py" --num-val-batches 0)
run 0 bits select net.safetensors "${program[@]}" --per-tensor-k 6 --output weights.json
prints "by flip_aware with gradients from the evaluator" out
run 0 bits rank net.safetensors "${program[@]}" --weights-in weights.json --top-b 3 --output plan.json
prints "the plan has 3 of these" out
fits_schema weights.json bits_select
fits_schema plan.json bits_rank
run 0 bits flip net.safetensors --plan plan.json --write flipped.safetensors --quiet
run 0 bits flip flipped.safetensors --plan plan.json --revert --write back.safetensors --quiet
cmp net.safetensors back.safetensors || fail "--revert does not give the file back"
python3 net.py net.safetensors >before
python3 net.py flipped.safetensors >after
python3 - <<'PYTHON' || fail "what the program's losses say"
import json
plan = json.load(open("plan.json"))
before, after = (float(open(f).read()) for f in ("before", "after"))
assert abs(plan["meta"]["original_metric_score"] - before) < 1e-12 * before
assert abs(plan["meta"]["best_metric_score"] - after) < 1e-12 * after, (plan["meta"]["best_metric_score"], after)
assert after > 1000 * before, (before, after)  # exponents
assert {f["name"] for f in plan["plan"]} <= {"up.weight", "down.weight"}
assert plan["quality"]["plan"]["loss"] == plan["meta"]["best_metric_score"] and plan["quality"]["plan"]["outputs_mae_reason"] == "no outputs"
PYTHON
run 0 bits flip net.safetensors --plan plan.json --dry-run "${program[@]}" --output told.json
fits_schema told.json bits_plan
python3 -c 'import json; told, plan = (json.load(open(f)) for f in ("told.json", "plan.json")); assert told["quality"]["after"] == plan["quality"]["plan"]' ||
    fail "what the flips do"
# without gradients: differences, with steps that the half floats can make
run 0 bits select net.safetensors --evaluator "NO_GRADIENT=1 python3 net.py" --num-val-batches 1 --per-tensor-k 1 --oversample 4 --output differences.json
prints "plan: choosing weights takes 9 losses and 0 gradients of a batch" out
prints "with gradients from differences of losses of 8 weights" out
run 0 bits rank net.safetensors "${program[@]}" --search sample --samples 40 --bitset all --output sample.json
prints "flips were drawn" out

# the flips of a step, the sample and the choice, split over processes
plan=()
for step in 1 2 3; do
    for shard in 0 1; do
        run 0 bits rank net.safetensors "${program[@]}" --weights-in weights.json --search independent --top-b 1 --shard $shard/2 "${plan[@]}" \
            --output shard$shard.json --quiet
    done
    run 0 bits rank --merge shard0.json --merge shard1.json --output step.json --quiet
    fits_schema step.json bits_rank
    plan=(--after step.json)
done
run 0 bits rank net.safetensors "${program[@]}" --weights-in weights.json --top-b 2 --output two.json --quiet
run 0 bits rank net.safetensors "${program[@]}" --weights-in weights.json --after two.json --output three.json
prints "with 2 flips made first: loss" out
prints "the plan has 1 of these" out
for shard in 0 1 2; do
    run 0 bits rank net.safetensors "${program[@]}" --search sample --samples 40 --bitset all --shard $shard/3 --output part$shard.json --quiet
done
run 0 bits rank --merge part2.json --merge part0.json --merge part1.json --output parts.json --quiet
fits_schema parts.json bits_rank
for shard in 0 1; do
    run 0 bits select net.safetensors "${program[@]}" --per-tensor-k 6 --shard $shard/2 --output choice$shard.json --quiet
done
run 0 bits select --merge choice1.json --merge choice0.json --output choice.json
prints "12 of 42 weights in 2 tensors" out
fits_schema choice.json bits_select
python3 - <<'PYTHON' || fail "what was put together"
import json
plan, step, three, whole, parts, weights, choice = (json.load(open(f + ".json")) for f in ("plan", "step", "three", "sample", "parts", "weights", "choice"))
assert step["plan"] == plan["plan"] == three["plan"]
assert step["meta"]["best_metric_score"] == plan["meta"]["best_metric_score"] == three["meta"]["best_metric_score"]
assert len(step["after"]) == 2 and plan["after"] == []
assert parts["failing_share"] == whole["failing_share"] and parts["outcomes"] == whole["outcomes"]
assert choice["candidates"] == weights["candidates"] and choice["flips"] == weights["flips"]
PYTHON
refuses 2 "--shard: each step of a progressive search needs the best flip of all shards; rank step by step: *" \
    bits rank net.safetensors "${program[@]}" --weights-in weights.json --shard 0/2
refuses 2 "--after goes with --search progressive or independent" bits rank net.safetensors "${program[@]}" --search sample --after two.json
refuses 2 "some of the shards are of a random sample and some are not; shards are of one search" bits rank --merge part0.json --merge shard0.json
refuses 2 "flip 0 of options.after expects the code * in '*'\[*\], found *; the plan was made for another model" \
    bits rank flipped.safetensors "${program[@]}" --weights-in weights.json --after two.json --quiet
refuses 3 "plan.json: schema: is not weightscope/bits_select/1; give a file that bits select wrote" bits select --merge plan.json
refuses 2 "MODEL is missing, which only --merge can do without" bits select

# a model in blocks of GGUF that the tool runs itself: its scales are numbers whose bits count, too
python3 - "$sample" <<'PYTHON' || fail "sample.gguf"
import json, struct, sys

data = open(sys.argv[1] + "/model.safetensors", "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)
names = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers.": "blk."}
string = lambda s: struct.pack("<Q", len(s)) + s.encode()
pairs = [("general.architecture", 8, string("llama")), ("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5))]
for key, value in (("block_count", 5), ("embedding_length", 96), ("feed_forward_length", 256), ("attention.head_count", 6),
                   ("attention.head_count_kv", 2), ("attention.key_length", 16), ("attention.value_length", 16), ("context_length", 32),
                   ("rope.dimension_count", 16)):
    pairs.append(("llama." + key, 4, struct.pack("<I", value)))

def q8_0(values):
    blocks = []
    for b in range(0, len(values), 32):
        some = values[b:b + 32]
        scale = max(map(abs, some)) / 127 or 1.0
        blocks.append(struct.pack("<e32b", scale, *[round(w / scale) for w in some]))
    return b"".join(blocks)

infos, out = b"", b""
for name, entry in header.items():
    shape, (begin, end) = entry["shape"], (8 + length + at for at in entry["data_offsets"])
    codes = struct.unpack(f"<{(end - begin) // 2}H", data[begin:end])
    values = list(struct.unpack(f"<{len(codes)}f", struct.pack(f"<{len(codes)}I", *[c << 16 for c in codes])))
    if name.endswith(("q_proj.weight", "k_proj.weight")):  # the rows of a head's halves become neighbours
        cols = shape[1]
        order = [r // 16 * 16 + r % 2 * 8 + r % 16 // 2 for r in range(shape[0])]
        values = [v for r in order for v in values[r * cols:(r + 1) * cols]]
    raw = q8_0(values) if len(shape) == 2 else struct.pack(f"<{len(values)}f", *values)
    for long, short in names.items():
        name = name.replace(long, short)
    infos += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
    infos += struct.pack("<IQ", 8 if len(shape) == 2 else 0, len(out))
    out += raw + bytes(-len(raw) % 32)
head = b"GGUF" + struct.pack("<IQQ", 3, len(header), len(pairs)) + b"".join(string(k) + struct.pack("<I", t) + v for k, t, v in pairs) + infos
open("sample.gguf", "wb").write(head + bytes(-len(head) % 32) + out)
PYTHON
run_it=(--data "$sample/held_out.npy" --predict-after 31 --batch-size 8 --num-val-batches 1)
run 0 bits select sample.gguf "${run_it[@]}" --restrict blk.0.,output_norm --per-tensor-k 2 --top-w 4 --output blocks.json
prints "scale" out
fits_schema blocks.json bits_select
run 0 bits rank sample.gguf "${run_it[@]}" --weights-in blocks.json --bitset ">=12" --top-b 2 --output blocks_plan.json --csv blocks.csv --quiet
fits_schema blocks_plan.json bits_rank
run 0 bits flip sample.gguf --plan blocks_plan.json --write flipped.gguf --quiet
run 0 bits rank flipped.gguf "${run_it[@]}" --restrict output_norm --top-w 1 --search independent --bitset 3 --output flipped.json --quiet
run 0 bits flip flipped.gguf --plan blocks_plan.json --revert --write back.gguf --quiet
cmp sample.gguf back.gguf || fail "--revert does not give the GGUF file back"
run 0 bits rank sample.gguf "${run_it[@]}" --search sample --samples 30 --bitset exponent_sign --part scale --restrict blk.1. --output scales.json --quiet
fits_schema scales.json bits_rank
python3 - <<'PYTHON' || fail "what became of the blocks"
import csv, json
blocks, plan, flipped, scales = (json.load(open(f + ".json")) for f in ("blocks", "blocks_plan", "flipped", "scales"))
assert any(c["part"] == "scale" for c in blocks["candidates"]), blocks["candidates"]
flips = [f for f in plan["plan"] if f["part"] == "scale"]
assert flips and all(int(f["old_code"], 16) < 65536 for f in flips), plan["plan"]
best = plan["meta"]["best_metric_score"]
assert best > 2 * plan["meta"]["original_metric_score"]
assert abs(flipped["meta"]["original_metric_score"] - best) < 1e-6 * best, (flipped["meta"]["original_metric_score"], best)
assert {r["part"] for r in csv.DictReader(open("blocks.csv"))} >= {"scale"}
assert {s["part"] for s in scales["failing_share"]["strata"]} == {"scale"} and {s["bit"] for s in scales["failing_share"]["strata"]} <= set(range(10, 16))
PYTHON
refuses 2 "--part: 'zero' is none of code, scale, min, sub_scale, sub_min; see: *" bits select sample.gguf --part zero
refuses 2 "no tensor is left that has bits to choose from" bits select sample.gguf --part sub_scale
finish
