#!/usr/bin/env python3
"""An evaluator with ONNX Runtime: the weights are inputs of the graph, so that no session is built anew when they change. Started by
weightscope, which asks on standard input; see weightscope/evaluators/process_evaluator.hpp."""
import json
import sys

import numpy as np
import onnx.parser
import onnxruntime


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

# your own model goes here: of a file, make its initializers inputs (delete them from graph.initializer, append to graph.input)
graph = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    mlp (float[n, i] x, float[h, i] w1, float[o, h] w2) => (float[n, o] y, float[n, h] b) {
        t1 = Transpose<perm = [1, 0]>(w1)  a = MatMul(x, t1)  b = Tanh(a)
        t2 = Transpose<perm = [1, 0]>(w2)  y = MatMul(b, t2) }""")
session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
data = np.random.default_rng(0)                        # and your own data
inputs = data.normal(size=(4, 16, weights["w1"].shape[1])).astype("f")
targets = data.normal(size=(4, 16, weights["w2"].shape[0]))
print("batches", len(inputs), "outputs", "activations", flush=True)

for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    batch = int(batch)
    outputs, hidden = session.run(None, {"x": inputs[batch], **{name: np.asarray(w, "f") for name, w in weights.items()}})
    if question == "activations":                      # what enters each layer, under the name of its weight
        save(rest[0].strip(), {"w1": inputs[batch], "w2": hidden})
        print(2, flush=True)
    elif question == "outputs":
        outputs.astype("<f4").tofile(rest[0].strip())
        print(*outputs.shape, flush=True)
    else:
        print(repr(float(((outputs - targets[batch])**2).sum() / 2)), len(outputs), flush=True)
