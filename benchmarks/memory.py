#!/usr/bin/env python3
"""How much memory of its own does a scan take? What is mapped from files does not count: the kernel takes it back when it likes.

    $ python3 benchmarks/memory.py build/release/weightscope                     # 4 GiB of bfloat16 in shards, elements
    $ python3 benchmarks/memory.py build/release/weightscope --spectra 7         # and the spectra of seven matrices
    $ python3 benchmarks/memory.py build/release/weightscope --shapes gpt2       # GPT-2 small in float32, all methods

Writes random weights into a temporary folder, samples the resident anonymous memory of the tool, prints its peak and removes the folder.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np


def gpt2_shapes():
    yield from [("wte.weight", (50257, 768)), ("wpe.weight", (1024, 768))]
    for i in range(12):
        for name, shape in [("attn.c_attn", (768, 2304)), ("attn.c_proj", (768, 768)), ("mlp.c_fc", (768, 3072)), ("mlp.c_proj", (3072, 768))]:
            yield f"h.{i}.{name}.weight", shape


def llama_shapes(gib):
    size, block = 0, 0
    while size < gib * 2**30:
        for name, shape in [("self_attn.q_proj", (4096, 4096)), ("self_attn.k_proj", (4096, 4096)), ("self_attn.v_proj", (4096, 4096)),
                            ("self_attn.o_proj", (4096, 4096)), ("mlp.gate_proj", (11008, 4096)), ("mlp.up_proj", (11008, 4096)),
                            ("mlp.down_proj", (4096, 11008))]:
            size += 2 * shape[0] * shape[1]
            yield f"model.layers.{block}.{name}.weight", shape
        block += 1


def write_shard(path, tensors, dtype, numbers, turn):
    """One safetensors file; every tensor is the same random numbers from another place on."""
    header, end = {}, 0
    for name, shape in tensors:
        begin, end = end, end + shape[0] * shape[1] * numbers.itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors:
            turn += 1
            file.write(np.roll(numbers, 12345 * turn)[:shape[0] * shape[1]].tobytes())
    return turn


def write_model(folder, shapes, dtype):
    shapes = list(shapes)
    numbers = (0.02 * np.random.default_rng(1).standard_normal(max(r * c for _, (r, c) in shapes))).astype(np.float32)
    if dtype == "BF16":
        numbers = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    shards = [shapes[i:i + 14] for i in range(0, len(shapes), 14)]
    turn, index = 0, {}
    for i, tensors in enumerate(shards):
        name = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        turn = write_shard(folder / name, tensors, dtype, numbers, turn)
        index.update({tensor: name for tensor, _ in tensors})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def run(command):
    """Seconds, and the peak of the anonymous memory in MB."""
    start, peak, process = time.time(), 0, subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
        except OSError:
            pass
        time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return time.time() - start, peak * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--shapes", choices=["llama", "gpt2"], default="llama")
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--spectra", type=int, default=0, help="how many matrices of the LLaMA get their spectra")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, llama = pathlib.Path(name), options.shapes == "llama"
        shapes = list(llama_shapes(options.gib) if llama else gpt2_shapes())
        write_model(folder, shapes, "BF16" if llama else "F32")
        scan = [options.tool, "scan", str(folder), "--quiet", "--progress", "never", "--methods"]
        runs = [("elements", "basic_stats,quantization,sparsity", shapes)]
        if not llama:
            runs = [("all methods", "all", shapes)]
        elif options.spectra:
            runs.append((f"spectra of {options.spectra}", "spectral", shapes[:options.spectra]))
        for what, methods, chosen in runs:
            restrict = [] if len(chosen) == len(shapes) else ["--restrict", ",".join(name for name, _ in chosen)]
            seconds, anonymous = run(scan + [methods] + restrict)
            gram = max(min(shape) for _, shape in chosen)**2 * 8 / 1e6 if "spectra" in what or "all" in what else 0
            print(f"{what}: {seconds:.1f} s, anonymous memory {anonymous:.0f} MB, the largest Gram matrix is {gram:.0f} MB of it")


if __name__ == "__main__":
    main()
