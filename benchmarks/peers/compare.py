#!/usr/bin/env python3
"""The same work on the same bytes by weightscope, numpy and torch, in turn in one run; prints one table of ratios.

    python3 benchmarks/peers/compare.py build/release/benchmarks/bench_peers [TASK...]

Medians of three rounds (one for what takes a peer longer than 20 s, nine for what takes all of them less than 5 s). numpy and torch are
used as their documentation would have it, with as many threads as they take by themselves; torch may be missing.
"""
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

try:
    import torch
except ImportError:
    torch = None


def numpy_elements(w):
    """The fields of a full element report."""
    a = np.abs(w)
    deciles = np.percentile(a, range(10, 100, 10))
    q1, q3 = np.percentile(w, [25, 75])
    iqr = q3 - q1
    outliers = np.count_nonzero((w < q1 - 1.5 * iqr) | (w > q3 + 1.5 * iqr))
    thresholds = [np.count_nonzero(a <= t) for t in (0, 1e-6, 1e-4, 1e-2)]
    scale = a.max() / 127
    e = w - np.clip(np.round(w / scale), -127, 127) * scale
    errors = np.mean(e * e), np.mean(np.abs(e)), np.vdot(w, w - e)
    return w.mean(), w.std(), w.min(), w.max(), np.linalg.norm(w), deciles, outliers, thresholds, errors


