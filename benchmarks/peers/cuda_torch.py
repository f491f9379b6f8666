#!/usr/bin/env python3
"""What torch takes on the same device for what bench_cuda measures: median ms by CUDA events, a line each."""
import statistics
import sys

import torch


def median_ms(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def element_figures(w):
    """What one call of analyze_elements tells, by torch's own functions; quantiles need a sort, torch.quantile takes 16M numbers."""
    x = w.float()
    a = x.abs()
    ascending, magnitudes = x.sort().values, a.sort().values
    ranks = [int(p * (x.numel() - 1)) for p in (0.1, 0.25, 0.5, 0.75, 0.9)]
    scale = a.max() / 127
    error = x - torch.round(x / scale) * scale
    figures = [x.double().mean(), x.std(), x.min(), x.max(), x.norm(), (x == 0).sum(), (error * error).sum(), error.abs().sum(), (x * error).sum()]
    figures += [(a <= t).sum() for t in (0, 1e-6, 1e-4, 1e-2)]
    figures += [magnitudes[r] for r in ranks] + [ascending[ranks[1]], ascending[ranks[3]]]
    return [f.item() for f in figures]


def group_error(w, group, levels):
    g = w.view(w.shape[0], -1, group)
    scale = g.abs().amax(dim=2, keepdim=True) / levels
    decoded = torch.clamp(torch.round(g / scale), -levels, levels) * scale
    e = (g - decoded).double()
    return (e * e).sum().item(), e.abs().sum().item()


def main():
    if not torch.cuda.is_available():
        print("skipped: no CUDA device")
        return
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    generator = torch.Generator("cuda").manual_seed(1)
    for name, dtype in (("float", torch.float32), ("bfloat16", torch.bfloat16)):
        w = (0.02 * torch.randn(200_000_000, device="cuda", generator=generator)).to(dtype)
        print(f"elements of 200M {name:28} {median_ms(lambda: element_figures(w), 3):9.3f} ms")
        del w
    w = 0.02 * torch.randn(4096, 11008, device="cuda", generator=generator)
    print(f"int8-per-channel-sym                         {median_ms(lambda: group_error(w, 11008, 127), repeats):9.3f} ms")
    print(f"int4-g128-sym                                {median_ms(lambda: group_error(w, 128, 7), repeats):9.3f} ms")
    for n in (1024, 4096):
        w = 0.02 * torch.randn(n, n, device="cuda", generator=generator)
        print(f"singular values of {n} x {n}                 {median_ms(lambda: torch.linalg.svdvals(w), 5):9.3f} ms")


if __name__ == "__main__":
    main()
