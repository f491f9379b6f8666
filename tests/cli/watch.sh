#!/usr/bin/env bash
# watch follows a series of checkpoints, in natural order, and a folder that training writes to.
set -u
set -m  # jobs of their own group, which do not ignore SIGINT
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

export COLUMNS=500  # no line is broken, wherever the checkout lies
cat >write.py <<'PYTHON'
# write.py PATH FACTOR NOISE [BYTES]  a checkpoint of two layers: those of the base times FACTOR, and noise; only so many bytes of it
import json, os, random, struct, sys

path, factor, noise = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
base, stream = random.Random(1), random.Random(path)
header, data = {}, b""
for name in ("a.weight", "b.weight"):
    values = [factor * base.gauss(0, 0.05) + noise * stream.gauss(0, 0.05) for _ in range(30 * 20)]
    if name == "b.weight" and factor == 0:
        values[3] = float("inf")
    raw = struct.pack(f"<{len(values)}f", *values)
    header[name] = {"dtype": "F32", "shape": [30, 20], "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
whole = struct.pack("<Q", len(text)) + text + data
if os.path.dirname(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, "wb").write(whole[:int(sys.argv[4])] if len(sys.argv) > 4 else whole)
PYTHON
python3 write.py run/step-2/model.safetensors 1 0
python3 write.py run/step-10/model.safetensors 1 0.02
python3 write.py run/step-9/model.safetensors 1 0.01

run 0 watch run --output series.json --csv series.csv
fits_schema series.json watch
[ "$(head -n 3 out | cut -d: -f 1 | tr '\n' ' ')" = "step-2 step-9 step-10 " ] || fail "order: $(head -n 3 out)"
prints "3 checkpoints, 0 critical findings, 0 warnings" out
[ "$(wc -l <series.csv)" -eq 7 ] || fail "$(wc -l <series.csv) lines in series.csv"
python3 - <<'PYTHON' || fail "series.json"
import json
r = json.load(open("series.json"))
first, second, third = r["checkpoints"]
assert first["layers"]["a.weight"]["relative_l2_distance"] is None and first["layers"]["a.weight"]["relative_l2_distance_reason"]
assert abs(second["layers"]["a.weight"]["relative_l2_distance"] - 0.01) < 0.002, second["layers"]["a.weight"]
assert abs(third["layers"]["a.weight"]["relative_l2_distance"] - 5 ** 0.5 / 100) < 0.004, third["layers"]["a.weight"]
assert third["layers"]["a.weight"]["max_singular_value"] > third["layers"]["a.weight"]["l2_norm"] / 20 ** 0.5
PYTHON

# growth, collapse, explosion, stall, what is not finite
for case in "3:growth" "0.3:collapse" "20:explosion" "1:frozen" "0:appeared_nonfinite"; do
    python3 write.py then.safetensors "${case%%:*}" 0
    run 0 watch run/step-2 then.safetensors
    prints "${case#*:}" out
done
run 1 watch run/step-2 then.safetensors --fail-on critical
python3 write.py then.safetensors 1 0
run 1 watch run/step-2 then.safetensors --fail-on warning
prints "stall" out
run 0 watch run/step-2 then.safetensors --fail-on warning --threshold stall.warning=none
run 0 watch run --charts charts --quiet
[ -s charts/training_evolution.svg ] || fail "no chart"
rm -r charts

# a folder that training writes to: a file that is not whole is left until it is
mkdir live
python3 write.py live/c1.safetensors 1 0
"$WEIGHTSCOPE" watch live --follow --interval 0.1 --idle-limit 20 --output live.json >follow.out 2>follow.err &
pid=$!
for _ in $(seq 200); do grep -q c1 follow.out && break; sleep 0.1; done
grep -q c1 follow.out || fail "c1 was not seen"
python3 write.py live/c2.safetensors 1 0.1 2000
sleep 1
grep -q c2 follow.out && fail "c2 was taken before it was whole"
python3 write.py live/c2.safetensors 1 0.1
for _ in $(seq 200); do grep -q c2 follow.out && break; sleep 0.1; done
grep -q c2 follow.out || fail "c2 was not seen; $(cat follow.err)"
sleep 0.5
kill -INT "$pid"
wait "$pid"
status=$?
[ "$status" -eq 130 ] || fail "exit status $status after Ctrl-C, expected 130"
fits_schema live.json watch
python3 -c 'import json; assert [c["name"] for c in json.load(open("live.json"))["checkpoints"]] == ["c1.safetensors", "c2.safetensors"]' || fail "live.json"
run 0 watch live --follow --interval 0.05 --idle-limit 0.3
prints "2 checkpoints" out

refuses 2 "one checkpoint is no series; name two or more, or a folder that holds them" watch then.safetensors
refuses 2 "run/step-2: holds 1 checkpoint, expected two or more, *" watch run/step-2
refuses 2 "--include, --exclude and --restrict leave none of *; list them with: weightscope inspect then.safetensors" watch then.safetensors then.safetensors --include nothing
refuses 2 "--follow wants one folder" watch live then.safetensors --follow
refuses 3 "nowhere: *" watch then.safetensors nowhere
rm follow.out follow.err
nothing_but write.py run live live.json then.safetensors series.json series.csv
finish
