"""What bench_quantizers times, in numpy and, where it is installed, torch: four error sums of one scheme.

    python3 quantizers.py [ROWS COLS]         THREADS=2 sets torch's threads

Prints the median of five runs in milliseconds, and as a multiple of numpy's abs().max() over the same weights.
"""
import os
import statistics
import sys
import time

import numpy as np

rows, cols = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (4096, 11008)
w = (np.random.default_rng(1).standard_normal((rows, cols), dtype=np.float32) * np.float32(0.02))


def median_ms(work):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def numpy_errors(bits, size):
    v = w.reshape(-1, size)
    top = np.float32(2 ** (bits - 1) - 1)
    scale = np.abs(v).max(1, keepdims=True) / top
    e = v - np.clip(np.rint(v / scale), -top, top) * scale
    return (np.square(e).sum(dtype=np.float64), np.abs(e).sum(dtype=np.float64), np.multiply(v, e).sum(dtype=np.float64),
            np.square(v).sum(dtype=np.float64))


schemes = {"int8-per-channel-sym": (8, cols), "int4-g128": (4, 128), "int4-g32": (4, 32)}
read = median_ms(lambda: np.abs(w).max())
for name, (bits, size) in schemes.items():
    took = median_ms(lambda: numpy_errors(bits, size))
    print(f"numpy {np.__version__:8} {name:22} {took:9.1f} ms {took / read:6.1f} reads")

try:
    import torch
except ImportError:
    sys.exit("torch is not installed")

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
t = torch.from_numpy(w)


def torch_errors(bits, size):
    v = t.reshape(-1, size)
    top = 2 ** (bits - 1) - 1
    scale = v.abs().amax(1) / top
    decoded = torch.fake_quantize_per_channel_affine(v, scale, torch.zeros(len(scale), dtype=torch.int32), 0, -top, top)
    e = v - decoded
    return (e.square().sum(dtype=torch.float64), e.abs().sum(dtype=torch.float64), (v * e).sum(dtype=torch.float64),
            v.square().sum(dtype=torch.float64))


for name, (bits, size) in schemes.items():
    took = median_ms(lambda: torch_errors(bits, size))
    print(f"torch {torch.__version__:8} {name:22} {took:9.1f} ms {took / read:6.1f} reads")
