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
grep -Eq '^F32 +53 +[0-9,]+ +[0-9,]+ +32$' out || fail "no line for F32: $(tail -n 4 out)"
nothing_but list.csv list.json m.safetensors
[ "$(sed -n 2p list.csv)" = "transformer.wte.weight,2048x192,F32,393216,1572864,,,32" ] || fail "list.csv: $(sed -n 2p list.csv)"
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
assert found["model"]["bits_per_weight"] == found["dtypes"]["F32"]["bits_per_weight"] == 32, found["model"]
assert found["model"]["parts"] == 0 and found["model"]["notes"] == [] and "block" not in found["dtypes"]["F32"], found["model"]
PYTHON

run 0 inspect m.safetensors --include 'ln_[12]' --exclude 'h\.[1-3]\.' --restrict bias --csv -
[ "$(cut -d, -f 1 out | tr '\n' ' ')" = "name transformer.h.0.ln_1.bias transformer.h.0.ln_2.bias " ] || fail "filters: $(cat out)"

# a GGUF file: what the blocks of each type cost, and which are listed only
python3 - <<'PYTHON'
import struct

def text(t):
    return struct.pack("<Q", len(t)) + t.encode()

# extents innermost first, number of the type, bytes
tensors = [("token_embd.weight", [64, 4], 2, 8 * 18), ("blk.0.ffn_up.weight", [256, 3], 17, 3 * 74),
           ("blk.0.ffn_down.weight", [256, 2], 12, 2 * 144), ("output_norm.weight", [64], 0, 256)]
header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + text("general.architecture") + struct.pack("<I", 8) + text("llama")
offset, data = 0, b""
for name, extents, kind, size in tensors:
    header += text(name) + struct.pack("<I", len(extents)) + struct.pack(f"<{len(extents)}Q", *extents) + struct.pack("<IQ", kind, len(data))
    data += bytes(size) + bytes(-size % 32)
open("m.gguf", "wb").write(header + bytes(-len(header) % 32) + data)
PYTHON
run 0 inspect m.gguf --output gguf.json --csv gguf.csv
prints "m.gguf: GGUF v3, llama" out
grep -Eq '^blk\.0\.ffn_down\.weight +2 x 256 +Q4_K +512 +288$' out || fail "no line for ffn_down: $(cat out)"
grep -Eq '^Q4_K +1 +512 +288 +4\.5$' out || fail "no line for Q4_K: $(cat out)"
grep -Eq '^all +4 +1,600 +910 +4\.55$' out || fail "no line for all: $(cat out)"  # 8 · 910 / 1600
prints "Q4_0: 32 weights in 18 bytes, 4.5 bits per weight" out
prints "Q4_K: 256 weights in 144 bytes, 4.5 bits per weight" out
prints "IQ2_XS: 256 weights in 74 bytes, 2.3125 bits per weight; listed only: what its codes stand for is not known here" out
[ "$(sed -n 3p gguf.csv)" = "blk.0.ffn_up.weight,3x256,IQ2_XS,768,222,,,2.3125" ] || fail "gguf.csv: $(sed -n 3p gguf.csv)"
fits_schema gguf.json inspect
python3 - <<'PYTHON' || fail "gguf.json"
import json

found = json.load(open("gguf.json"))
assert found["model"]["format"] == "GGUF v3" and found["model"]["architecture"] == "llama", found["model"]
assert found["model"]["bits_per_weight"] == 4.55, found["model"]
assert found["metadata"] == {"general.architecture": "llama"}, found["metadata"]
assert found["dtypes"]["Q4_K"] == {"tensors": 1, "parameters": 512, "bytes": 288, "bits_per_weight": 4.5,
                                   "block": {"weights": 256, "bytes": 144}}, found["dtypes"]
assert found["dtypes"]["IQ2_XS"]["listed_only"] and "block" not in found["dtypes"]["F32"], found["dtypes"]
embedding, up = found["tensors"][:2]
assert embedding["shape"] == [4, 64] and embedding["dtype"] == "Q4_0" and embedding["decoded_as"] == "F32", embedding
assert up["dtype"] == "IQ2_XS" and "decoded_as" not in up and up["bytes"] == 222, up
PYTHON

# codes and scales of a tensor are listed, but not counted beside it
python3 - <<'PYTHON'
import json, struct
header = {"l.weight": {"dtype": "F8_E4M3", "shape": [128, 256], "data_offsets": [0, 32768]},
          "l.weight_scale_inv": {"dtype": "F32", "shape": [1, 2], "data_offsets": [32768, 32776]}}
text = json.dumps(header).encode()
open("fp8.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + bytes(32768) + struct.pack("<2f", 1, 2))
PYTHON
run 0 inspect fp8.safetensors --output fp8.json --csv fp8.csv
grep -Eq '^l\.weight_scale_inv \(part of l\.weight\) +1 x 2 +F32 +2 +8$' out || fail "no part: $(cat out)"
grep -Eq '^all +1 +32,768 +32,776 +8\.002$' out || fail "parts are counted: $(cat out)"  # 8 · 32776 / 32768
grep -Eq '^tensors that are codes or scales of others, not counted: [0-9]+$' out || fail "no word on parts: $(cat out)"
grep -q '^l.weight_scale_inv,1x2,F32,2,8,,l.weight,32$' fp8.csv || fail "fp8.csv: $(cat fp8.csv)"
fits_schema fp8.json inspect
python3 - <<'PYTHON' || fail "fp8.json"
import json

found = json.load(open("fp8.json"))
weight = next(t for t in found["tensors"] if t["name"] == "l.weight")
assert weight["decoded_as"] == "F32" and weight["bytes"] == 32776 and "part_of" not in weight, weight
assert all(t["part_of"] == "l.weight" for t in found["tensors"] if t is not weight), found["tensors"]
assert found["model"]["tensors"] == 1 and found["model"]["parts"] == len(found["tensors"]) - 1 > 0, found["model"]
PYTHON

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
