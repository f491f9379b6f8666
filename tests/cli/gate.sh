#!/usr/bin/env bash
# One verdict in all that a pipeline reads: console, JSON, page, SARIF, JUnit, Markdown and exit status; and with a baseline only what is
# new counts.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python
schemas=$(dirname "${BASH_SOURCE[0]}")/../schemas

# fits_xsd FILE  where xmllint is there, the file is as tests/schemas/junit.xsd says
fits_xsd() {
    if command -v xmllint >/dev/null; then
        xmllint --noout --schema "$schemas/junit.xsd" "$1" 2>xmllint.txt || fail "$1: $(head -n 3 xmllint.txt)"
        rm -f xmllint.txt
    fi
}

# fits_standard FILE  where WEIGHTSCOPE_SARIF_SCHEMA names the schema that OASIS publishes, a SARIF file is as that says too
fits_standard() {
    if [ -n "${WEIGHTSCOPE_SARIF_SCHEMA-}" ]; then
        python3 -c '
import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' "$1" "$WEIGHTSCOPE_SARIF_SCHEMA" || fail "$1 does not fit the standard"
    fi
}

# written STATUS ARGUMENT...  a verdict in all forms, as files named all.*
written() {
    run "$@" --output all.json --html all.html --sarif all.sarif --junit all.xml --markdown all.md --plans all.plans
    fits_schema all.json scan
    fits_schema all.sarif sarif
    fits_standard all.sarif
    fits_schema all.plans plans
    fits_xsd all.xml
}

# agree FAIL_ON STATUS  what the forms tell is the same
agree() {
    python3 - "$@" <<'PYTHON' || fail "the forms of the verdict disagree ($*)"
import html, json, re, sys, xml.etree.ElementTree as xml

fail_on, status = sys.argv[1], int(sys.argv[2])
scan = json.load(open("all.json"))
health = scan["health"]
findings = [(level, f["rule"], f["layer"]) for level in ("critical", "warning", "info") for f in health[level]]
console, page, markdown = open("out").read(), open("all.html").read(), open("all.md").read()
words = f"Health {health['score']}/100, {health['grade']}: {health['recommendation']}"
assert console.startswith(words) and markdown.startswith("## " + words) and f"<h1>{words}</h1>" in page, words

run = json.load(open("all.sarif"))["runs"][0]
level = {"error": "critical", "warning": "warning", "note": "info"}
told = [(level[r["level"]], r["ruleId"], r["locations"][0].get("logicalLocations", [{"name": None}])[0]["name"]) for r in run["results"]]
assert told == findings, (told, findings)
assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
assert run["properties"]["score"] == health["score"] and run["properties"]["grade"] == health["grade"]
prints = [r["partialFingerprints"]["ruleAndLayer/v1"] for r in run["results"]]
assert len(set(prints)) == len(prints)

data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
in_page = [(f["level"], f["rule"]) for f in data["findings"]]
assert in_page == [f[:2] for f in findings]
of_layers = {(layer["n"], data["findings"][k]["rule"]) for layer in data["layers"] for k in layer.get("f", [])}
assert of_layers == {(layer, rule) for _, rule, layer in findings if layer}, of_layers

rows = re.findall(r"^\| (critical|warning|info) \| `*(.*?)`* \| `(.*?)` \|", markdown, re.M)
assert [(a, c, None if b == "the model" else b) for a, b, c in rows] == findings, rows

# what counts, counts everywhere
news = None
if "baseline" in scan:
    news = {(f["rule"], f["layer"]) for f in scan["baseline"]["new"]}
    states = {(r["ruleId"], r["locations"][0].get("logicalLocations", [{"name": None}])[0]["name"]): r["baselineState"] for r in run["results"]}
    worse = {(f["rule"], f["layer"]) for f in scan["baseline"]["new"] if f["state"] == "worse"}
    assert {k for k, state in states.items() if state == "new"} == news - worse and all(states[k] == "updated" for k in worse), states
    assert {(f["rule"], f.get("state")) for f in data["findings"] if f["state"] in ("new", "worse")} == {(f["rule"], f["state"]) for f in scan["baseline"]["new"]}
    line = "Against {}: {} new, {} worse, {} known, {} resolved".format(scan["baseline"]["path"], scan["baseline"]["new_count"], scan["baseline"]["worse_count"],
                                                                       scan["baseline"]["known_count"] + scan["baseline"]["milder_count"], scan["baseline"]["resolved_count"])
    assert line in console and line in page and line.replace(scan["baseline"]["path"], f"`{scan['baseline']['path']}`") in markdown, line
counted = {"never": (), "critical": ("critical",), "warning": ("critical", "warning")}[fail_on]
failing = {(rule, layer) for level, rule, layer in findings if level in counted and (news is None or (rule, layer) in news)}
suite = xml.parse("all.xml").getroot().find("testsuite")
cases = suite.findall("testcase")
assert {c.get("name") for c in cases if c.find("failure") is not None} == {layer or "the model" for _, layer in failing}, failing
assert {c.find("failure").get("type") for c in cases if c.find("failure") is not None} <= {rule for rule, _ in failing}
assert int(suite.get("tests")) == len(cases) == len(scan["layers"]) + 1 and int(suite.get("failures")) == len({layer for _, layer in failing})
assert {p.get("name"): p.get("value") for p in suite.iter("property")} == {"score": str(health["score"]), "grade": health["grade"], "recommendation": health["recommendation"]}
assert (1 if failing else 0) == status, (failing, status)

plans = json.load(open("all.plans"))
matrices = [name for name, layer in scan["layers"].items() if "quantization" in layer and len(layer["shape"]) >= 2 and not layer["dtype"].startswith("I")]
assert [layer["name"] for layer in plans["quantization"]["layers"]] == matrices
assert sum(f["layers"] for f in plans["quantization"]["formats"]) == len(matrices)
PYTHON
}

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output scan.json
for gate in "never 0" "critical 1" "warning 1"; do
    # shellcheck disable=SC2086  # two words
    set -- $gate
    written "$2" report scan.json --fail-on "$1"
    agree "$1" "$2"
