#!/usr/bin/env python3
"""An evaluator with ONNX Runtime: the weights are inputs of the graph, so that no session is built anew when they change. Started by
weightscope, which asks on standard input; see README.md, and mlp_numpy.py for all that can be answered."""
import json
import sys

import numpy as np
import onnx.parser
import onnxruntime

path = input().split(maxsplit=2)[2]                      # weightscope 1 FILE
file = np.memmap(path, np.uint8, "r")                    # mapped: changes of the weights are seen at once
start = 8 + int(file[:8].view("<u8")[0])
header = json.loads(bytes(file[8:start]))
header.pop("__metadata__", None)
kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
weights = {}
for name, t in header.items():
    begin, end = t["data_offsets"]
    weights[name] = file[start + begin:start + end].view(kinds[t["dtype"]]).reshape(t["shape"])

# your own model goes here: of a file, make its initializers inputs (delete them from graph.initializer, append to graph.input)
graph = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    mlp (float[n, i] x, float[h, i] w1, float[o, h] w2) => (float[n, o] y) {
        t1 = Transpose<perm = [1, 0]>(w1)  a = MatMul(x, t1)  b = Tanh(a)
        t2 = Transpose<perm = [1, 0]>(w2)  y = MatMul(b, t2) }""")
session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
data = np.random.default_rng(0)                          # and your own data
inputs = data.normal(size=(4, 16, weights["w1"].shape[1])).astype("f")
targets = data.normal(size=(4, 16, weights["w2"].shape[0]))
print("batches", len(inputs), flush=True)

for line in sys.stdin:                                   # loss B
    batch = int(line.split()[1])
    outputs, = session.run(None, {"x": inputs[batch], **{name: np.asarray(w, "f") for name, w in weights.items()}})
    print(float(((outputs - targets[batch])**2).sum() / 2), len(outputs), flush=True)
