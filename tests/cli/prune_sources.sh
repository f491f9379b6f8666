#!/usr/bin/env bash
# prune runs models of every kind: a program's, a text's, one in a GGUF file, a mixture of experts; screening; charts.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample" && pwd)
data=$sample/held_out.npy

cat >models.py <<'PYTHON'
# Writes what the tests below prune.
import json, os, random, struct, sys

def floats(values):
    return struct.pack("<%df" % len(values), *values)

def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, shape, kind, raw in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)

def read_safetensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {n: (e["shape"], data[8 + length + e["data_offsets"][0]:8 + length + e["data_offsets"][1]]) for n, e in header.items()}

def random_tensor(stream, name, shape, scale):
    count = 1
    for extent in shape:
        count *= extent
    return name, shape, "F32", floats([stream.gauss(0, scale) for _ in range(count)])

def write_npy(path, rows):
    head = str({"descr": "<i4", "fortran_order": False, "shape": (len(rows), len(rows[0]))}).ljust(117) + "\n"
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + b"".join(struct.pack("<%di" % len(r), *r) for r in rows))

def moe(folder):
    os.mkdir(folder)
    stream, tensors, at = random.Random(1), [], "model.layers.0.block_sparse_moe."
    for e in range(4):
        for name, shape in (("w1", [6, 4]), ("w2", [4, 6]), ("w3", [6, 4])):
            tensors.append(random_tensor(stream, f"{at}experts.{e}.{name}.weight", shape, 0.6))
    tensors.append(random_tensor(stream, at + "gate.weight", [4, 4], 1))
    write_safetensors(folder + "/model.safetensors", tensors)
    json.dump({"model_type": "mixtral", "num_hidden_layers": 1, "num_local_experts": 4, "num_experts_per_tok": 2, "hidden_size": 4, "intermediate_size": 6},
              open(folder + "/config.json", "w"))

def llama(folder):
    os.mkdir(folder)
    stream = random.Random(2)
    shapes = [("model.embed_tokens.weight", [256, 8])]
    for i in range(2):
        at = f"model.layers.{i}."
        shapes += [(at + "input_layernorm.weight", [8]), (at + "self_attn.q_proj.weight", [8, 8]), (at + "self_attn.k_proj.weight", [4, 8]),
                   (at + "self_attn.v_proj.weight", [4, 8]), (at + "self_attn.o_proj.weight", [8, 8]), (at + "post_attention_layernorm.weight", [8]),
                   (at + "mlp.gate_proj.weight", [12, 8]), (at + "mlp.up_proj.weight", [12, 8]), (at + "mlp.down_proj.weight", [8, 12])]
    write_safetensors(folder + "/model.safetensors", [random_tensor(stream, n, s, 0.5) for n, s in shapes + [("model.norm.weight", [8])]])
    json.dump({"model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
               "vocab_size": 256, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
               "tie_word_embeddings": True}, open(folder + "/config.json", "w"))
    shown = {b: chr(b) for b in [*range(33, 127), *range(161, 173), *range(174, 256)]}  # byte-level tokens: every byte as a character
    shown.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in shown)})
    json.dump({"added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
               "post_processor": None, "decoder": {"type": "ByteLevel"},
               "model": {"type": "BPE", "vocab": {shown[b]: b for b in range(256)}, "merges": []}}, open(folder + "/tokenizer.json", "w"))
    words = "a gate that is shut lets nothing through and what is left must do".split()
    text = " ".join(stream.choice(words) for _ in range(400)).encode()[:1600]
    open("text.txt", "wb").write(text)
    write_npy("tokens.npy", [list(text[i:i + 32]) for i in range(0, 1600, 32)])