done
cp all.sarif first.sarif
written 1 scan m.safetensors --fail-on critical
agree critical 1
cmp -s all.sarif first.sarif || fail "the SARIF of a scan differs from that of the saved one"
written 1 report scan.json --fail-on warning --preset classic --threshold condition_number.warning=1e3
agree warning 1

# with itself as the baseline nothing is new
written 0 report scan.json --fail-on warning --baseline scan.json
agree warning 0
prints "Against scan.json: 0 new, 0 worse, 6 known, 0 resolved" out

# earlier: one illness less, one less severe, one more
python3 - <<'PYTHON' || fail "no baseline"
import json
scan = json.load(open("scan.json"))
layers = scan["layers"]
del layers["transformer.wpe.weight"]                                                          # outliers: new
dead = layers["transformer.h.0.mlp.c_fc.weight"]["sparsity"]["structured_sparsity"]
dead["dead_rows_percentage"] = 20.0                                                           # dead_rows: milder now
layers["transformer.h.2.mlp.c_proj.weight"]["spectral"]["numerical_rank"] = 90                # low_rank: worse now
zero = layers["transformer.h.3.mlp.c_fc.weight"]["basic_stats"]
zero["mean"] = zero["std"] = zero["min"] = zero["max"] = 0.0
zero["zeros_percentage"], zero["zero_count"] = 100.0, zero["count"]                           # all_zero: resolved
json.dump(scan, open("before.json", "w"))
PYTHON
written 1 report scan.json --fail-on critical --baseline before.json
agree critical 1
prints "Against before.json: 1 new, 1 worse, 4 known, 1 resolved" out
prints "worse critical    transformer.h.2.mlp.c_proj.weight  low_rank" out
prints "new warning       transformer.wpe.weight  outliers" out
prints "resolved critical transformer.h.3.mlp.c_fc.weight  all_zero" out
prints "transformer.h.3.mlp.c_fc.weight all_zero" all.html
prints "resolved: \`transformer.h.3.mlp.c_fc.weight\` \`all_zero\`" all.md
written 1 scan m.safetensors --fail-on warning --baseline before.json
agree warning 1
written 0 scan m.safetensors --fail-on critical --baseline before.json --exclude mlp.c_proj
agree critical 0
# the baseline is judged by the rules of the day: what they excuse now is not resolved, and what they find now was there before
run 0 report scan.json --fail-on critical --baseline scan.json --threshold near_singular.critical=10
prints "0 new, 0 worse, 6 known, 0 resolved" out

