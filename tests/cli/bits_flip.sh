#!/usr/bin/env bash
# bits flip changes the bits of a plan in a copy, and nothing else; --revert gives the very file back.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

python3 - <<'PYTHON'
import json, struct
data = struct.pack("<4f", 1, -2, 0.5, 4) + struct.pack("<3H", 0x3c00, 0x9b59, 0)
header = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "h": {"dtype": "F16", "shape": [3], "data_offsets": [16, 22]}}
text = json.dumps(header).encode()
open("m.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
flips = [{"name": "h", "flat": 1, "bit": 14, "old": -0.0035877227783203125, "new": -235.125}, {"name": "w", "flat": 0, "bit": 30, "old": 1.0, "new": None},
         {"name": "w", "flat": 3, "bit": 31}]
json.dump({"plan": flips, "ranked": flips[:1]}, open("plan.json", "w"))
json.dump({"plan": [dict(flips[0], old=1.0), dict(flips[1], name="x"), flips[2]]}, open("wrong.json", "w"))
PYTHON

run 0 bits flip m.safetensors --plan plan.json --write flipped.safetensors --output made.json
for text in "requested 3, applied 3, skipped 0, non-finite 1" "the plan tells no old value for 1 of them" "-235.125" "0x9b59" "0xdb59" \
    "written to flipped.safetensors"; do
    prints "$text" out
done
fits_schema made.json bits_plan
cmp -l m.safetensors flipped.safetensors >differences
[ "$(wc -l <differences)" -eq 3 ] || fail "not three bytes differ: $(cat differences)"
run 0 bits flip flipped.safetensors --plan made.json --revert --write back.safetensors
cmp m.safetensors back.safetensors || fail "--revert does not give the file back"

# one bit; a part of a plan; only a look
run 0 bits flip m.safetensors --tensor h --index 1 --bit 14 --write one.safetensors --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
[ "$(cmp -l m.safetensors one.safetensors | wc -l)" -eq 1 ] || fail "not one byte differs"
run 0 bits flip m.safetensors --plan plan.json --top 1 --write first.safetensors
cmp one.safetensors first.safetensors || fail "--top 1 is not the first flip"
run 0 bits flip m.safetensors --plan plan.json --source ranked --write first.safetensors
cmp one.safetensors first.safetensors || fail "--source ranked is not the other list"
run 0 bits flip m.safetensors --plan plan.json --dry-run --output again.json
prints "requested 3, applied 3, skipped 0, non-finite 1" out
cmp made.json again.json || fail "--dry-run plans something else"

# what does not fit is refused, or passed over and told
refuses 3 "m.safetensors: plan entry 0 ('h' \[1\] code bit 14): found the value -0.0035877227783203125, expected 1; the plan was made for another model" \
    bits flip m.safetensors --plan wrong.json --write no.safetensors
refuses 3 "flipped.safetensors: plan entry 0 *; the plan has been applied already" bits flip flipped.safetensors --plan made.json --write no.safetensors
refuses 3 "m.safetensors: plan entry 0 *; the plan has not been applied to it" bits flip m.safetensors --plan made.json --revert --write no.safetensors
run 0 bits flip m.safetensors --plan wrong.json --lenient --write lenient.safetensors
prints "requested 3, applied 1, skipped 2, non-finite 0" out
prints "passed over 'x' [0] code bit 30: the model has no such tensor" out

refuses 2 "what to flip is not clear: give --plan, or --tensor with --index and --bit" bits flip m.safetensors --write no.safetensors
refuses 2 "--write is missing: name the copy that gets the flips, or take --dry-run to see what they would be" bits flip m.safetensors --plan plan.json
refuses 2 "--dry-run writes nothing; leave out --write or --dry-run" bits flip m.safetensors --plan plan.json --write no.safetensors --dry-run
refuses 2 "--tensor: the model has none that is named 'x'; list them with: weightscope inspect m.safetensors" \
    bits flip m.safetensors --tensor x --write no.safetensors
refuses 2 "bit is 16, expected 0 to 15" bits flip m.safetensors --tensor h --bit 16 --write no.safetensors
refuses 2 "found 3, expected less than 3" bits flip m.safetensors --tensor h --index 3 --bit 1 --write no.safetensors
refuses 2 "--bit: '64' is no whole number from 0 to 63; see: weightscope bits flip --help" bits flip m.safetensors --tensor h --bit 64 --write no
refuses 2 "m.safetensors: is the model itself; name another file for the result" bits flip m.safetensors --tensor h --write m.safetensors
refuses 2 "--write: '-' is no file name; a model cannot go to stdout; see: *" bits flip m.safetensors --tensor h --write -
refuses 3 "nowhere.json: *" bits flip m.safetensors --plan nowhere.json --write no.safetensors
refuses 4 "missing/no: cannot be written: *; create its folder first" bits flip m.safetensors --tensor h --write missing/no
nothing_but m.safetensors plan.json wrong.json flipped.safetensors made.json differences back.safetensors one.safetensors first.safetensors \
    again.json lenient.safetensors
run 0 bits flip --help
for option in --plan --source --top --model --tensor --index --bit --part --write --revert --lenient --dry-run --output --quiet --data --evaluator \
    --num-val-batches; do
    prints "$option" out
done
finish