# The same blocks with four experts each.
def mixtral(folder):
    os.mkdir(folder)
    stream = random.Random(3)
    shapes = [("model.embed_tokens.weight", [256, 8])]
    for i in range(2):
        at = f"model.layers.{i}."
        shapes += [(at + "input_layernorm.weight", [8]), (at + "self_attn.q_proj.weight", [8, 8]), (at + "self_attn.k_proj.weight", [4, 8]),
                   (at + "self_attn.v_proj.weight", [4, 8]), (at + "self_attn.o_proj.weight", [8, 8]), (at + "post_attention_layernorm.weight", [8]),
                   (at + "block_sparse_moe.gate.weight", [4, 8])]
        for e in range(4):
            shapes += [(f"{at}block_sparse_moe.experts.{e}.{n}.weight", s) for n, s in (("w1", [12, 8]), ("w2", [8, 12]), ("w3", [12, 8]))]
    write_safetensors(folder + "/model.safetensors", [random_tensor(stream, n, s, 0.5) for n, s in shapes + [("model.norm.weight", [8])]])
    json.dump({"model_type": "mixtral", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4,
               "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
               "hidden_act": "silu", "tie_word_embeddings": True, "num_local_experts": 4, "num_experts_per_tok": 2}, open(folder + "/config.json", "w"))

# The trained sample as llama.cpp's converter writes it: other names, query and key rows in another order.
def gguf(folder, path):
    tensors = read_safetensors(folder + "/model.safetensors")
    names = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down"}
    string = lambda s: struct.pack("<Q", len(s)) + s.encode()
    pairs = [("general.architecture", 8, string("llama"))]
    for key, value in (("block_count", 5), ("embedding_length", 96), ("feed_forward_length", 256), ("attention.head_count", 6),
                       ("attention.head_count_kv", 2), ("attention.key_length", 16), ("attention.value_length", 16), ("context_length", 32),
                       ("rope.dimension_count", 16)):
        pairs.append(("llama." + key, 4, struct.pack("<I", value)))
    pairs.append(("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)))
    infos, data = b"", b""
    for name, (shape, raw) in tensors.items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            size = len(raw) // shape[0]
            order = [r // 16 * 16 + r % 2 * 8 + r % 16 // 2 for r in range(shape[0])]
            raw = b"".join(raw[r * size:(r + 1) * size] for r in order)
        name = name.replace("model.embed_tokens", "token_embd").replace("model.norm", "output_norm").replace("model.layers.", "blk.")
        for long, short in names.items():
            name = name.replace(long, short)
        kind = 30  # BF16
        infos += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape)) + struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(string(k) + struct.pack("<I", t) + v for k, t, v in pairs) + infos
    open(path, "wb").write(head + bytes(-len(head) % 32) + data)

moe("moe")
llama("llama")
mixtral("mixtral")
gguf(sys.argv[1], "sample.gguf")
PYTHON
python3 models.py "$sample" || fail "models.py"

# A program that runs the mixture of experts: two of four experts for each input, with gradients from differences and outputs.
cat >moe_evaluator.py <<'PYTHON'
import json, math, mmap, random, struct, sys

file = sys.stdin.readline().split(maxsplit=2)[2].strip()
opened = open(file, "rb")
memory = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
length = struct.unpack_from("<Q", memory)[0]
header = json.loads(memory[8:8 + length])
header.pop("__metadata__", None)
order = sorted(header, key=lambda name: header[name]["data_offsets"])

def read():
    result = {}
    for name in order:
        rows, cols = header[name]["shape"]
        flat = struct.unpack_from(f"<{rows * cols}f", memory, 8 + length + header[name]["data_offsets"][0])
        result[name] = [list(flat[r * cols:(r + 1) * cols]) for r in range(rows)]
    return result

at = "model.layers.0.block_sparse_moe."
times = lambda m, x: [sum(a * b for a, b in zip(row, x)) for row in m]

def forward(w, x):
    gates = times(w[at + "gate.weight"], x)
    best = sorted(range(4), key=lambda e: -gates[e])[:2]
    total = sum(math.exp(gates[e] - gates[best[0]]) for e in best)
    y = [0.0] * 4
    for e in best:
        own = lambda n: w[f"{at}experts.{e}.{n}.weight"]
        inner = [a / (1 + math.exp(-a)) * b for a, b in zip(times(own("w1"), x), times(own("w3"), x))]
        share = math.exp(gates[e] - gates[best[0]]) / total
        y = [a + share * b for a, b in zip(y, times(own("w2"), inner))]
    return y

stream = random.Random(7)
inputs = [[[stream.gauss(0, 1) for _ in range(4)] for _ in range(8)] for _ in range(4)]
start = read()
targets = [[[v + stream.gauss(0, 0.05) for v in forward(start, x)] for x in batch] for batch in inputs]

def loss(w, b):
    return sum((y - t) ** 2 / 2 for x, target in zip(inputs[b], targets[b]) for y, t in zip(forward(w, x), target))

# What enters each layer of an expert, and 1 for the rows that are routed to it.
def activations(w, b):
    shown = {}
    for e in range(4):
        own = lambda n: f"{at}experts.{e}.{n}.weight"
        rows, routed = [], []
        for x in inputs[b]:
            gates = times(w[at + "gate.weight"], x)
            routed.append(int(e in sorted(range(4), key=lambda e: -gates[e])[:2]))
            rows.append([a / (1 + math.exp(-a)) * c for a, c in zip(times(w[own("w1")], x), times(w[own("w3")], x))])
        for n, entering in (("w1", inputs[b]), ("w3", inputs[b]), ("w2", rows)):
            shown[own(n)] = entering, routed
    return shown

def write_activations(path, shown):
    header, data = {}, b""
    for name, (rows, counts) in shown.items():
        for key, kind, shape, raw in ((name, "F32", [len(rows), len(rows[0])], b"".join(struct.pack(f"<{len(r)}f", *r) for r in rows)),
                                      (name + ".rows", "U8", [len(rows)], bytes(counts))):
            header[key] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)

