#!/usr/bin/env python3
"""GPT-2 small forward and backward on 8 rows of 128 tokens by weightscope and by torch, in turn in one run; prints the seconds of
each, and which share of its own float32 matrix product of the feed-forward's shape each reaches.

    python3 benchmarks/peers/transformer.py build/release/benchmarks/bench_transformer

Medians of three rounds. LAYERS=2 takes fewer layers, THREADS=2 sets the number of threads of both.
"""
import json
import os
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

LAYERS, THREADS = int(os.environ.get("LAYERS", 12)), int(os.environ.get("THREADS", 2))
ROWS, LENGTH, WIDTH, HEADS, FEED, VOCABULARY = 8, 128, 768, 12, 3072, 50257


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = torch.nn.LayerNorm(WIDTH), torch.nn.LayerNorm(WIDTH)
        self.qkv, self.out = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)
        self.feed_in, self.feed_out = torch.nn.Linear(WIDTH, FEED), torch.nn.Linear(FEED, WIDTH)

    def forward(self, x):
        q, k, v = (p.view(ROWS, LENGTH, HEADS, -1).transpose(1, 2) for p in self.qkv(self.norm_1(x)).split(WIDTH, -1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(ROWS, LENGTH, WIDTH))
        return x + self.feed_out(F.gelu(self.feed_in(self.norm_2(x)), approximate="tanh"))


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Embedding(1024, WIDTH)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = torch.nn.LayerNorm(WIDTH)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions.weight[:LENGTH]
        for layer in self.layers:
            x = layer(x)
        logits = F.linear(self.norm(x)[:, :-1], self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def torch_round(model, tokens):
    a, b = torch.randn(ROWS * LENGTH, WIDTH), torch.randn(WIDTH, FEED)
    product = min(seconds_of(lambda: a @ b) for _ in range(5)) / (2 * ROWS * LENGTH * WIDTH * FEED)

    def forward():
        with torch.no_grad():
            model(tokens)

    def both():
        model.zero_grad(set_to_none=True)
        model(tokens).backward()

    weights = LAYERS * WIDTH * (4 * WIDTH + 2 * FEED) + WIDTH * VOCABULARY
    result = {}
    for name, work, operations in (("forward", forward, 2), ("forward_and_backward", both, 6)):
        seconds = seconds_of(work)
        result[name] = seconds, operations * weights * ROWS * LENGTH * product / seconds
    return result


def weightscope_round(program):
    text = subprocess.run([program, "--benchmark_filter=<float>", "--benchmark_format=json", "--benchmark_min_time=0.001"],
                          check=True, capture_output=True, text=True, env={**os.environ, "LAYERS": str(LAYERS), "THREADS": str(THREADS)}).stdout
    return {b["name"].split("<")[0]: (b["real_time"] / 1000, b["share_of_sgemm"]) for b in json.loads(text)["benchmarks"]}


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model, tokens = Decoder(), torch.randint(VOCABULARY, (ROWS, LENGTH))
    torch_round(model, tokens)  # warms up
    rounds = [(weightscope_round(sys.argv[1]), torch_round(model, tokens)) for _ in range(3)]
    for name in ("forward", "forward_and_backward"):
        for who, peer in enumerate(("weightscope", f"torch {torch.__version__}")):
            seconds, share = (statistics.median(r[who][name][i] for r in rounds) for i in (0, 1))
            print(f"{name:22} {peer:20} {seconds:7.2f} s   {100 * share:5.1f} % of its matrix product")
