#!/usr/bin/env python3
"""Seconds of processor time that a compiler takes to parse weightscope's headers, beside xtensor's own: medians, and their ratios.

    python3 benchmarks/compile_times.py [COMPILER]     # g++ unless said otherwise
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 3
INCLUDE = pathlib.Path(__file__).resolve().parent.parent / "include"
STATISTICS = "".join(f"#include <weightscope/analyzers/{name}.hpp>\n" for name in ("basic_stats", "sparsity", "spectral"))
UNITS = {
    "xtensor/xtensor.hpp alone": ("#include <xtensor/xtensor.hpp>\n", []),
    "statistics, impl/ compiled once": (STATISTICS, ["-DWEIGHTSCOPE_COMPILED"]),
    "statistics": (STATISTICS, []),
    "all.hpp, impl/ compiled once": ("#include <weightscope/all.hpp>\n", ["-DWEIGHTSCOPE_COMPILED"]),
    "all.hpp": ("#include <weightscope/all.hpp>\n", []),
}


def seconds(compiler: str, source: str, flags: list[str]) -> float:
    before = os.times()
    subprocess.run([compiler, "-std=c++20", f"-I{INCLUDE}", *flags, "-fsyntax-only", source], check=True)
    after = os.times()
    return after.children_user - before.children_user


def main() -> None:
    compiler = sys.argv[1] if len(sys.argv) > 1 else "g++"
    times: dict[str, list[float]] = {name: [] for name in UNITS}
    with tempfile.TemporaryDirectory() as folder:
        for number, (text, _) in enumerate(UNITS.values()):
            pathlib.Path(folder, f"{number}.cpp").write_text(text)
        for _ in range(ROUNDS):  # in turns: the machine may slow down meanwhile
            for number, (name, (_, flags)) in enumerate(UNITS.items()):
                times[name].append(seconds(compiler, f"{folder}/{number}.cpp", flags))
    unit = statistics.median(next(iter(times.values())))
    print(f"{'unit':34}{'seconds':>8}{'x xtensor':>11}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:34}{median:8.2f}{median / unit:11.1f}")


if __name__ == "__main__":
    main()