squares = {}
print("batches", len(inputs), "gradient", "outputs", "activations", flush=True)
for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    w, b = read(), int(batch)
    if question == "activations":
        shown = activations(w, b)
        for name, (rows, counts) in shown.items():
            sums = squares.setdefault(name, [0.0] * len(rows[0]))
            for row, counted in zip(rows, counts):
                for j, x in enumerate(row):
                    sums[j] += counted * x * x
        json.dump(squares, open("squares.json", "w"))
        write_activations(rest[0].strip(), shown)
        print(len(shown), flush=True)
        continue
    if question == "outputs":
        flat = [v for x in inputs[b] for v in forward(w, x)]
        open(rest[0].strip(), "wb").write(struct.pack(f"<{len(flat)}f", *flat))
        print(len(inputs[b]), 4, flush=True)
        continue
    if question == "gradient":
        found = []
        for name in order:
            for row in w[name]:
                for i, value in enumerate(row):
                    row[i] = value + 1e-5
                    above = loss(w, b)
                    row[i] = value - 1e-5
                    found.append((above - loss(w, b)) / 2e-5)
                    row[i] = value
        open(rest[0].strip(), "wb").write(struct.pack(f"<{len(found)}f", *found))
    print(repr(loss(w, b)), len(inputs[b]), flush=True)
PYTHON

