#!/usr/bin/env bash
# The page of a scan is one file that asks for nothing; names are nothing but names in it. In a headless Chromium, where there is one, it
# sorts, filters and opens layers at the width of a desk and of a phone.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output scan.json --html page.html
prints "Health 39/100" out
run 0 report scan.json --html again.html
cmp -s page.html again.html || fail "the page of a saved scan differs from that of the scan"
run 0 report scan.json --html -
cmp -s page.html out || fail "--html - prints something else"
refuses 2 "*name 'page.html'; give each its own file" report scan.json --html page.html --sarif page.html
refuses 4 "nowhere/page.html: *" report nowhere.json --html nowhere/page.html
rm again.html

# 2,000 layers out of those of the sample, figures varied; and names that would like to be more than names
python3 - <<'PYTHON' || fail "no scans to make pages of"
import json, random

rng = random.Random(1)
scan = json.load(open("scan.json"))
kept = ("histogram", "bits", "group_size", "parameters", "shape", "total_rank", "rows", "columns", "count", "finite_count", "nan_count", "inf_count")


def varied(x):
    if isinstance(x, dict):
        return {key: value if key in kept else varied(value) for key, value in x.items()}
    return x * rng.uniform(0.9, 1.1) if isinstance(x, float) else x


base = [layer for layer in scan["layers"].values() if "tied_to" not in layer and "duplicate_of" not in layer and len(layer["shape"]) == 2]
roles = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "mlp.router"]
big = dict(scan, layers={f"model.layers.{i // 8}.{roles[i % 8]}.weight": varied(base[i % len(base)]) for i in range(2000)})
json.dump(big, open("big.json", "w"))

evil = ["</script><script>window.harmed = 1</script>", "<!--<script>", "<img src=x onerror='window.harmed = 2'>", "\"><b onmouseover=alert(1)>", "${window.harmed = 3}",
        "a\u2028window.harmed = 4", "__proto__", "constructor", "]]>", "&lt;b&gt;", "\u202egpj.exe", "javascript:window.harmed = 5", "' onfocus=alert(1) '", "-->"]
shown = [name.replace("\u2028", "\\u{2028}").replace("\u202e", "\\u{202e}") for name in evil]
hostile = dict(scan, layers={name: base[i % len(base)] for i, name in enumerate(evil)})
hostile["model"] = dict(scan["model"], path="</title><script>window.harmed = 6</script>", architecture="<b>")
json.dump(hostile, open("hostile.json", "w"))
json.dump(shown, open("hostile.names.json", "w"))
PYTHON
run 0 report big.json --html big.html --quiet
run 0 report hostile.json --html hostile.html --quiet
[ "$(wc -c <big.html)" -lt 4000000 ] || fail "the page of 2,000 layers has $(wc -c <big.html) bytes"
echo "2,000 layers: $(wc -c <big.html) bytes"

python3 - <<'PYTHON' || fail "the pages"
import base64, hashlib, html.parser, json, re


class page(html.parser.HTMLParser):
    """The elements of a page, in their order, and the texts of its scripts and styles."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.inside = [], {"script": [], "style": []}, None
        self.feed(open(path, encoding="utf-8", newline="").read())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        if self.inside:
            self.texts[self.inside][-1] += text


known = {"html", "head", "meta", "title", "style", "body", "a", "header", "div", "h1", "h2", "h3", "p", "span", "b", "dl", "dt", "dd", "nav", "ul", "li", "main", "section",
         "label", "input", "select", "option", "table", "thead", "tbody", "tr", "th", "td", "button", "figure", "figcaption", "details", "summary", "svg", "rect", "circle",
         "polyline", "text", "script"}
for path in "page.html", "big.html", "hostile.html":
    p = page(path)
    assert {tag for tag, _ in p.tags} <= known, {tag for tag, _ in p.tags} - known
    for tag, attributes in p.tags:
        assert not any(name.startswith("on") or name in ("src", "style", "xlink:href", "srcset", "data", "formaction") for name in attributes), (path, tag, attributes)
        assert attributes.get("href", "#").startswith("#"), (path, attributes)
    policy = next(a["content"] for tag, a in p.tags if a.get("http-equiv") == "Content-Security-Policy")
    data, script = p.texts["script"]
    digest = lambda text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
    assert policy == f"default-src 'none'; style-src {digest(p.texts['style'][0])}; script-src {digest(script)}; base-uri 'none'; form-action 'none'", policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script + p.texts["style"][0])
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\bFunction\(", script)
    document = json.loads(data)
    assert "<" not in data and ">" not in data
    if path == "hostile.html":
        assert [layer["n"] for layer in document["layers"]] == json.load(open("hostile.names.json"))
    elif path == "page.html":
        layers = json.load(open("scan.json"))["layers"]
        assert [layer["n"] for layer in document["layers"]] == list(layers)
        fields = [name for name, meaning in document["fields"]]
        assert all(meaning for name, meaning in document["fields"]), [f for f in document["fields"] if not f[1]]
        word = lambda value: document["words"][int(value)] if isinstance(value, str) else value
        for i, layer in enumerate(document["layers"]):
            saved = layers[layer["n"]]
            assert [int(c, 36) for c in layer["h"][2].split()] == saved["basic_stats"]["histogram"]["counts"] if "basic_stats" in saved else "h" not in layer
            for name, column in zip(fields, document["values"]):
                value = word(column[i] if isinstance(column, list) else column)
                method, _, field = name.partition(".")
                for part in field.split(".") if not field.startswith("sparsity_levels") else ["sparsity_levels", field.partition(".")[2]]:
                    method = method if isinstance(method, dict) else saved.get(method, {})
                    method = method.get(part) if isinstance(method, dict) else None
                if isinstance(value, (int, float)):
                    assert abs(value - method) <= 5e-4 * abs(method), (layer["n"], name, value, method)
                elif value is not None:
                    assert method is None, (layer["n"], name, value, method)
PYTHON

python3 "$tests/browser/page.py" page.html big.html hostile.html ${PICTURES:+"$PICTURES"}
status=$?
[ "$status" -eq 77 ] && echo "not opened in a browser; install chromium and chromium-driver for that"
[[ $status -eq 0 || $status -eq 77 ]] || fail "the pages in a browser"

finish
