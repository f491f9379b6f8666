#!/usr/bin/env bash
# inspect lists names, shapes, types and sizes from the header alone.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 inspect m.safetensors --output list.json --csv list.csv
prints "m.safetensors: safetensors" out
grep -Eq '^transformer\.h\.0\.attn\.c_attn\.weight +192 x 576 +F32 +110,592 +442,368$' out || fail "no line for c_attn: $(cat out)"
grep -Eq '^F32 +53 +[0-9,]+ +[0-9,]+$' out || fail "no line for F32: $(tail -n 4 out)"
nothing_but list.csv list.json m.safetensors
[ "$(sed -n 2p list.csv)" = "transformer.wte.weight,2048x192,F32,393216,1572864," ] || fail "list.csv: $(sed -n 2p list.csv)"
fits_schema list.json inspect
python3 - <<'PYTHON' || fail "list.json"
import json, os, struct

found = json.load(open("list.json"))
data = open("m.safetensors", "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
assert found["schema"] == "weightscope/inspect/1"
assert [t["name"] for t in found["tensors"]] == [name for name in header if name != "__metadata__"]
for t in found["tensors"]:
    entry = header[t["name"]]
    begin, end = entry["data_offsets"]
    assert t["shape"] == entry["shape"] and t["dtype"] == entry["dtype"], t
    assert t["offset"] == 8 + length + begin and t["bytes"] == end - begin == 4 * t["parameters"], t
total = sum(t["bytes"] for t in found["tensors"])
assert found["model"]["bytes"] == found["dtypes"]["F32"]["bytes"] == total == os.path.getsize("m.safetensors") - 8 - length
assert found["model"]["tensors"] == 53 and found["model"]["parameters"] == total // 4, found["model"]
PYTHON

run 0 inspect m.safetensors --include 'ln_[12]' --exclude 'h\.[1-3]\.' --restrict bias --csv -
[ "$(cut -d, -f 1 out | tr '\n' ' ')" = "name transformer.h.0.ln_1.bias transformer.h.0.ln_2.bias " ] || fail "filters: $(cat out)"

# a name from outside says nothing to the terminal, and a scalar and an empty tensor are listed
python3 - <<'PYTHON'
import json, struct
header = {"evil\u001b[31m\nname": {"dtype": "F16", "shape": [], "data_offsets": [0, 2]},
          "none": {"dtype": "BOOL", "shape": [0, 3], "data_offsets": [2, 2]}}
text = json.dumps(header).encode()
open("odd.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + b"\0\0")
PYTHON
run 0 inspect odd.safetensors
prints 'evil\u{1b}[31m\u{a}name' out
grep -Eq ' scalar +F16 +1 +2$' out || fail "no scalar: $(cat out)"
grep -Eq '^none +0 x 3 +BOOL +0 +0$' out || fail "no empty tensor: $(cat out)"
run 0 scan odd.safetensors

finish
