#!/usr/bin/env python3
"""An evaluator in Python with numpy: a perceptron with one hidden layer, tensors w1 [hidden, in] and w2 [out, hidden], any float dtype
that numpy knows. Started by weightscope, which asks on standard input; see weightscope/evaluators/process_evaluator.hpp."""
import json
import sys

import numpy as np


def save(path, arrays):                                # a safetensors file of float32 arrays
    entries, end = {}, 0
    for name, a in arrays.items():
        entries[name] = {"dtype": "F32", "shape": a.shape, "data_offsets": [end, end + 4 * a.size]}
        end += 4 * a.size
    text = json.dumps(entries).encode()
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + b"".join(a.astype("<f4").tobytes() for a in arrays.values()))


_, version, path = input().split(maxsplit=2)           # weightscope 1 FILE
file = np.memmap(path, np.uint8, "r")                  # mapped: changes of the weights are seen at once
size = int(file[:8].view("<u8")[0])
header = {k: v for k, v in json.loads(bytes(file[8:8 + size])).items() if k != "__metadata__"}
kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
weights = {name: file[8 + size + a:8 + size + b].view(kinds[t["dtype"]]).reshape(t["shape"])
           for name, t in header.items() for a, b in [t["data_offsets"]]}

data = np.random.default_rng(0)                        # your own data go here
inputs = data.normal(size=(4, 16, weights["w1"].shape[1]))
targets = data.normal(size=(4, 16, weights["w2"].shape[0]))
print("batches", len(inputs), "gradient", "outputs", "activations", flush=True)

for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    x, y = inputs[int(batch)], targets[int(batch)]
    w1, w2 = (weights[name].astype(float) for name in ("w1", "w2"))
    hidden = np.tanh(x @ w1.T)
    error = hidden @ w2.T - y
    if question == "gradient":                         # float32, tensors in the order of the data
        back = (error @ w2) * (1 - hidden**2)
        gradient = {"w1": back.T @ x, "w2": error.T @ hidden}
        order = sorted(header, key=lambda name: header[name]["data_offsets"])
        np.concatenate([gradient[name].ravel() for name in order]).astype("<f4").tofile(rest[0].strip())
    if question == "activations":                      # what enters each layer, under the name of its weight
        save(rest[0].strip(), {"w1": x, "w2": hidden})
        print(2, flush=True)
    elif question == "outputs":
        (error + y).astype("<f4").tofile(rest[0].strip())
        print(*error.shape, flush=True)
    else:
        print(repr(float((error**2).sum() / 2)), len(x), flush=True)