# experts of a program's model: removal says which one matters least, and the model without it opens
run 0 prune moe --granularity expert --evaluator "python3 moe_evaluator.py" --method ablation --compare taylor,screening,magnitude --ratio 0.2 --validate 10 --output moe.json --write fewer
prints "scores and losses are from the same batches: those of the evaluator" out
fits_schema moe.json prune
python3 - <<'PYTHON' || fail "moe.json"
import json
study = json.load(open("moe.json"))
removed = {m["method"]: m for m in study["methods"]}
assert list(removed) == ["ablation", "taylor", "screening", "magnitude"]
assert all(m["removed_groups"] == 1 and m["removed_parameters"] == 3 * 24 + 4 for m in study["methods"])
exact = study["methods"][0]
assert exact["after"]["loss"] == min(m["after"]["loss"] for m in study["methods"]) > study["before"]["loss"]
assert exact["losses"] == 4 * 5 and exact["validation"][0]["spearman"] > 0.999
assert removed["screening"]["losses"] == 1 * (1 + 3) + 4 * (1 + 1), removed["screening"]["losses"]
assert exact["after"]["kl_divergence"] > 0 and study["before"]["perplexity"] > 1
assert json.load(open("fewer/config.json"))["num_local_experts"] == 3
PYTHON
run 0 inspect fewer --quiet
# single weights, by gradients that the program gives
run 0 prune moe --granularity row --evaluator "python3 moe_evaluator.py" --method taylor --compare random --ratio 0.3 --output rows.json --quiet
python3 -c '
import json
taylor, chance = json.load(open("rows.json"))["methods"]
assert taylor["after"]["loss"] < chance["after"]["loss"], (taylor["after"], chance["after"])' || fail "rows.json"
# it is tested first where that is wanted
run 0 prune moe --granularity expert --evaluator "python3 moe_evaluator.py" --method taylor --self-test --plan
prints "self-test, reacts to writes: the loss reacts to changes of all 13 tensors" out
prints "self-test, gradient agrees with losses: gradient and differences of the loss agree to" out
refuses 2 "the evaluator fails its self-test, reacts to writes: the loss does not react to changes of 13 of 13 tensors, *" prune moe --granularity row \
    --self-test --evaluator 'read -r x; echo batches 1; while read -r x; do echo 1 1; done'
refuses 3 "evaluator 'exit 4' ended with status 4 instead of answering*" prune moe --granularity expert --evaluator "exit 4" --method ablation
refuses 2 "the methods need the inputs of layers, and the evaluator does not show them; let it, or give a file that has them" \
    prune moe --granularity row --method wanda --evaluator 'read -r x; echo batches 1; while read -r x; do echo 1 1; done'
refuses 2 "the methods need gradients, and the evaluator has none; let it give them, or give a file that has them" \
    prune moe --granularity row --method taylor --evaluator 'read -r x; echo batches 1; while read -r x; do echo 1 1; done'
refuses 3 "*answered 'activations 0 *' with '1', expected a safetensors file at the path that it was given; *" \
    prune moe --granularity row --method wanda --quiet --evaluator 'read -r x; echo batches 1 activations; while read -r x; do echo 1; done'

# Wanda by what the program shows of its layers' inputs: an expert sees the rows that were routed to it
run 0 prune moe --granularity row --evaluator "python3 moe_evaluator.py" --method wanda --ratio 0.25 --masks wanda.safetensors --output wanda.json
fits_schema wanda.json prune
python3 - <<'PYTHON' || fail "wanda.safetensors"
import json, struct

