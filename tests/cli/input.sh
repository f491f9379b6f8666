#!/usr/bin/env bash
# What cannot be read is told in one line with exit status 3, and so are patterns that leave nothing, with 2.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
export HF_HUB_CACHE=$PWD/hub
unset HUGGINGFACE_HUB_CACHE HF_HOME

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
mkdir empty
head -c 1000000 m.safetensors >cut.safetensors
head -c 500 m.safetensors >cut_in_header.safetensors
head -c 4 m.safetensors >cut_in_length.safetensors
: >nothing.safetensors
echo "once upon a time" >story.txt
echo "version https://git-lfs.github.com/spec/v1" >pointer.onnx
echo "<!DOCTYPE html>" >page.gguf
mkdir two
cp story.txt two/a.onnx
cp story.txt two/b.onnx
ln -s loop.safetensors loop.safetensors

for command in inspect scan; do
    refuses 3 "missing.safetensors: no such file or folder; check the path" $command missing.safetensors
    refuses 3 "some/model: no such file or folder, and no such model in the Hugging Face cache '$HF_HUB_CACHE*'; *hf download some/model" \
        $command some/model
    refuses 3 "empty: holds no model: looked for model.safetensors.index.json, *" $command empty
    refuses 3 "cut.safetensors: byte *: tensor 'transformer.*': data_offsets: *" $command cut.safetensors
    refuses 3 "cut_in_header.safetensors: byte 500: header: the file ends after 492 of * bytes of it; download or write the file again" $command cut_in_header.safetensors
    refuses 3 "cut_in_length.safetensors: *" $command cut_in_length.safetensors
    refuses 3 "nothing.safetensors: *" $command nothing.safetensors
    refuses 3 "story.txt: begins with 'once upo', as no format that is known here does; this version reads safetensors, GGUF, ONNX, PyTorch (.pt, .pth, .bin), NPY and NPZ" \
        $command story.txt
    refuses 3 "pointer.onnx: is a Git-LFS pointer, not the model itself; fetch that with: git lfs pull" $command pointer.onnx
    refuses 3 "page.gguf: is an HTML page; download the file itself, not the page that shows it" $command page.gguf
    refuses 3 "two: holds 2 models, 'a.onnx', 'b.onnx'; open one of them" $command two
    refuses 3 "loop.safetensors: *" $command loop.safetensors
    refuses 2 "--include, --exclude and --restrict leave none of the 53 tensors (transformer.wte.weight, transformer.wpe.weight, transformer.h.0.ln_1.weight, ...); list them with: weightscope inspect m.safetensors" \
        $command m.safetensors --include attention
    refuses 2 "--include, --exclude and --restrict leave none of *" $command m.safetensors --exclude .
    refuses 2 "--include, --exclude and --restrict leave none of *" $command m.safetensors --restrict wte,wpe --exclude 'w.e'
done

# a folder, a link and the local hub cache lead to the same model
mkdir -p folder "hub/models--some--model/snapshots/abc" "hub/models--some--model/refs"
cp m.safetensors folder/model.safetensors
ln -s ../../../../m.safetensors "hub/models--some--model/snapshots/abc/model.safetensors"
printf abc >"hub/models--some--model/refs/main"
run 0 inspect m.safetensors --csv -
cp out table
for model in folder folder/ folder/model.safetensors some/model; do
    run 0 inspect "$model" --csv -
    cmp out table || fail "$model is another model than m.safetensors"
done

# one matrix in every format that a few lines can write has the same figures
if python3 -c 'import zipfile' 2>/dev/null; then
    python3 - <<'PYTHON'
import json, random, struct, zipfile

values = struct.pack("<96f", *(random.Random(1).gauss(0, 1) for _ in range(96)))
text = json.dumps({"w": {"dtype": "F32", "shape": [8, 12], "data_offsets": [0, 384]}}).encode()
open("same.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + values)

head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (8, 12), }\n"
array = b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + values
open("w.npy", "wb").write(array)
for name, method in (("stored.npz", zipfile.ZIP_STORED), ("deflated.npz", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(name, "w", method) as archive:
        archive.writestr("w.npy", array)


def field(number, content):  # of a protocol buffer: a number or bytes
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


tensor = field(1, 8) + field(1, 12) + field(2, 1) + field(8, b"w")
graphs = {"raw.onnx": field(9, values), "floats.onnx": field(4, values)}
graphs["external.onnx"] = field(13, field(1, b"location") + field(2, b"external.data")) + field(14, 1)
open("external.data", "wb").write(values)
for name, data in graphs.items():
    open(name, "wb").write(field(1, 10) + field(7, field(5, tensor + data) + field(2, b"g")) + field(8, field(2, 21)))
PYTHON
    run 0 scan same.safetensors --quiet --output same.json
    for model in w.npy stored.npz deflated.npz raw.onnx floats.onnx external.onnx; do
        run 0 scan "$model" --quiet --output other.json
        python3 - "$model" <<'PYTHON' || fail "$model has other figures than same.safetensors"
import json, sys

same, other = (json.load(open(name))["layers"]["w"] for name in ("same.json", "other.json"))
for layer in (same, other):
    layer.pop("dtype")
    layer.pop("seconds", None)
file = other.pop("file", "")    # named where it is not the model's own
sys.exit(same != other or file.endswith("external.data") != (sys.argv[1] == "external.onnx"))
PYTHON
    done
    refuses 3 "external.onnx: byte *: tensor 'w': external_data: the file 'external.data' is not there; download it as well" \
        inspect "$(mv external.data moved && echo external.onnx)"
fi

finish
