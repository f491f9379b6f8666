#!/usr/bin/env bash
# Charts appear file by file in a folder, with their data beside, the same from a scan and from a saved one; PNG where it can be made.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output scan.json --charts charts/of/scan
prints "Charts in charts/of/scan, each with its data as CSV:" out
[ ! -s err ] || fail "a scan with charts printed on stderr: $(cat err)"
for name in health_dashboard condition_heatmap rank_efficiency quantization_risk; do
    prints "  $name.svg" out
    [[ -s charts/of/scan/$name.svg && -s charts/of/scan/$name.csv ]] || fail "no $name"
done
details=charts/of/scan/layer_details
for kind in distribution singular_values heatmap; do
    [ -s "$details/transformer.h.2.mlp.c_proj.weight_$kind.svg" ] || fail "no $kind of the layer with the worst finding"
done
# every file is a pair of picture and table, and the tool listed each picture
listed=$(grep -c '^  .*\.svg$' out)
[ "$(find charts -name '*.svg' | wc -l)" -eq "$listed" ] || fail "$listed charts listed, others found"
[ "$(find charts -type f | wc -l)" -eq $((2 * listed)) ] || fail "other files than pictures and their tables: $(find charts -type f)"

# each illness is named in the chart that is about it
illness() {
    python3 - "$1" "$2" <<'PYTHON' || fail "$1 shows no $2"
import sys, xml.etree.ElementTree as xml
words = "\n".join(e.text or "" for e in xml.parse(sys.argv[1]).iter())
sys.exit(sys.argv[2] not in words)
PYTHON
}
dashboard=charts/of/scan/health_dashboard.svg
for rule in low_rank nonfinite outliers dead_rows near_singular tied_copy; do
    illness $dashboard "($rule)"
done
illness charts/of/scan/condition_heatmap.svg "transformer.h.1.attn.c_proj.weight [192x192]: condition number"
illness charts/of/scan/condition_heatmap.svg "(warning: condition number:"
illness charts/of/scan/rank_efficiency.svg "(critical: numerical rank"
illness charts/of/scan/quantization_risk.svg "transformer.wpe.weight"
illness charts/of/scan/quantization_risk.svg "(warning: extreme outliers:"
python3 - <<'PYTHON' || fail "the pictures"
import json, pathlib, re, xml.etree.ElementTree as xml
for path in pathlib.Path("charts").rglob("*.svg"):
    for e in xml.parse(path).iter():
        assert e.tag.split("}")[1] in ("svg", "title", "rect", "circle", "polyline", "text"), (path, e.tag)
        assert not any(key.startswith("on") or "href" in key for key in e.attrib), (path, e.attrib)
layers = json.load(open("scan.json"))["layers"]
import csv
for row in csv.DictReader(open("charts/of/scan/quantization_risk.csv")):
    assert float(row["sqnr_db"]) == layers[row["name"]]["quantization"]["sqnr_db"], row
    assert float(row["extreme_outlier_percentage"]) == layers[row["name"]]["quantization"]["extreme_outlier_percentage"], row
PYTHON

# from the saved scan: what the whole model shows is the same to the byte
run 0 report scan.json --charts again --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
for file in health_dashboard condition_heatmap rank_efficiency quantization_risk; do
    for kind in svg csv; do
        cmp -s "charts/of/scan/$file.$kind" "again/$file.$kind" || fail "$file.$kind differs between a scan and its saved one"
    done
done
run 0 report scan.json --charts again --fail-on never       # over the files that are there
rm -r again

# schemes by size and error
run 0 quantize m.safetensors --scheme int8-per-channel-sym --scheme int4-g64 --charts quantize
prints "  scheme_errors.svg" out
illness quantize/scheme_errors.svg "int4-g64"
[ "$(wc -l <quantize/scheme_errors.csv)" -eq 3 ] || fail "scheme_errors.csv: $(cat quantize/scheme_errors.csv)"

# PNG, or SVG and one warning where there is no converter
mkdir empty
PATH=$PWD/empty run 0 report scan.json --charts png --charts-format png
[ "$(cat err)" = "weightscope: warning: no PNG is written, but SVG: rsvg-convert cannot be run; install it, on Debian and Ubuntu with: apt install librsvg2-bin" ] \
    || fail "without a converter: $(cat err)"
[ -s png/health_dashboard.svg ] || fail "no SVG in the place of PNG"
if command -v rsvg-convert >/dev/null; then
    run 0 report scan.json --charts both --charts-format both
    [[ $(head -c 4 both/health_dashboard.png) == *PNG && -s both/health_dashboard.svg ]] || fail "no PNG and SVG"
    [ ! -s err ] || fail "PNG printed on stderr: $(cat err)"
fi
rm -rf png both empty quantize

# a name that would be a script in a page, or a path
python3 - <<'PYTHON'
import json, random, struct
names = ["');alert(1)//<b>", "../../outside", "a/b", "\x1b[2J"]
header = {name: {"dtype": "I8", "shape": [16, 16], "data_offsets": [256 * i, 256 * (i + 1)]} for i, name in enumerate(names)}
text = json.dumps(header).encode()
open("hostile.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + random.Random(1).randbytes(1024))
PYTHON
run 0 scan hostile.safetensors --charts hostile
grep -rlE '<(script|b)>|alert\(1\)//<' hostile --include='*.svg' && fail "a name is more than text"
[ -s "hostile/layer_details/%27%29%3Balert%281%29%2F%2F%3Cb%3E_distribution.svg" ] || fail "no chart of the hostile name: $(find hostile)"
[ -s "hostile/layer_details/%2E.%2F..%2Foutside_distribution.svg" ] || fail "no chart of the name with a path"
rm -r hostile

# known before anything is read
echo text >file
refuses 4 "file: the folder cannot be made: *; name a folder that exists or can be made" scan nowhere.safetensors --charts file
refuses 4 "file/below: the folder cannot be made: *" report nowhere.json --charts file/below
refuses 4 "file: the folder cannot be made: *" quantize nowhere.safetensors --charts file
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod a-w locked
    refuses 4 "locked/charts: cannot be written: *; choose a folder that you may write to" report scan.json --charts locked
    rmdir locked
fi
refuses 2 "--charts-format: 'gif' is none of svg, png, both; see: weightscope report --help" report scan.json --charts-format gif
nothing_but charts file hostile.safetensors m.safetensors scan.json
finish