def read(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    result = {}
    for name, entry in header.items():
        rows, cols = entry["shape"]
        flat = struct.unpack_from(f"<{rows * cols}f", data, 8 + length + entry["data_offsets"][0])
        result[name] = [flat[r * cols:(r + 1) * cols] for r in range(rows)]
    return result

squares = json.load(open("squares.json"))  # that the program summed over the rows that count
before, after = read("moe/model.safetensors"), read("wanda.safetensors")
assert json.load(open("wanda.json"))["methods"][0]["formula"] == "|w| √(Σ x²)"
checked = 0
for name, rows in before.items():
    if name.endswith("gate.weight"):
        assert after[name] == rows
        continue
    norms = [s ** 0.5 for s in squares[name]]
    gone = -(-len(norms) // 4)  # a quarter, rounded up
    for was, now in zip(rows, after[name]):
        order = sorted(range(len(was)), key=lambda j: abs(was[j]) * norms[j])
        assert [j for j, v in enumerate(now) if v == 0] == sorted(order[:gone]), (name, was, now)
        checked += 1
assert checked == 4 * (6 + 4 + 6), checked
PYTHON

# the model in the box runs experts too, and what is written has the loss of what was measured with zeros
few=(--data tokens.npy --num-samples 16 --quiet)
run 0 prune mixtral "${few[@]}" --granularity expert --method ablation --compare wanda,taylor --ratio 0.1 --output experts.json --write three
fits_schema experts.json prune
run 0 prune three "${few[@]}" --ratio 0.01 --output three.json
python3 - <<'PYTHON' || fail "experts.json or three.json"
import json
study, smaller = json.load(open("experts.json")), json.load(open("three.json"))
assert [m["method"] for m in study["methods"]] == ["ablation", "wanda", "taylor"]
assert all(m["removed_groups"] >= 1 and m["removed_parameters"] == m["removed_groups"] * (3 * 96 + 8) for m in study["methods"])
after = study["methods"][0]["after"]["loss"]
assert abs(smaller["before"]["loss"] - after) < 1e-5 * after, (smaller["before"]["loss"], after)
assert after != study["before"]["loss"]
PYTHON

# a text is what its tokens are
few=(--num-samples 16 --context 32 --method taylor --granularity kv_group,channel --ratio 0.1 --quiet)
run 0 prune llama --text text.txt "${few[@]}" --output text.json
run 0 prune llama --data tokens.npy "${few[@]}" --output tokens.json
python3 - <<'PYTHON' || fail "text.json or tokens.json"
import json
text, tokens = json.load(open("text.json")), json.load(open("tokens.json"))
assert text["calibration_fingerprint"] == tokens["calibration_fingerprint"]
assert text["before"]["loss"] == tokens["before"]["loss"] and text["groups"] == tokens["groups"]
PYTHON
refuses 3 "nowhere.txt: cannot be read; check the path" prune llama --text nowhere.txt

# the same model in a GGUF file loses the same
few=(--data "$data" --num-samples 32 --eval-samples 32 --batch-size 32 --predict-after 31 --method taylor --compare wanda --ratio 0.25 --quiet)
run 0 prune sample.gguf "${few[@]}" --output gguf.json
run 0 prune "$sample" "${few[@]}" --output safetensors.json
python3 - <<'PYTHON' || fail "gguf.json"
import json
gguf, own = json.load(open("gguf.json")), json.load(open("safetensors.json"))
assert gguf["model"]["parameters"] == own["model"]["parameters"] == 495744
assert abs(gguf["before"]["loss"] - own["before"]["loss"]) < 1e-6
for a, b in zip(gguf["methods"], own["methods"]):
    assert a["removed_groups"] == b["removed_groups"] and abs(a["after"]["loss"] - b["after"]["loss"]) < 1e-3, (a["method"], a["after"], b["after"])
PYTHON

# screening finds nearly what removing every group finds, for fewer losses, and its plan says how many
run 0 prune "$sample" --data "$data" --num-samples 32 --eval-samples 32 --batch-size 8 --predict-after 31 --granularity channel --include 'layers[.]1[.]' \
    --method screening --compare ablation,screening:magnitude,magnitude --ratio 0.02 --output screened.json --charts charts --plan
prints "screening: 3 rounds, 356 losses of a batch, about " out  # 105 + 1 of one batch, 52 + 1 of two, 35 + 1 of four
[ ! -e screened.json ] || fail "--plan wrote screened.json"
run 0 prune "$sample" --data "$data" --num-samples 32 --eval-samples 32 --batch-size 8 --predict-after 31 --granularity channel --include 'layers[.]1[.]' \
    --method screening --compare ablation,screening:magnitude,magnitude --ratio 0.02 --output screened.json --charts charts
prints "charts" out
fits_schema screened.json prune
python3 - <<'PYTHON' || fail "screened.json or its chart"
import csv, json
study = json.load(open("screened.json"))
screened, exact, _, size = study["methods"]
assert screened["losses"] == 356 and exact["losses"] == 4 * 257, (screened["losses"], exact["losses"])
assert screened["after"]["loss"] < size["after"]["loss"]
rows = list(csv.DictReader(open("charts/group_scores.csv")))
assert len(rows) == sum(len(g["score"]) for g in study["groups"])
assert sum(r["removed"] == "true" for r in rows) == screened["removed_groups"]
assert open("charts/group_scores.svg").read().startswith("<svg")
PYTHON
refuses 2 "--method: 'screening:auto' screens by 'auto', which is no score of weights*" prune "$sample" --method screening:auto
refuses 2 "screening measures losses; give data or an evaluator" prune "$sample" --method screening
finish
