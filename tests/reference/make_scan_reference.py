#!/usr/bin/env python3
"""Reference values of scan(), computed a second time with numpy in float64 from the definitions, one CSV row per tensor.

    make_scan_reference.py MODEL.safetensors [SHARD.safetensors ...] > model.csv
    make_scan_reference.py --turn '(c_attn|c_proj|c_fc)[.]weight$' sick_sample.safetensors > sick_sample.csv

README.md beside this file says what the columns mean. Sums are exactly rounded (math.fsum); numbers are printed with as many
digits as they need to be read back unchanged. An empty field is a value that does not exist.
"""

import argparse
import csv
import json
import math
import os
import re
import sys

import numpy as np

THRESHOLDS = (0.0, 1e-6, 1e-4, 1e-2)
PERCENTS = (10, 25, 50, 75, 90)
DEAD = 1e-6
GROUP = 128
CODES = {  # dtype: (bytes, exponent bits, mantissa bits, bias, what the largest exponent is)
    "F64": (8, 11, 52, 1023, "ieee"),
    "F32": (4, 8, 23, 127, "ieee"),
    "F16": (2, 5, 10, 15, "ieee"),
    "BF16": (2, 8, 7, 127, "ieee"),
    "F8_E5M2": (1, 5, 2, 15, "ieee"),
    "F8_E4M3": (1, 4, 3, 7, "fn"),
}
INTEGERS = {"I8": "<i1", "U8": "<u1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}

COLUMNS = {
    "census": ["count", "finite", "nan", "positive_inf", "negative_inf", "subnormal", "zeros", "negative_zeros"],
    "basic": ["mean", "std", "min", "max", "l2_norm", "skewness", "excess_kurtosis", "q1", "q3", "mean_abs"],
    "sparsity": [f"abs_p{p}" for p in PERCENTS]
    + [f"count_le_{t:g}" for t in THRESHOLDS]
    + ["dead_rows", "dead_columns", "share_2_4", "share_4_8"],
    "quantization": ["outliers_1_5", "outliers_3", "mse", "mae", "cosine", "sqnr_db", "channel_sqnr_db", "group_sqnr_db"]
    + ["int4_sqnr_db", "int4_channel_sqnr_db", "int4_group_sqnr_db"],
    "spectral": ["rows", "cols", "sigma_max", "sigma_2", "sigma_min", "kappa", "stable_rank", "deflated_stable_rank"]
    + ["effective_rank", "numerical_rank", "rank_90", "rank_95", "rank_99", "entropy_rank"],
}


def read_safetensors(path):
    """Name, shape, dtype and bytes of each tensor, in the order of the data."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, tensor in sorted(header.items(), key=lambda item: (item[1]["data_offsets"], item[0])):
            begin, end = tensor["data_offsets"]
            file.seek(8 + length + begin)
            yield name, tensor["shape"], tensor["dtype"], file.read(end - begin)


def read_npz(path):
    with np.load(path) as arrays:
        for name in arrays.files:
            array = arrays[name]
            kind = {"f": "F", "i": "I", "u": "U"}[array.dtype.kind]
            yield name, list(array.shape), f"{kind}{8 * array.dtype.itemsize}", array.astype(array.dtype.newbyteorder("<")).tobytes()


def fields_of(message):
    """Number and content of each field of a protocol buffer."""

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    at = 0
    while at < len(message):
        tag = varint()
        size = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        if tag & 7 == 2:
            size = varint()
        yield tag >> 3, message[at : at + size]
        at += size


def read_onnx(path):
    """The initializers of the graph whose elements are raw_data or one run of float_data."""
    with open(path, "rb") as file:
        model = file.read()
    for graph in (content for number, content in fields_of(model) if number == 7):
        for tensor in (content for number, content in fields_of(graph) if number == 5):
            found = dict(fields_of(tensor))
            shape = [content for number, content in fields_of(tensor) if number == 1]
            dtype = {1: "F32", 7: "I64", 10: "F16"}[found[2]]
            if found.get(9) or found.get(4):
                yield found[8].decode(), shape, dtype, found.get(9) or found[4]


READERS = {".safetensors": read_safetensors, ".npz": read_npz, ".onnx": read_onnx}


def decode(raw, dtype):
    """Exact float64 values and the mask of subnormals, both from the bit patterns."""
    if dtype in INTEGERS:
        values = np.frombuffer(raw, INTEGERS[dtype]).astype(np.float64)
        return values, np.zeros(values.size, bool)
    if dtype == "BOOL":
        values = np.frombuffer(raw, "u1").astype(np.float64)
        return values, np.zeros(values.size, bool)
    size, exponent_bits, mantissa_bits, bias, kind = CODES[dtype]
    codes = np.frombuffer(raw, f"<u{size}").astype(np.uint64)
    mantissa = codes & np.uint64((1 << mantissa_bits) - 1)
    exponent = (codes >> np.uint64(mantissa_bits)) & np.uint64((1 << exponent_bits) - 1)
    sign = np.where(codes >> np.uint64(exponent_bits + mantissa_bits), -1.0, 1.0)
    top = np.uint64((1 << exponent_bits) - 1)
    subnormal = (exponent == 0) & (mantissa != 0)
    significand = np.where(exponent == 0, mantissa, mantissa + np.uint64(1 << mantissa_bits)).astype(np.float64)
    power = np.maximum(exponent, 1).astype(np.int64) - bias - mantissa_bits
    if kind == "ieee":
        special = exponent == top
        values = sign * np.ldexp(significand, np.where(special, 0, power))
        values[special & (mantissa == 0)] = np.inf * sign[special & (mantissa == 0)]
        values[special & (mantissa != 0)] = np.nan
    else:
        values = sign * np.ldexp(significand, power)
        values[(exponent == top) & (mantissa == (1 << mantissa_bits) - 1)] = np.nan
    return values, subnormal


def census(values, subnormal):
    zeros = values == 0
    return {
        "count": values.size,
        "finite": int(np.isfinite(values).sum()),
        "nan": int(np.isnan(values).sum()),
        "positive_inf": int((values == np.inf).sum()),
        "negative_inf": int((values == -np.inf).sum()),
        "subnormal": int(subnormal.sum()),
        "zeros": int(zeros.sum()),
        "negative_zeros": int((zeros & np.signbit(values)).sum()),
    }


def basic(x):
    n = x.size
    mean = math.fsum(x) / n if x.min() < x.max() else x[0]
    d = x - mean
    m2 = math.fsum(d**2) / n
    q1, q3 = np.percentile(x, [25, 75])
    return {
        "mean": mean,
        "std": math.sqrt(m2 * n / (n - 1)) if n > 1 else None,
        "min": x.min(),
        "max": x.max(),
        "l2_norm": math.sqrt(math.fsum(x**2)),
        "skewness": math.fsum(d**3) / n / m2**1.5 if m2 > 0 else None,
        "excess_kurtosis": math.fsum(d**4) / n / m2**2 - 3 if m2 > 0 else None,
        "q1": q1,
        "q3": q3,
        "mean_abs": math.fsum(abs(x)) / n,
    }


def sparsity(x, matrix):
    magnitude = abs(x)
    row = {f"abs_p{p}": v for p, v in zip(PERCENTS, np.percentile(magnitude, PERCENTS))}
    row.update({f"count_le_{t:g}": int((magnitude <= t).sum()) for t in THRESHOLDS})
    if matrix is not None:
        small = abs(matrix) <= DEAD
        row["dead_rows"] = int(small.all(axis=1).sum())
        row["dead_columns"] = int(small.all(axis=0).sum())
        row["share_2_4"] = pattern_share(matrix, 2, 4)
        row["share_4_8"] = pattern_share(matrix, 4, 8)
    return row


def pattern_share(matrix, n, m):
    groups = matrix.shape[1] // m
    if groups == 0:
        return None
    nonzero = (matrix[:, : groups * m] != 0).reshape(matrix.shape[0], groups, m).sum(axis=2)
    return float((nonzero <= n).mean())


def quantize(x, bits):
    top = 2 ** (bits - 1) - 1
    scale = abs(x).max(initial=0.0) / top
    return np.clip(np.rint(x / scale), -top, top) * scale if scale > 0 else np.zeros_like(x)


def sqnr_db(signal, noise):
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def quantization(x, matrix):
    q1, q3 = np.percentile(x, [25, 75])
    row = {}
    for name, k in (("outliers_1_5", 1.5), ("outliers_3", 3.0)):
        row[name] = int(((x < q1 - k * (q3 - q1)) | (x > q3 + k * (q3 - q1))).sum())
    signal = math.fsum(x**2)
    q = quantize(x, 8)
    row["mse"] = math.fsum((x - q) ** 2) / x.size
    row["mae"] = math.fsum(abs(x - q)) / x.size
    norms = signal * math.fsum(q**2)
    row["cosine"] = math.fsum(x * q) / math.sqrt(norms) if norms > 0 else None
    for prefix, bits in (("", 8), ("int4_", 4)):
        row[prefix + "sqnr_db"] = sqnr_db(signal, math.fsum((x - quantize(x, bits)) ** 2))
        if matrix is None:
            continue
        errors = (matrix_row - quantize(matrix_row, bits) for matrix_row in matrix)
        row[prefix + "channel_sqnr_db"] = sqnr_db(signal, math.fsum(math.fsum(e**2) for e in errors))
        groups = (r[i : i + GROUP] for r in matrix for i in range(0, r.size, GROUP))
        row[prefix + "group_sqnr_db"] = sqnr_db(signal, math.fsum(math.fsum((g - quantize(g, bits)) ** 2) for g in groups))
    return row


def spectral(matrix):
    s = np.linalg.svd(matrix, compute_uv=False)
    row = {"rows": matrix.shape[0], "cols": matrix.shape[1], "sigma_max": s[0], "sigma_min": s[-1]}
    if s.size > 1:
        row["sigma_2"] = s[1]
    row["effective_rank"] = int((s > 0.01 * s[0]).sum())
    row["numerical_rank"] = int((s > max(matrix.shape) * 2.0**-23 * s[0]).sum())
    if s[0] == 0:
        return row
    squares = s**2
    energy = math.fsum(squares)
    row["kappa"] = s[0] / s[-1] if s[-1] > 0 else math.inf
    row["stable_rank"] = energy / squares[0]
    if s.size > 1 and s[1] > 0:
        row["deflated_stable_rank"] = math.fsum(squares[1:]) / squares[1]
    for percent in (90, 95, 99):
        row[f"rank_{percent}"] = int(np.argmax(np.cumsum(squares) >= percent / 100 * energy)) + 1
    p = s[s > 0] / math.fsum(s)
    row["entropy_rank"] = math.exp(-math.fsum(p * np.log(p)))
    return row


def reference(values, subnormal, shape, turn, wanted):
    row = census(values, subnormal)
    x = values[np.isfinite(values)]
    if x.size == 0:
        return row
    matrix = None
    if len(shape) >= 2:
        matrix = np.where(np.isfinite(values), values, 0.0).reshape(shape[0], -1)
        matrix = np.ascontiguousarray(matrix.T) if turn else matrix
    if "basic" in wanted:
        row.update(basic(x))
    if "sparsity" in wanted:
        row.update(sparsity(x, matrix))
    if "quantization" in wanted:
        row.update(quantization(x, matrix))
    if "spectral" in wanted and matrix is not None and x.size == values.size:
        row.update(spectral(matrix))
    return row


def text(value):
    if value is None:
        return ""
    return str(value) if isinstance(value, (int, str)) else repr(float(value))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE.safetensors", help="a model, or its shards; .npz and .onnx as well")
    parser.add_argument("--columns", default=",".join(COLUMNS), help="of " + ",".join(COLUMNS) + " (default: all)")
    parser.add_argument("--include", default="", metavar="REGEX", help="only tensors whose name matches")
    parser.add_argument("--turn", metavar="REGEX", help="matrices stored [in, out] (GPT-2's Conv1D), read as [out, in]")
    arguments = parser.parse_args()
    wanted = ["census"] + [c for c in arguments.columns.split(",") if c != "census"]
    for name in wanted:
        if name not in COLUMNS:
            parser.error(f"--columns: {name} is none of {', '.join(COLUMNS)}")

    fields = ["name", "shape", "dtype"] + [column for name in wanted for column in COLUMNS[name]]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    for path in arguments.files:
        for name, shape, dtype, raw in READERS[os.path.splitext(path)[1]](path):
            if not re.search(arguments.include, name):
                continue
            values, subnormal = decode(raw, dtype)
            turn = arguments.turn is not None and re.search(arguments.turn, name) is not None
            row = reference(values, subnormal, shape, turn, wanted)
            row.update(name=name, shape="x".join(map(str, shape)), dtype=dtype)
            writer.writerow([text(row.get(field)) for field in fields])


if __name__ == "__main__":
    main()
