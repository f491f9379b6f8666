#!/usr/bin/env bash
# A saved scan tells what the scan told: the same text, the same status, the same document; and by other rules where wanted.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output scan.json
for options in "" "--fail-on critical" "--top-issues 2" "--preset classic --fail-on warning" "--threshold outliers.critical=1 --fail-on critical"; do
    expected=0
    # shellcheck disable=SC2086  # several words
    "$WEIGHTSCOPE" scan m.safetensors $options --output again.json >first 2>/dev/null || expected=$?
    # shellcheck disable=SC2086
    run "$expected" report again.json $options --output reported.json
    cmp -s first out || fail "report $options tells something else than the scan: $(diff first out | head -n 5)"
    cmp -s again.json reported.json || fail "report $options writes something else than the scan: $(diff again.json reported.json | head -n 5)"
done
rm again.json reported.json first

# a trained model in several types
sample=$(dirname "${BASH_SOURCE[0]}")/../../examples/data/trained_sample
run 0 scan "$sample" --output trained.json
cp out told
run 0 report trained.json --output reported.json
cmp -s told out || fail "the report on a trained model tells something else than its scan"
cmp -s trained.json reported.json || fail "the report on a trained model writes something else than its scan"
rm trained.json reported.json told

# rules can change after the scan
run 1 report scan.json --threshold near_singular.critical=10 --fail-on critical
run 0 report scan.json --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet printed something"
run 0 report scan.json --csv -
[[ $(head -c 5 out) == name, && $(wc -l <out) -eq 54 ]] || fail "--csv - printed no table alone"
run 0 report scan.json --output - --charts drawn
[ "$(head -c 1 out)" = "{" ] || fail "--output - printed something before the document"
[ -s drawn/health_dashboard.svg ] || fail "no chart beside --output -"
rm -r drawn

run 0 report --help
for option in SCAN.json --output --csv --quiet --preset --threshold --top-issues --fail-on --charts --charts-format --version --help; do
    prints "$option" out
done

# what is no scan
refuses 3 "nowhere.json: *" report nowhere.json
refuses 3 "m.safetensors: is no JSON text, and so no saved scan; a model is scanned by: weightscope scan FILE" report m.safetensors
refuses 3 "scan.json: schema: is weightscope/scan/1: what weightscope itself wrote, not weights; a saved scan is shown by: weightscope report FILE" scan scan.json
echo '{"schema": "weightscope/quantize/1"}' >other.json
refuses 3 "other.json: is no saved scan, its schema is 'weightscope/quantize/1'; write one with: weightscope scan MODEL --output FILE.json" report other.json
sed 's|weightscope/scan/1|weightscope/scan/2|' scan.json >newer.json
refuses 3 "newer.json: is a scan of version '2', expected 1; write one with: *" report newer.json
head -c 5000 scan.json >cut.json
refuses 3 "cut.json: byte 5000: the JSON text ends too early; *" report cut.json
sed 's|"layers": {|"layers": 7, "was": {|' scan.json >damaged.json
refuses 3 "damaged.json: layers: is 7, expected an object; scan the model again" report damaged.json
refuses 2 "*SCAN.json*required*; see: weightscope report --help" report
refuses 2 "./scan.json: is the saved scan itself; name another file for the result" report scan.json --output ./scan.json
refuses 2 "--output and --csv both name 'x'; give each its own file" report scan.json --output x --csv x
refuses 4 "missing/x.json: cannot be written: *; create its folder first" report nowhere.json --output missing/x.json
nothing_but cut.json damaged.json m.safetensors newer.json other.json scan.json
finish
