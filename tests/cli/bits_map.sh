#!/usr/bin/env bash
# bits map tells what a flip of each bit would do; the figures are those that Python gets by flipping them.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
python3 - <<'PYTHON'
import json, random, struct

random.seed(1)
values = [random.gauss(0, 0.1) for _ in range(300)] + [0.0, 1.5]
data = b"".join(struct.pack("<e", v) for v in values)
codes = bytes(random.randrange(256) for _ in range(64))
header = {"h.weight": {"dtype": "F16", "shape": [302], "data_offsets": [0, len(data)]},
          "i.weight": {"dtype": "I8", "shape": [8, 8], "data_offsets": [len(data), len(data) + 64]},
          "flags": {"dtype": "BOOL", "shape": [64], "data_offsets": [len(data) + 64, len(data) + 128]}}
text = json.dumps(header).encode()
open("m.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data + codes + bytes(64))
PYTHON

run 0 bits map m.safetensors --output map.json --csv map.csv --charts charts
[ ! -s err ] || fail "a map printed on stderr: $(cat err)"
for text in "3 tensors in 732 bytes, bits all: of 5,344 flips" "1 tensor has no bits to flip: stored as BOOL" "14 (exponent)" "7 (sign)" \
    "'!' some flips end at NaN or Inf"; do
    prints "$text" out
done
fits_schema map.json bits_map
for file in bit_map_F16 bit_map_F16_failing bit_map_I8 bit_map_I8_failing; do
    [[ -s charts/$file.svg && -s charts/$file.csv ]] || fail "no charts/$file"
done
python3 - <<'PYTHON' || fail "map.json and map.csv"
import csv, json, math, struct

def refuse(constant):
    raise ValueError(constant + " in JSON")

result = json.load(open("map.json"), parse_constant=refuse)
raw = open("m.safetensors", "rb").read()
begin = 8 + struct.unpack("<Q", raw[:8])[0]
halves = struct.unpack("<302H", raw[begin:begin + 604])
half = lambda code: struct.unpack("<e", struct.pack("<H", code))[0]
tensor = result["tensors"]["h.weight"]
assert tensor["max_magnitude"] == max(abs(half(c)) for c in halves)
assert len(tensor["bits"]) == 16
for bit in tensor["bits"]:
    old = [half(c) for c in halves]
    new = [half(c ^ 1 << bit["bit"]) for c in halves]
    finite = [abs(b - a) for a, b in zip(old, new) if math.isfinite(b)]
    assert bit["nan_count"] == sum(math.isnan(b) for b in new)
    assert bit["infinite_count"] == sum(math.isinf(b) for b in new)
    assert bit["unchanged_count"] == sum(a == b for a, b in zip(old, new))
    assert bit["max_change"] == max(finite)
    at = bit["max_at"]
    assert old[at["flat"]] == at["old"] and new[at["flat"]] == at["new"] and abs(at["new"] - at["old"]) == max(finite)
    assert math.isclose(bit["mean_change"], sum(finite) / len(finite), rel_tol=1e-12)
    assert bit["above_max_count"] == sum(c > tensor["max_magnitude"] for c in finite)
assert [b["max_change"] for b in result["tensors"]["i.weight"]["bits"]] == [1, 2, 4, 8, 16, 32, 64, 128]
assert "bits" not in result["tensors"]["flags"]
rows = list(csv.DictReader(open("map.csv")))
assert len(rows) == 24, len(rows)
assert [int(r["nan_count"]) for r in rows[:16]] == [b["nan_count"] for b in tensor["bits"]]
PYTHON

# some bits of some tensors; the same for any number of threads
run 0 bits map m.safetensors --bitset exp_sign --restrict h. --output some.json --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
run 0 bits map m.safetensors --threads 1 --output one.json --quiet
python3 - <<'PYTHON' || fail "some.json and one.json"
import json
some, one, whole = (json.load(open(f)) for f in ("some.json", "one.json", "map.json"))
assert list(some["tensors"]) == ["h.weight"] and some["settings"]["bitset"] == "exponent_sign"
assert [b["bit"] for b in some["tensors"]["h.weight"]["bits"]] == [10, 11, 12, 13, 14, 15]
assert one["tensors"] == whole["tensors"]
PYTHON
run 0 bits map m.safetensors --output -
python3 -c 'import json, sys; json.load(open("out"))' || fail "--output - printed more than JSON"

refuses 2 "--bitset: no bit set is named 'signs', expected all, *; see: weightscope bits map --help" bits map m.safetensors --bitset signs
refuses 2 "--include, --exclude and --restrict leave none of the 3 tensors *" bits map m.safetensors --include nothing
refuses 2 "a command is missing; see: weightscope bits --help" bits
refuses 2 "there is no command 'mpa', but map; see: weightscope bits --help" bits mpa m.safetensors
refuses 3 "nowhere.safetensors: *" bits map nowhere.safetensors
refuses 4 "missing/m.json: cannot be written: *; create its folder first" bits map m.safetensors --output missing/m.json
run 0 bits map --help
for option in --bitset --charts --top-issues --threads --progress --csv --output; do
    prints "$option" out
done
nothing_but m.safetensors map.json map.csv some.json one.json charts
finish
