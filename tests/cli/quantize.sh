#!/usr/bin/env bash
# quantize measures, recommends, writes and packs; a packed file has the size that was told and decodes to what --write writes.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"

# the study, as text, JSON and CSV
run 0 quantize m.safetensors --output study.json --csv study.csv
[ ! -s err ] || fail "a study printed on stderr: $(cat err)"
for text in "first layer transformer.h.0.attn.c_attn.weight" "int8-per-channel-asym" "int4-searched-groups picks" "Best accuracy: " "Smallest: " \
    "Recommended: " "What mattered most: bits" "3 weights are NaN or infinite"; do
    prints "$text" out
done
fits_schema study.json quantize
python3 - <<'PYTHON' || fail "study.json and study.csv"
import csv, json

def refuse(constant):
    raise ValueError(constant + " in JSON")

study = json.load(open("study.json"), parse_constant=refuse)
names = [v["name"] for v in study["variants"]]
assert len(names) == 9 and names[0] == "int8-per-tensor-sym" and names[-1] == "int4-searched-groups", names
assert study["recommended"] in names and study["best_accuracy"] in names and study["smallest"] in names
for variant in study["variants"]:
    # the bytes of the whole are those of the layers
    total = 0
    for name, pick in variant["picks"].items():
        layer = study["layers"][name]
        if "tied_to" not in layer:
            total += layer["schemes"][pick["scheme"]]["bytes"] if pick["scheme"] else layer["bytes"]
    assert total == variant["bytes"], variant["name"]
assert study["layers"]["transformer.wte.weight"]["kept"] == "embedding"
# INT4 counts half a byte: 192 rows of 576 / 2 bytes and 18 scales of 4 bytes, or turned, 576 rows of 192 / 2 and 6 scales
layer = study["layers"]["transformer.h.3.attn.c_attn.weight"]
assert layer["schemes"]["int4-g32"]["bytes"] == 576 * (96 + 6 * 4), layer["schemes"]["int4-g32"]
assert layer["schemes"]["int4-g32"]["non_finite_count"] == 3
assert [p["name"] for p in study["chart"]["points"]] == names
rows = list(csv.DictReader(open("study.csv")))
assert len(rows) == 9 * (1 + len(study["layers"])), len(rows)
whole = [r for r in rows if not r["layer"]]
assert [r["variant"] for r in whole] == names
assert [float(r["relative_error"]) for r in whole] == [v["relative_error"] for v in study["variants"]]
PYTHON

# schemes, presets and kinds by name; each once
run 0 quantize m.safetensors --scheme int4-g64 --scheme int4-g64 --scheme int8_per_tensor_asym --preset mobile --output some.json
fits_schema some.json quantize
python3 - <<'PYTHON' || fail "some.json"
import json
study = json.load(open("some.json"))
assert [(v["name"], v["skip_first_last"]) for v in study["variants"]] == [("int4-g64", False), ("int8-per-tensor-asym", False), ("mobile", True)]
PYTHON
run 0 quantize m.safetensors --scheme int4-g64 --skip-first-last --sensitive 'h[.]1[.]' --sensitive-bits 6 --output some.json --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
python3 - <<'PYTHON' || fail "sensitive layers"
import json
study = json.load(open("some.json"))
picks = study["variants"][0]["picks"]
assert picks["transformer.h.1.mlp.c_fc.weight"] == {"scheme": "int6-g64", "reason": "sensitive"}, picks
assert picks["transformer.h.2.mlp.c_fc.weight"]["scheme"] == "int4-g64"
assert picks[study["first_layer"]] == {"scheme": None, "reason": "first layer"}
PYTHON
run 0 quantize m.safetensors --max-error 0.1 --output some.json
fits_schema some.json quantize
prints "progressive int8 to int4 picks" out

# writing and packing; the sizes are those that were told
run 0 quantize m.safetensors --scheme int4-g50-asym --write written.safetensors --pack packed.safetensors
prints "packing int4-g50-asym as packed.safetensors: $(stat -c %s packed.safetensors | sed ':a;s/\B[0-9]\{3\}\>/,&/;ta') bytes" out
python3 - <<'PYTHON' || fail "what was packed is not what was written"
import json, struct

def load(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], data[8 + length + v["data_offsets"][0]:8 + length + v["data_offsets"][1]]) for k, v in header.items()}, metadata

def floats(raw):
    return struct.unpack(f"<{len(raw) // 4}f", raw)

def nibbles(raw):  # low half first, two's complement
    return [(n ^ 8) - 8 for byte in raw for n in (byte & 15, byte >> 4)]

