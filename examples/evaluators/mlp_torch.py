#!/usr/bin/env python3
"""An evaluator with PyTorch: tensors are the parameters of `model` by name, of any floating dtype; the forward runs in float32. Started by
weightscope, which asks on standard input; see weightscope/evaluators/process_evaluator.hpp."""
import json
import sys

import numpy as np
import torch


def save(path, arrays):                                # a safetensors file of float32 arrays
    entries, end = {}, 0
    for name, a in arrays.items():
        entries[name] = {"dtype": "F32", "shape": a.shape, "data_offsets": [end, end + 4 * a.size]}
        end += 4 * a.size
    text = json.dumps(entries).encode()
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + b"".join(a.astype("<f4").tobytes() for a in arrays.values()))


_, version, path = input().split(maxsplit=2)           # weightscope 1 FILE
file = torch.from_numpy(np.memmap(path, np.uint8, "c"))  # mapped and never written to: changes of the weights are seen at once
size = int(file[:8].view(torch.int64)[0])
header = {k: v for k, v in json.loads(bytes(file[8:8 + size].tolist())).items() if k != "__metadata__"}
kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
stored = {name: file[8 + size + a:8 + size + b].view(kinds[t["dtype"]]).view(t["shape"])
          for name, t in header.items() for a, b in [t["data_offsets"]]}
order = sorted(header, key=lambda name: header[name]["data_offsets"])

torch.manual_seed(0)                                   # your own model and data go here
hidden, width = stored["0.weight"].shape
model = torch.nn.Sequential(torch.nn.Linear(width, hidden, bias=False), torch.nn.Tanh(),
                            torch.nn.Linear(hidden, stored["2.weight"].shape[0], bias=False)).eval()
inputs, targets = torch.randn(4, 16, width), torch.randn(4, 16, stored["2.weight"].shape[0])
entering = {}                                          # what enters each layer, under the name of its weight
for name, layer in model.named_modules():
    if isinstance(layer, torch.nn.Linear):
        layer.register_forward_pre_hook(lambda _, x, name=name: entering.update({name + ".weight": x[0].detach().numpy()}))
print("batches", len(inputs), "gradient", "outputs", "activations", flush=True)

for line in sys.stdin:
    question, batch, *rest = line.split(maxsplit=2)
    batch = int(batch)
    weights = {name: w.float().requires_grad_(question == "gradient") for name, w in stored.items()}
    outputs = torch.func.functional_call(model, weights, inputs[batch])
    loss = ((outputs - targets[batch])**2).sum() / 2
    if question == "gradient":                         # float32, tensors in the order of the data
        torch.cat([g.ravel() for g in torch.autograd.grad(loss, [weights[name] for name in order])]).numpy().tofile(rest[0].strip())
    if question == "activations":
        save(rest[0].strip(), entering)
        print(len(entering), flush=True)
    elif question == "outputs":
        outputs.detach().numpy().tofile(rest[0].strip())
        print(*outputs.shape, flush=True)
    else:
        print(repr(loss.item()), len(outputs), flush=True)
