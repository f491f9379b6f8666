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
ln -s loop.safetensors loop.safetensors

for command in inspect scan; do
    refuses 3 "missing.safetensors: no such file or folder; check the path" $command missing.safetensors
    refuses 3 "some/model: no such file or folder, and no such model in the Hugging Face cache '$HF_HUB_CACHE*'; *huggingface-cli download some/model" \
        $command some/model
    refuses 3 "empty: holds no model: looked for model.safetensors.index.json, *" $command empty
    refuses 3 "cut.safetensors: byte *: tensor 'transformer.*': data_offsets: *" $command cut.safetensors
    refuses 3 "cut_in_header.safetensors: byte 500: header: the file ends after 492 of * bytes of it; download or write the file again" $command cut_in_header.safetensors
    refuses 3 "cut_in_length.safetensors: *" $command cut_in_length.safetensors
    refuses 3 "nothing.safetensors: *" $command nothing.safetensors
    refuses 3 "story.txt: *reads safetensors only" $command story.txt
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

finish
