# The sums that tests/quantizers/conventions.cpp expects, from formulas of the runtimes written down in numpy (float32 throughout), one
# group at a time. torch.quantize_per_channel and its observers gave the same for torch-int8 and torch-int8-asym (torch 1.13).
#
#     $ python3 make_convention_reference.py
import numpy as np

from convention_weights import odd_rows

f = np.float32
w = odd_rows()
R, C = w.shape
eps = f(2.0**-23)


def away(t):
    return np.sign(t) * np.floor(np.abs(t).astype(np.float64) + 0.5)


def show(name, codes, decoded, scales, zeros=()):
    k = np.arange(codes.size) % 97 + 1
    print('        {"%s", %d, %r, %r, %d},' % (name, (codes.ravel() * k).sum(), float((decoded.astype(np.float64).ravel() * k).sum()),
                                             float(np.sum(scales, dtype=np.float64)), np.sum(zeros)))


def integers(name, size, bits, scale, asymmetric=False, reciprocal=False, zero=None, zero_first=False, lowest=None, minimum=False):
    codes, decoded, scales, zeros = [], [], [], []
    low, high = -(2**(bits - 1)) if lowest is None else lowest, 2**(bits - 1) - 1
    for x in w.reshape(-1, size):
        s = f(scale(x))
        z = zero(x, s) if asymmetric else 0
        t = x * (f(1) / s) if reciprocal else x / s
        q = np.rint(t + f(z)) if zero_first else np.rint(t) + z
        q = np.clip(q, low, high).astype(int)
        codes.append(q)
        decoded.append((q - z).astype(f) * s)
        scales.append(s)
        zeros.append(z)
    show(name, np.array(codes), np.array(decoded), scales, zeros)


def largest(x):
    return np.abs(x).max()


def ends(x):
    return np.minimum(x.min(), f(0)), np.maximum(x.max(), f(0))


def span(x, levels):
    low, high = ends(x)
    return f(high - low) / f(levels)


def signed_largest(x):
    return x[np.argmax(np.abs(x))] + f(0)


def clipped(z, low, high):
    return int(min(max(z, low), high))


def onnx(x, levels):
    low, high = ends(x)
    return (np.float64(high) - np.float64(low)) / levels


integers("onnx-int8", C, 8, lambda x: largest(x) / f(127) if x.any() else 1, lowest=-127)
integers("onnx-int8-asym", C, 8, lambda x: onnx(x, 255) if x.any() else 1, True,
         zero=lambda x, s: int(np.rint(-128 - np.float64(ends(x)[0]) / onnx(x, 255))) if x.any() else 0)
integers("onnx-int4", 128, 4, lambda x: largest(x) / f(7.5) if x.any() else 1)
torch_zero = lambda low, high: lambda x, s: clipped(low - np.rint(ends(x)[0] / s), low, high)
integers("torch-int8", C, 8, lambda x: max(largest(x) / f(127.5), eps), reciprocal=True)
integers("torch-int8-asym", C, 8, lambda x: max(span(x, 255), eps), True, True, torch_zero(-128, 127))
integers("torchao-int4-sym", 128, 4, lambda x: max(largest(x) / f(7.5), eps), reciprocal=True)
integers("torchao-int4-asym", 128, 4, lambda x: max(span(x, 15), eps), True, True, torch_zero(-8, 7))
integers("compressed-tensors-int4", 128, 4, lambda x: largest(x) / f(7.5) if x.any() else eps)
integers("compressed-tensors-int4-asym", 128, 4, lambda x: span(x, 15) if x.any() else eps, True,
         zero=lambda x, s: clipped(np.rint(f(-8) - ends(x)[0] / s), -8, 7), zero_first=True)
integers("compressed-tensors-int8", C, 8, lambda x: largest(x) / f(127.5) if x.any() else eps)
integers("gptq-int4", 128, 4, lambda x: (largest(x) / f(15) if x.min() >= 0 else largest(x) * f(2) / f(15)) if x.any() else f(2) / f(15))
integers("gptq-int4-asym", 128, 4, lambda x: span(x, 15) if x.any() else f(2) / f(15), True, zero=lambda x, s: int(np.rint(-ends(x)[0] / s)) - 8)
integers("awq-int4", 128, 4, lambda x: max(f(x.max() - x.min()), f(1e-5)) / f(15), True, zero=lambda x, s: clipped(-np.rint(x.min() / s), 0, 15) - 8)
integers("nncf-int4-sym", 128, 4, lambda x: (abs(x.min()) if abs(x.min()) >= x.max() else -x.max()) / f(8) if x.any() else eps)
integers("quanto-int8", C, 8, lambda x: largest(x) / f(127) if x.any() else 1)


def shifted(name, bits):
    codes, decoded, scales = [], [], []
    for x in w.reshape(-1, 128):
        s = f(x.max() - x.min()) / f(2**bits - 1) if x.max() > x.min() else f(1)
        q = np.clip(np.rint((x - x.min()) / s), 0, 2**bits - 1)
        codes.append(q.astype(int) - 2**(bits - 1))
        decoded.append(q.astype(f) * s + x.min())
        scales.append(s)
    show(name, np.array(codes), np.array(decoded), scales)


shifted("quanto-int4", 4)
shifted("quanto-int2", 2)