# every table of it as CSV
run 0 report scan.json --baseline before.json --tables tables --quiet
[ "$(cd tables && echo *)" = "beside-the-baseline.csv condition-numbers.csv findings.csv formats-to-quantize-to.csv heavy-tails.csv quantization.csv ranks-of-two-factors.csv rules.csv sparsity.csv" ] \
    || fail "tables: $(cd tables && echo *)"
python3 - <<'PYTHON' || fail "the tables"
import csv, json
read = lambda name: list(csv.DictReader(open(f"tables/{name}.csv", newline="")))
health = json.load(open("scan.json"))["health"]
told = [(f["rule"], f["layer"] or "") for level in ("critical", "warning", "info") for f in health[level]]
assert [(row["rule"], row["layer"]) for row in read("findings")] == told
states = [row["state"] for row in read("beside-the-baseline")]
assert states.count("new") == 1 and states.count("worse") == 1 and states.count("resolved") == 1, states
assert len(read("beside-the-baseline")) == len(told) + 1
assert [row["rule"] for row in read("rules")] == [rule["id"] for rule in health["rules"]]
PYTHON
rm -r tables

# names that are no names, and paths that need care
python3 - <<'PYTHON'
import json
scan = json.load(open("scan.json"))
sick = scan["layers"]["transformer.h.3.attn.c_attn.weight"]
scan["layers"] = {name: sick for name in ["]]>&<x a='\"'>", "a|b`c``d`@everyone <b>", "line\nbreak\u0007", "", "\u202eevil", "[x](http://y)"]}
scan["model"]["path"] = "../a folder/50% <done>#1?.safetensors"
json.dump(scan, open("odd.json", "w"))
PYTHON
run 0 report odd.json --sarif odd.sarif --junit odd.xml --markdown odd.md
fits_schema odd.sarif sarif
fits_standard odd.sarif
fits_xsd odd.xml
python3 - <<'PYTHON' || fail "odd names"
import json, re, xml.etree.ElementTree as xml
run = json.load(open("odd.sarif"))["runs"][0]
assert run["artifacts"][0]["location"]["uri"] == "../a%20folder/50%25%20%3Cdone%3E%231%3F.safetensors", run["artifacts"]
names = [c.get("name") for c in xml.parse("odd.xml").getroot().iter("testcase")]
assert names == ["the model", "]]>&<x a='\"'>", "a|b`c``d`@everyone <b>", "line\\u{a}break\\u{7}", "(no name)", "\\u{202e}evil", "[x](http://y)"], names
text = open("odd.md").read()
rows = [line for line in text.splitlines() if line.startswith("| critical")]
assert len(rows) == 6, rows
assert "``` a\\|b`c``d`@everyone <b> ```" in rows[1], rows[1]          # code: nobody is called, nothing is markup
outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
assert "@" not in outside and "<" not in outside, outside
PYTHON