def torch_elements(w):
    a = w.abs()
    ordered = a.flatten().sort().values     # torch.quantile refuses more than 16 million elements
    deciles = [ordered[int(p * (ordered.numel() - 1))] for p in np.arange(0.1, 1, 0.1)]
    by_value = w.flatten().sort().values
    q1, q3 = by_value[by_value.numel() // 4], by_value[3 * by_value.numel() // 4]
    iqr = q3 - q1
    outliers = ((w < q1 - 1.5 * iqr) | (w > q3 + 1.5 * iqr)).sum()
    thresholds = [(a <= t).sum() for t in (0, 1e-6, 1e-4, 1e-2)]
    scale = a.max() / 127
    e = w - (w / scale).round().clamp(-127, 127) * scale
    return w.mean(), w.std(), w.min(), w.max(), w.norm(), deciles, outliers, thresholds, (e * e).mean(), e.abs().mean()


def numpy_rows(w):
    """Error per channel and per group of 128, dead rows and columns."""
    a = np.abs(w)

    def error(x):
        scale = np.abs(x).max(axis=-1, keepdims=True) / 127
        e = x - np.round(x / scale) * scale
        return np.sum(e * e)

    return error(w), error(w.reshape(-1, 128)), np.sum(a.max(axis=1) <= 1e-6), np.sum(a.max(axis=0) <= 1e-6)


def torch_rows(w):
    a = w.abs()

    def error(x):
        scale = x.abs().amax(dim=-1, keepdim=True) / 127
        e = x - (x / scale).round() * scale
        return (e * e).sum()

    return error(w), error(w.reshape(-1, 128)), (a.amax(dim=1) <= 1e-6).sum(), (a.amax(dim=0) <= 1e-6).sum()


def numpy_moments(w):
    return w.mean(dtype=np.float64), w.std(dtype=np.float64), w.min(), w.max(), np.abs(w).sum(dtype=np.float64)


def torch_moments(w):
    d = w.double()
    return d.mean(), d.std(), w.min(), w.max(), d.abs().sum()


def numpy_errors(bits, size):
    """What error_sums holds, for symmetric codes in groups of `size`."""
    top = np.float32(2 ** (bits - 1) - 1)

    def errors(w):
        v = w.reshape(-1, size)
        a = np.abs(v)
        scale = a.max(axis=1, keepdims=True) / top
        codes = np.rint(v / scale)
        e = v - np.clip(codes, -top, top) * scale
        sums = (np.square(v), np.square(e), np.abs(e), e, v * e)
        return ([x.sum(dtype=np.float64) for x in sums], np.abs(e).max(), a.max(), np.count_nonzero(np.isfinite(v)),
                np.count_nonzero(np.abs(codes) > top), np.count_nonzero((codes == 0) & (v != 0)))

    return errors


def torch_errors(bits, size):
    top = 2 ** (bits - 1) - 1

    def errors(w):
        v = w.reshape(-1, size)
        scale = v.abs().amax(1) / top
        decoded = torch.fake_quantize_per_channel_affine(v, scale, torch.zeros(len(scale), dtype=torch.int32), 0, -top, top)
        e = v - decoded
        sums = (v.square(), e.square(), e.abs(), e, v * e)
        return ([x.sum(dtype=torch.float64) for x in sums], e.abs().max(), v.abs().max(), v.isfinite().sum(),
                (v.abs() > (top + 0.5) * scale[:, None]).sum(), ((decoded == 0) & (v != 0)).sum())

    return errors


def errors_task(scheme, bits, size):
    return "errors:" + scheme, "float32", 4096, 11008, numpy_errors(bits, size), torch_errors(bits, size)


SVD = (lambda w: np.linalg.svd(w, compute_uv=False), lambda w: torch.linalg.svdvals(w))
ELEMENTS = (numpy_elements, torch_elements)

# name: task of the worker, dtype, rows, cols, numpy's function, torch's function
TASKS = {
    "elements-f32": ("elements", "float32", 48832, 4096, *ELEMENTS),
    "elements-bf16": ("elements", "bfloat16", 48832, 4096, None, torch_elements),
    "elements-f16": ("elements", "float16", 48832, 4096, *ELEMENTS),
    "moments-f32": ("moments", "float32", 48832, 4096, numpy_moments, torch_moments),
    "rows-f32": ("rows", "float32", 48832, 4096, numpy_rows, torch_rows),
    "errors-int8-per-channel": errors_task("int8-per-channel-sym", 8, 11008),
    "errors-int4-g128": errors_task("int4-g128", 4, 128),
    "errors-int4-g32": errors_task("int4-g32", 4, 32),
    "spectrum-768x768": ("singular_values", "float32", 768, 768, *SVD),
    "spectrum-768x3072": ("singular_values", "float32", 768, 3072, *SVD),
    "spectrum-2048x2048": ("singular_values", "float32", 2048, 2048, *SVD),
    "spectrum-50257x768": ("singular_values", "float32", 50257, 768, *SVD),
    "spectrum-4096x4096": ("singular_values", "float32", 4096, 4096, *SVD),
    "spectrum-4096x11008": ("singular_values", "float32", 4096, 11008, *SVD),
    "largest-4096x4096": ("largest", "float32", 4096, 4096, lambda w: np.linalg.norm(w, 2), lambda w: torch.linalg.matrix_norm(w, 2)),
}


def write_weights(path, dtype, rows, cols, outliers):
    """Gaussian weights, with some larger columns if asked for; returns what numpy and torch see of the same bytes."""
    random = np.random.default_rng(2)
    with open(path, "wb") as file:
        for begin in range(0, rows, 1024):
            w = (random.standard_normal((min(1024, rows - begin), cols), dtype=np.float32) * np.float32(0.02))
            if outliers:
                w[:, ::997] *= 8
            if dtype == "bfloat16":
                bits = w.view(np.uint32)
                bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
                file.write(bits.astype(np.uint16).tobytes())
            else:
                file.write(w.astype(dtype).tobytes())
    if dtype == "bfloat16":
        data = np.fromfile(path, np.int16).reshape(rows, cols)
        return None, torch.from_numpy(data).view(torch.bfloat16).float() if torch else None
    data = np.fromfile(path, dtype).reshape(rows, cols)
    return data, torch.from_numpy(data.astype(np.float32)) if torch else None


def seconds_of(function, argument):
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def main():
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(__doc__)
    chosen = sys.argv[2:] or list(TASKS)
    unknown = [name for name in chosen if name not in TASKS]
    if unknown:
        sys.exit(f"compare.py: there is no task {unknown[0]}; there are {', '.join(TASKS)}")
    worker = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ours = worker.stdout.readline().strip()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"{cpu}, {os.cpu_count()} threads, {time.strftime('%Y-%m-%d')}")
    print(f"weightscope: {ours}\nnumpy {np.__version__}, torch {torch.__version__ if torch else 'missing'}\n")
    print(f"{'task':<26}{'seconds':>9}{'read passes':>13}{'numpy takes':>13}{'torch takes':>13}")
    for name in chosen:
        task, dtype, rows, cols, by_numpy, by_torch = TASKS[name]
        with tempfile.NamedTemporaryFile(suffix=".raw") as file:
            for_numpy, for_torch = write_weights(file.name, dtype, rows, cols, outliers=task in ("elements", "rows"))
            times = {"ours": [], "read": [], "numpy": [], "torch": []}
            begun = time.perf_counter()
            while len(times["ours"]) < 3 or (len(times["ours"]) < 9 and time.perf_counter() - begun < 5 * len(times["ours"])):
                worker.stdin.write(f"{task} {dtype} {rows} {cols} {file.name}\n")
                worker.stdin.flush()
                answer = worker.stdout.readline().split()
                if not answer:
                    sys.exit("compare.py: the worker died")
                times["ours"].append(float(answer[0]))
                times["read"].append(float(answer[1]))
                for peer, function, data in (("numpy", by_numpy, for_numpy), ("torch", by_torch if torch else None, for_torch)):
                    if function and data is not None and not (times[peer] and times[peer][0] > 20):
                        times[peer].append(seconds_of(function, data))
        median = {key: statistics.median(values) for key, values in times.items() if values}
        ratios = [f"{median[key] / median['ours']:.1f} x" if key in median else "-" for key in ("numpy", "torch")]
        print(f"{name:<26}{median['ours']:>9.3f}{median['ours'] / median['read']:>13.1f}{ratios[0]:>13}{ratios[1]:>13}", flush=True)


if __name__ == "__main__":
    main()