def ggml(name, bits, kind):
    codes, decoded, scales = [], [], []
    for x in w.reshape(-1, 32):
        low, m = f(0), 2**(bits - 1)
        if kind == "minimum":
            low, d = x.min(), f(x.max() - x.min()) / f(2**bits - 1)
        else:
            d = largest(x) / f(127) if kind == "largest" else signed_largest(x) / f(-m)
        inverse = f(1) / d if d else f(0)
        t = (x - low) * inverse
        if kind == "largest":
            q = away(t)
        else:
            q = np.minimum(2 * m - 1, np.trunc(t + f(0.5 if kind == "minimum" else m + 0.5)))
        s, low = f(np.float16(d)), f(np.float16(low))
        level = q if kind != "signed" else q - m
        codes.append((q if kind == "largest" else q - m).astype(int))
        decoded.append(level.astype(f) * s + low)
        scales.append(s)
    show(name, np.array(codes), np.array(decoded), scales)


ggml("ggml-q4_0", 4, "signed")
ggml("ggml-q4_1", 4, "minimum")
ggml("ggml-q5_0", 5, "signed")
ggml("ggml-q5_1", 5, "minimum")
ggml("ggml-q8_0", 8, "largest")

# name: mantissa bits, exponent of the least normal, largest number, bits, exponent of the largest
grids = {"mxfp4": (1, 0, 6, 4, 2), "mxfp6-e3m2": (2, -2, 28, 6, 4), "mxfp6-e2m3": (3, 0, 7.5, 6, 2), "mxfp8-e4m3": (3, -6, 448, 8, 8),
         "mxfp8-e5m2": (2, -14, 57344, 8, 15)}


def nearest(t, grid, ties="even"):
    m, least, top, bits, _ = grids[grid]
    code = np.arange(2**(bits - 1))
    e, k = code >> m, code & (2**m - 1)
    v = np.where(e == 0, k, k + 2**m) * np.exp2(np.maximum(e, 1) - 1.0 + least - m)
    v = v[v <= top]
    a = np.abs(t.astype(np.float64))
    high = np.clip(np.searchsorted(v, a), 1, len(v) - 1)
    below, above = a - v[high - 1], v[high] - a
    up = (above < below) | ((above == below) & ((high % 2 == 0) if ties == "even" else ties == "away"))
    k = np.where(up, high, high - 1)
    code = k | np.where(np.signbit(t), 2**(bits - 1), 0)
    return (code ^ 2**(bits - 1)) - 2**(bits - 1), np.where(np.signbit(t), -v[k], v[k]).astype(f)


def mx(name, grid, rule, ties="even"):
    m, _, top, _, e = grids[grid]
    x = w.reshape(-1, 32)
    bits = np.abs(x).max(1).view(np.int32)
    if rule == "rceil":
        bits = (np.abs(x).max(1) * f(1 / top)).view(np.int32)
        exponent = (bits >> 23) + np.where(bits >> 23 == 0, (bits & 0x7fffff) > 0x400000, (bits & 0x7fffff) != 0) - 127
    else:
        exponent = ((bits + (1 << (22 - m)) if rule == "even" else bits) >> 23) - 127 - e
        exponent = exponent + ((bits & 0x7fffff) > 0) if rule == "ceil" else exponent
    s = np.exp2(np.clip(exponent, -127, 127).astype(np.float64))
    codes, level = nearest((x.astype(np.float64) / s[:, None]).astype(f), grid, ties)
    show(name, codes, (level.astype(np.float64) * s[:, None]).astype(f), s)


for grid in grids:
    for rule in ("floor", "ceil", "rceil", "even"):
        mx("ocp-%s-%s" % (grid, rule), grid, rule)
mx("compressed-tensors-mxfp4", "mxfp4", "even")
mx("microxcaling-mxfp4", "mxfp4", "floor", "away")
mx("microxcaling-mxfp8-e4m3", "mxfp8-e4m3", "floor", "away")
mx("ggml-mxfp4", "mxfp4", "floor", "to zero")

x = w.reshape(-1, 32)
s = np.exp2(np.maximum(np.floor(np.log2(np.maximum(np.abs(x).max(1), f(2.0**-126)))) - 6, -127.0)).astype(f)
s[np.abs(x).max(1) == 0] = 2.0**-127
codes = np.clip(away(x / s[:, None]), -127, 127)
show("microxcaling-mxint8", codes.astype(int), codes.astype(f) * s[:, None], s)

s = np.abs(w).max(1) / f(448)
s[s == 0] = eps
codes, level = nearest(w / s[:, None], "mxfp8-e4m3")
show("compressed-tensors-fp8", codes, level * s[:, None], s)

x, whole = w.reshape(-1, 16), np.abs(w).max()
largest_of = np.abs(x).max(1)
g = whole / f(2688)
p = largest_of / (f(6) * g)
p[p == 0] = 1
p = nearest(np.maximum(p, f(2.0**-9)), "mxfp8-e4m3")[1]
codes, level = nearest(x / (p * g)[:, None], "mxfp4")
show("nvfp4-modelopt", codes, level * (p * g)[:, None], p)
g = f(2688) / whole
p = nearest(np.minimum(g * (largest_of / f(6)), f(448)), "mxfp8-e4m3")[1]
p[p == 0] = 0.125
codes, level = nearest(x / (p / g)[:, None], "mxfp4")
show("nvfp4-compressed-tensors", codes, level * (p / g)[:, None], p)

thresholds = np.array([-0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984, -0.13791173323988914,
                       -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668, 0.2920137718319893, 0.3893125355243683,
                       0.5016634166240692, 0.6427869200706482, 0.8614784181118011], f)
values = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                   -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                   0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], f)
x = w.reshape(-1, 64)
s = np.abs(x).max(1)
with np.errstate(all="ignore"):
    codes = (x[:, :, None] * (f(1) / s)[:, None, None] > thresholds).sum(2)
show("bitsandbytes-nf4", (codes ^ 8) - 8, values[codes] * s[:, None], s)
