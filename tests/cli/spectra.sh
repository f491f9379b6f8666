#!/usr/bin/env bash
# Singular values for numpy, heavy tails, WeightWatcher's columns, and what is left of them where other methods are chosen.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
needs_python

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"

run 0 scan m.safetensors --spectra s.npz --weightwatcher ww.csv --output scan.json
nothing_but m.safetensors s.npz scan.json ww.csv
fits_schema scan.json scan
[[ $(tail -n 1 out) == "means over "*" layers: alpha "*", stable_rank "* ]] || fail "no means: $(tail -n 1 out)"
python3 - <<'PYTHON' || fail "spectra, heavy tails or WeightWatcher's columns"
import csv, json, math, struct, zipfile

scan = json.load(open("scan.json"))
spectra = {}
archive = zipfile.ZipFile("s.npz")
assert archive.testzip() is None
for name in archive.namelist():
    data = archive.read(name)
    assert data[:8] == b"\x93NUMPY\x01\x00" and name.endswith(".npy"), name
    begin = 10 + struct.unpack("<H", data[8:10])[0]
    spectra[name[:-4]] = struct.unpack(f"<{(len(data) - begin) // 8}d", data[begin:])

with_spectrum = {n: l for n, l in scan["layers"].items() if l.get("spectral", {}).get("max_singular_value") is not None}
assert spectra.keys() == with_spectrum.keys(), spectra.keys() ^ with_spectrum.keys()
for name, layer in with_spectrum.items():
    sigma, s = spectra[name], layer["spectral"]
    assert len(sigma) == s["total_rank"] and list(sigma) == sorted(sigma, reverse=True), name
    assert list(sigma[:10]) == s["top_singular_values"], name
    tail, bulk = s["heavy_tail"], s["marchenko_pastur"]
    assert math.isclose(10 ** tail["log_norm"], sum(x * x for x in sigma), rel_tol=1e-9), name
    if tail["alpha"] is not None:  # the definition of alpha, from what was kept
        kept = [x * x for x in sigma if x * x >= tail["xmin"] * (1 - 1e-12)]
        assert len(kept) == tail["tail_count"], name
        alpha = 1 + len(kept) / sum(math.log(x / tail["xmin"]) for x in kept)
        assert math.isclose(alpha, tail["alpha"], rel_tol=1e-9), name
    assert bulk["elements"]["spike_count"] == sum(x * x > bulk["elements"]["spike_limit"] for x in sigma), name
    assert "shuffled" not in bulk

rows = list(csv.DictReader(open("ww.csv", newline="")))
assert [r["name"] for r in rows] == [n for n, l in with_spectrum.items() if "duplicate_of" not in l and l["spectral"]["total_rank"] >= 10]
for row in rows:
    assert math.isclose(float(row["norm"]), sum(x * x for x in spectra[row["name"]]), rel_tol=1e-9)
    assert math.isclose(float(row["alpha_weighted"]), float(row["alpha"]) * math.log10(float(row["spectral_norm"])), rel_tol=1e-9)
try:
    import numpy
except ImportError:
    pass
else:
    read = numpy.load("s.npz", allow_pickle=False)
    assert set(read.files) == set(spectra) and all(tuple(read[n]) == spectra[n] and read[n].dtype == "<f8" for n in spectra)
PYTHON

# heavy_tail implies spectra, and nothing else does
run 0 scan m.safetensors --methods heavy_tail --shuffles 2 --seed 3 --restrict attn.c_attn --output tail.json
run 0 scan m.safetensors --methods spectral --restrict attn.c_attn --output spectral.json
run 0 scan m.safetensors --methods sparsity --restrict attn.c_attn --weightwatcher - --output implied.json
[[ $(head -c 13 out) == layer_id,name ]] || fail "--weightwatcher - printed no table alone"
for file in tail spectral implied; do
    fits_schema $file.json scan
done
python3 - <<'PYTHON' || fail "methods and what they imply"
import json

tail, spectral, implied = (json.load(open(name + ".json")) for name in ("tail", "spectral", "implied"))
assert tail["settings"]["methods"] == ["spectral", "heavy_tail"] and tail["settings"]["shuffles"] == 2 and tail["settings"]["seed"] == 3
for name, layer in tail["layers"].items():
    assert layer["census"]["count"] == layer["parameters"] and "basic_stats" not in layer
    assert ("spectral" in layer) == (len(layer["shape"]) == 2)
    if "spectral" not in layer:
        continue
    if layer["census"]["nan_count"] == 0:
        shuffled = layer["spectral"]["marchenko_pastur"]["shuffled"]
        assert shuffled["shuffle_count"] == 2 and shuffled["mean_eigenvalue"] <= shuffled["max_eigenvalue"]
        edge = layer["spectral"]["marchenko_pastur"]["elements"]["bulk_max"]
        assert 0.8 * edge < shuffled["mean_eigenvalue"] < 1.5 * edge, (name, shuffled, edge)
    else:
        assert layer["spectral"]["heavy_tail"]["alpha_reason"] == "entries that are not finite"
assert all("heavy_tail" not in layer.get("spectral", {}) for layer in spectral["layers"].values())
assert all("spectral" in layer for layer in implied["layers"].values() if len(layer["shape"]) == 2)
# whatever was measured, NaN is found
for scan in (tail, spectral, implied):
    assert any(f["rule"] == "nonfinite" for f in scan["health"]["critical"])
PYTHON

# convolutions
python3 - <<'PYTHON'
import json, random, struct
random.seed(1)
shape = [12, 16, 3, 3]
count = 12 * 16 * 9
header = json.dumps({"conv.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * count]}}).encode()
open("c.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + struct.pack(f"<{count}f", *(random.gauss(0, 1) for _ in range(count))))
PYTHON
run 0 scan c.safetensors --methods spectral --output conv.json
run 0 scan c.safetensors --methods spectral --tap-spectra --convolution-input 8 --output taps.json
run 0 scan c.safetensors --weightwatcher conv.csv --quiet
fits_schema taps.json scan
python3 - <<'PYTHON' || fail "convolutions"
import csv, json

plain, taps = (json.load(open(name + ".json"))["layers"]["conv.weight"] for name in ("conv", "taps"))
assert "tap_spectra" not in plain and "convolution_norm" not in plain and plain["spectral"]["columns"] == 144
assert taps["tap_spectra"]["tap_count"] == 9 and len(taps["tap_spectra"]["max_singular_values"]) == 9
# a tap is a mean over the frequencies, and no frequency exceeds √9 times the reshaped matrix
norm = taps["convolution_norm"]["operator_norm"]
assert max(taps["tap_spectra"]["max_singular_values"]) <= norm <= 3 * plain["spectral"]["max_singular_value"], norm
assert taps["convolution_norm"]["frequency_count"] == 34
row, = csv.DictReader(open("conv.csv", newline=""))
assert row["layer_type"] == "conv2d" and row["rf"] == "9" and row["num_evals"] == "108", row
PYTHON

refuses 4 "missing/s.npz: cannot be written: *; create its folder first" scan nowhere.safetensors --spectra missing/s.npz
refuses 2 "m.safetensors: is the model itself; name another file for the result" scan m.safetensors --weightwatcher m.safetensors

finish