# a finding is in the shard that holds its layer, and all files of the model are artifacts
python3 - <<'PYTHON'
import json, os, struct
data = open("m.safetensors", "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header, body = json.loads(data[8:8 + length]), data[8 + length:]
metadata, names = header.pop("__metadata__", None), list(header)
os.mkdir("sharded model")
index = {}
for k in range(2):
    entries, blob = {}, b""
    for name in names[k::2]:
        begin, end = header[name]["data_offsets"]
        entries[name] = dict(header[name], data_offsets=[len(blob), len(blob) + end - begin])
        blob += body[begin:end]
        index[name] = f"model-0000{k + 1}-of-00002.safetensors"
    text = json.dumps(entries).encode()
    open(f"sharded model/model-0000{k + 1}-of-00002.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + blob)
json.dump({"weight_map": index}, open("sharded model/model.safetensors.index.json", "w"))
PYTHON
run 0 scan "sharded model" --output shards.json --sarif shards.sarif --html shards.html --quiet
fits_schema shards.json scan
fits_schema shards.sarif sarif
fits_standard shards.sarif
python3 - <<'PYTHON' || fail "the shards"
import json
index = json.load(open("sharded model/model.safetensors.index.json"))["weight_map"]
scan, run = json.load(open("shards.json")), json.load(open("shards.sarif"))["runs"][0]
assert all(layer["file"].endswith("/" + index[name]) for name, layer in scan["layers"].items())
uris = [artifact["location"]["uri"] for artifact in run["artifacts"]]
assert uris[0] == "sharded%20model" and sorted(uris[1:]) == [f"sharded%20model/model-0000{k}-of-00002.safetensors" for k in (1, 2)], uris
assert len({index[r["locations"][0]["logicalLocations"][0]["name"]] for r in run["results"] if "logicalLocations" in r["locations"][0]}) == 2
for result in run["results"]:
    place = result["locations"][0]
    uri, layer = place["physicalLocation"]["artifactLocation"]["uri"], place.get("logicalLocations", [{"name": None}])[0]["name"]
    assert uri == ("sharded%20model/" + index[layer] if layer else "sharded%20model"), (uri, layer)
    assert uris[place["physicalLocation"]["artifactLocation"]["index"]] == uri
PYTHON
prints "Lies in sharded model/model-00001-of-00002.safetensors" shards.html
rm -r "sharded model" shards.json shards.sarif shards.html

# what cannot be read or written is told before the work
refuses 3 "nowhere.json: *" scan m.safetensors --baseline nowhere.json
refuses 3 "m.safetensors: *" report scan.json --baseline m.safetensors
refuses 4 "nowhere/x.sarif: *" scan m.safetensors --sarif nowhere/x.sarif
refuses 2 "*both name 'x'; give each its own file" scan m.safetensors --junit x --markdown x
run 0 report scan.json --junit -
[ "$(head -c 5 out)" = "<?xml" ] || fail "--junit - printed something before the document"
run 0 scan m.safetensors --baseline scan.json --output scan.json --quiet    # a baseline may be renewed in place
nothing_but all.html all.json all.md all.plans all.sarif all.xml before.json first.sarif m.safetensors odd.json odd.md odd.sarif odd.xml scan.json

# the tables of a comparison and of a series too
python3 - <<'PYTHON'
import random, struct
data = bytearray(open("m.safetensors", "rb").read())
stream, start = random.Random(1), 8 + struct.unpack("<Q", data[:8])[0]
for at in range(start, start + 400000, 4):      # the first tensor and a bit, each weight changed by up to a tenth
    data[at:at + 4] = struct.pack("<f", struct.unpack("<f", data[at:at + 4])[0] * stream.uniform(0.9, 1.1))
open("other.safetensors", "wb").write(data)
PYTHON
run 0 compare m.safetensors other.safetensors --markdown compare.md --csv compare.csv
grep -qF "## $(head -n 1 out)" compare.md || fail "compare --markdown begins with: $(head -n 1 compare.md), expected $(head -n 1 out)"
prints "| most changed layers |" compare.md
run 0 watch m.safetensors other.safetensors --no-spectral --markdown watch.md --quiet
prints "## 2 checkpoints, 0 critical findings, " watch.md
prints "| moved most |" watch.md

finish
