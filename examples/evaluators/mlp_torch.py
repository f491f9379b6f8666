#!/usr/bin/env python3
"""An evaluator with PyTorch: tensors are the parameters of `model` by name, of any floating dtype; it runs in float32. Started by
weightscope, which asks on standard input; see README.md, and mlp_numpy.py for all that can be answered."""
import json
import sys

import numpy as np
import torch

path = input().split(maxsplit=2)[2]                      # weightscope 1 FILE
file = torch.from_numpy(np.memmap(path, np.uint8, "c"))  # mapped and never written to: changes of the weights are seen at once
start = 8 + int(file[:8].view(torch.int64))
header = json.loads(bytes(file[8:start].tolist()))
header.pop("__metadata__", None)
kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
stored = {}
for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
    begin, end = t["data_offsets"]
    stored[name] = file[start + begin:start + end].view(kinds[t["dtype"]]).view(t["shape"])

torch.manual_seed(0)                                     # your own model and data go here
hidden, width = stored["0.weight"].shape
model = torch.nn.Sequential(torch.nn.Linear(width, hidden, bias=False), torch.nn.Tanh(),
                            torch.nn.Linear(hidden, stored["2.weight"].shape[0], bias=False)).eval()
inputs, targets = torch.randn(4, 16, width), torch.randn(4, 16, stored["2.weight"].shape[0])
print("batches", len(inputs), "gradient", flush=True)

parameters = dict(model.named_parameters())
for line in sys.stdin:                                   # loss B, or gradient B FILE
    question, batch, *rest = line.split(maxsplit=2)
    for name, weights in stored.items():
        parameters[name].data.copy_(weights)
    loss = ((model(inputs[int(batch)]) - targets[int(batch)])**2).sum() / 2
    if question == "gradient":                           # float32, tensors in the order of the data
        gradients = torch.autograd.grad(loss, [parameters[name] for name in stored])
        torch.cat([g.flatten() for g in gradients]).numpy().tofile(rest[0].strip())
    print(loss.item(), len(inputs[int(batch)]), flush=True)
