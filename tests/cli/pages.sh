#!/usr/bin/env bash
# Pages and Markdown of inventories, comparisons, series, studies, plans, pruning and bits: one frame, files that ask for nothing, names that are nothing but
# names. In a headless Chromium, where there is one, their tables sort and filter at the width of a desk and of a phone.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
# a fine-tune of it, and a model whose names would like to be more than names
python3 - <<'PYTHON' || fail "no models"
import json, random, struct

data = bytearray(open("m.safetensors", "rb").read())
length = struct.unpack("<Q", data[:8])[0]
header, start, stream = json.loads(data[8:8 + length]), 8 + length, random.Random(1)
for name in ("transformer.h.0.mlp.c_fc.weight", "transformer.h.1.mlp.c_fc.weight"):
    begin, end = header[name]["data_offsets"]
    for at in range(start + begin, start + end, 4):
        data[at:at + 4] = struct.pack("<f", struct.unpack("<f", data[at:at + 4])[0] * stream.uniform(0.9, 1.1))
open("tuned.safetensors", "wb").write(data)

evil = ["</td><script>window.harmed = 1</script>", "<img src=x onerror='window.harmed = 2'>", "\"><b onmouseover=alert(1)>", "a|b`c", "javascript:window.harmed = 3", "-->",
        "__proto__", "&lt;b&gt;", "' onfocus=alert(1) '"]
offset, entries, blob = 0, {}, b""
for i, name in enumerate(evil):
    entries[name + ".weight"] = {"dtype": "F32", "shape": [8, 32], "data_offsets": [offset, offset + 1024]}
    blob += b"".join(struct.pack("<f", random.Random(i * 1000 + k).gauss(0, 1)) for k in range(256))
    offset += 1024
text = json.dumps(entries).encode()
open("hostile.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + blob)
PYTHON

run 0 compare m.safetensors tuned.safetensors --html compare.html --csv compare.csv --top 3
run 0 watch m.safetensors tuned.safetensors --no-spectral --html watch.html --quiet
run 0 quantize m.safetensors --scheme int8-per-channel-sym --scheme int4-g64 --html quantize.html --markdown quantize.md --top-issues 5
run 0 quantize m.safetensors --diff q4_0,int4-g32 --html diff.html --markdown diff.md --quiet
run 0 allocate m.safetensors --bits-per-weight 18 --candidates int4-g64,int8-per-channel-sym,keep --html allocate.html --markdown allocate.md --tables tables
run 0 prune m.safetensors --granularity row --ratio 0.5 --html prune.html --markdown prune.md --quiet
run 0 allocate hostile.safetensors --bits-per-weight 6 --candidates int4-g32,int8-per-channel-sym --html hostile.html --markdown hostile.md --quiet
run 0 inspect m.safetensors --html inspect.html --markdown inspect.md --quiet
run 0 bits map m.safetensors --html bits.html --markdown bits.md --quiet
run 0 bits select m.safetensors --html select.html --markdown select.md --quiet
sample=$tests/../examples/data/trained_sample
run 0 bits rank "$sample" --data "$sample/held_out.npy" --batch-size 16 --num-val-batches 1 --top-w 2 --restrict layers.0.mlp --html rank.html --markdown rank.md --quiet
run 0 quantize m.safetensors --scheme int4-g64 --html -
[ "$(head -c 15 out)" = "<!DOCTYPE html>" ] || fail "--html - printed something before the page"
refuses 2 "*both name 'x'; give each its own file" allocate m.safetensors --bits-per-weight 18 --html x --markdown x
refuses 4 "nowhere/x.html: *" compare m.safetensors tuned.safetensors --html nowhere/x.html

# every table that the console shows is in the Markdown too, and no markup of names
for text in "## Recommended: int8-per-channel-sym" "### Variants" "### Layers" "### Layers by scheme" "and 11 more" "### What decisions are worth"; do
    prints "$text" quantize.md
done
for text in "### Layers" "### Formats" "### Rules of thumb" "### Front" "the best plan within the budget"; do
    prints "$text" allocate.md
done
[ "$(cd tables && echo *)" = "formats.csv front.csv layers.csv rules-of-thumb.csv" ] || fail "tables: $(ls tables)"
prints "rule of thumb,size,loss,plan of that size,rule loses more,rel. error" tables/rules-of-thumb.csv
rm -r tables
run 0 compare m.safetensors tuned.safetensors --tables tables --quiet
[ "$(cd tables && echo *)" = "changes.csv findings.csv pairs.csv" ] || fail "tables: $(ls tables)"
prints "### Groups" diff.md
prints "### Matrices" prune.md
prints "### Methods" prune.md
prints "### Storage" inspect.md
prints "### Tensors" bits.md
prints "### Weights" select.md
prints "### Flips" rank.md
prints "### Outputs" rank.md
run 0 inspect m.safetensors --tables tables --quiet
[[ -s tables/storage.csv && -s tables/tensors.csv ]] || fail "tables: $(ls tables)"

python3 - <<'PYTHON' || fail "the pages"
import base64, hashlib, html.parser, json, re


class page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.inside, self.cells, self.cell = [], {"script": [], "style": []}, None, [], None
        self.feed(open(path, encoding="utf-8", newline="").read())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")
        if tag == "td":
            self.cell = ""

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        self.inside = None
        if tag == "td":
            self.cells.append(self.cell)
            self.cell = None

    def handle_data(self, text):
        if self.inside:
            self.texts[self.inside][-1] += text
        if self.cell is not None:
            self.cell += text


for path in "compare", "watch", "quantize", "diff", "allocate", "prune", "hostile", "inspect", "bits", "select", "rank":
    p = page(path + ".html")
    for tag, attributes in p.tags:
        assert tag not in ("img", "iframe", "link", "object", "base", "form"), (path, tag)
        assert not any(name.startswith("on") or name in ("src", "style", "srcset", "formaction") for name in attributes), (path, tag, attributes)
        assert attributes.get("href", "#").startswith("#"), (path, attributes)
    policy = next(a["content"] for tag, a in p.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = lambda text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
    assert len(p.texts["script"]) == 1, path
    assert policy == f"default-src 'none'; style-src {digest(p.texts['style'][0])}; script-src {digest(p.texts['script'][0])}; base-uri 'none'; form-action 'none'", policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\bFunction\(", p.texts["script"][0])
    tags = [tag for tag, _ in p.tags]
    assert tags.index("h1") < tags.index("table") < tags.index("svg") if "svg" in tags else path in ("diff", "inspect", "select", "rank"), path
assert "</td><script>window.harmed = 1</script>.weight" in page("hostile.html").cells
text = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", open("hostile.md").read())
assert "<" not in text, text
PYTHON

python3 "$tests/browser/documents.py" compare.html watch.html quantize.html diff.html allocate.html prune.html hostile.html inspect.html bits.html select.html rank.html ${PICTURES:+--pictures "$PICTURES"}
status=$?
[ "$status" -eq 77 ] && echo "not opened in a browser; install chromium and chromium-driver for that"
[[ $status -eq 0 || $status -eq 77 ]] || fail "the pages in a browser"

finish