(model, _), (written, _), (packed, metadata) = load("m.safetensors"), load("written.safetensors"), load("packed.safetensors")
assert {k: v[:2] for k, v in model.items()} == {k: v[:2] for k, v in written.items()}
checked = 0
for key, text in metadata.items():
    if not key.startswith("weightscope.quantized:"):
        continue
    name, entry = key.split(":", 1)[1], json.loads(text)
    if "h.0" not in name:
        continue
    rows, cols = entry["shape"]
    codes, scales, zeros = nibbles(packed[name + ".codes"][2]), floats(packed[name + ".scales"][2]), nibbles(packed[name + ".zero_points"][2])
    groups, stride = -(-cols // 50), cols + cols % 2
    out = floats(written[name][2])
    for i in range(rows):
        for j in range(cols):
            g = i * groups + j // 50
            expected = struct.unpack("<f", struct.pack("<f", (codes[i * stride + j] - zeros[g]) * scales[g]))[0]
            assert out[j * rows + i if entry["transposed"] else i * cols + j] == expected, (name, i, j)
    checked += 1
assert checked == 4, checked
kept = [k for k in model if k in packed]
assert "transformer.wte.weight" in kept and "transformer.h.0.ln_1.weight" in kept
for k in kept:
    assert model[k] == packed[k] == written[k], k
assert written["transformer.wte.weight"] == written["lm_head.weight"] or model["transformer.wte.weight"][2] != model["lm_head.weight"][2]
PYTHON
run 0 quantize m.safetensors --study --take int4-g32 --pack packed.safetensors
prints "packing int4-g32 as packed.safetensors: " out
rm packed.safetensors written.safetensors

# what cannot be done is told in one line, and leaves nothing
refuses 2 "--scheme: no scheme is named 'int9', expected intB (B = 2 to 8 or 16), then -per-tensor, *; see: weightscope quantize --help" \
    quantize m.safetensors --scheme int9
refuses 2 "--scheme: no quant_type is named 'int4_groups', expected one of int8_per_tensor_sym, *, mixed_precision; see: *" \
    quantize m.safetensors --scheme int4_groups
refuses 2 "--preset: 'tiny' is none of production, accuracy, prototype, mobile, smallest, balanced; see: *" quantize m.safetensors --preset tiny
refuses 2 "int8-per-channel-axis2-sym does not fit transformer.h.0.attn.c_attn.weight of rank 2, expected a channel axis below the rank; *" \
    quantize m.safetensors --scheme int8-per-channel-axis2
refuses 2 "--include, --exclude and --restrict leave none of the 53 tensors *" quantize m.safetensors --include nothing
refuses 2 "--sensitive: '(' is no regular expression; *" quantize m.safetensors --sensitive '('
refuses 2 "--sensitive-bits: '9' is none of 2, 3, 4, 5, 6, 7, 8, 16; see: *" quantize m.safetensors --sensitive-bits 9
refuses 2 "--max-error: '-1' is no number of 0 or more; see: *" quantize m.safetensors --max-error=-1
refuses 2 "--search-groups: '0' is no whole number from 1 to 1000000000; see: *" quantize m.safetensors --search-groups 0
refuses 2 "--take: no variant is named 'x', expected one of int8-per-tensor-sym, *" quantize m.safetensors --take x --pack p.safetensors
refuses 2 "--take names the variant for --write or --pack, and neither is given" quantize m.safetensors --take x
refuses 2 "--skip-first-last and --quantize-first-last contradict each other; take one of them" \
    quantize m.safetensors --skip-first-last --quantize-first-last
refuses 2 "--write: '-' is no file name; a model cannot go to stdout; see: *" quantize m.safetensors --write -
refuses 2 "m.safetensors: is the model itself; name another file for the result" quantize m.safetensors --write m.safetensors
refuses 2 "./m.safetensors: is the model itself; name another file for the result" quantize m.safetensors --pack ./m.safetensors
refuses 2 "--write and --pack both name 'p'; give each its own file" quantize m.safetensors --write p --pack p
refuses 4 "missing/p: cannot be written: *; create its folder first" quantize m.safetensors --pack missing/p
refuses 3 "nowhere.safetensors: *" quantize nowhere.safetensors
if [ -w /dev/full ]; then
    refuses 4 "/dev/full: cannot be written: *" quantize m.safetensors --quiet --pack /dev/full
fi
nothing_but m.safetensors some.json study.csv study.json

run 0 quantize --help
prints "weightscope quantize [OPTIONS] MODEL" out
for option in --scheme --study --preset --search-groups --search-bits --max-error --error-metric --skip-first-last --quantize-first-last \
    --sensitive --sensitive-bits --embeddings --vectors --orientation --write --pack --take --top-issues --threads --progress --spectrum --angles \
    --evaluate --activations --calibration-samples --observer --max-loss-increase --diff --data --text --evaluator --plan; do
    prints "$option" out
done
finish
