#!/usr/bin/env python3
"""Whether the conventions decode weights to the very numbers that the libraries they are named after decode them to.

    pip install torch safetensors optimum-quanto compressed-tensors torchao bitsandbytes gguf onnxruntime onnx
    python3 compare_conventions.py build/release/weightscope

Libraries that are missing are passed over. Exit status 1 where a weight differs.
"""
import importlib.metadata
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from convention_weights import odd_rows

NAME = "model.layers.0.mlp.up_proj.weight"
W = np.concatenate([odd_rows(), (np.random.default_rng(0).standard_normal((2048, 256)) * 0.02).astype(np.float32)])
COLS = W.shape[1]
T = torch.from_numpy(W.copy())


def quanto(bits):
    from optimum.quanto import AbsmaxOptimizer, MaxOptimizer, qint2, qint4, qint8, quantize_weight
    kind = {8: qint8, 4: qint4, 2: qint2}[bits]
    if bits == 8:
        return quantize_weight(T, qtype=kind, axis=0, scale=AbsmaxOptimizer()(T, qtype=kind, axis=0)).dequantize()
    scale, shift = MaxOptimizer()(T, qtype=kind, axis=0, group_size=128)
    return quantize_weight(T, qtype=kind, axis=0, scale=scale, shift=shift, group_size=128, optimized=False).dequantize()


def compressed_tensors(**arguments):
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize
    from compressed_tensors.quantization.utils import calculate_qparams
    a = QuantizationArgs(**arguments)
    groups = T.reshape(T.shape[0], -1, a.group_size or T.shape[1])
    scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), a)
    return dequantize(quantize(T, scale, zero, a), scale, zero, a)


def microscaling(element, mode):
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.mx_tensor import to_dtype, to_mx
    kind = {"fp4": torch.float4_e2m1fn_x2, "fp8-e4m3": torch.float8_e4m3fn, "fp8-e5m2": torch.float8_e5m2}[element]
    scale, data = to_mx(T, kind, 32, ScaleCalculationMode[mode.upper()])
    return to_dtype(data, scale, kind, 32, torch.float32)


def torchao(symmetric, bits, group):
    from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine, dequantize_affine, quantize_affine
    low, high, kind = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, torch.int8) if symmetric else (0, 2**bits - 1, torch.uint8)
    mapping, block = MappingType.SYMMETRIC if symmetric else MappingType.ASYMMETRIC, (1, group)
    scale, zero = choose_qparams_affine(T, mapping, block, kind, low, high, eps=torch.finfo(torch.float32).eps)
    return dequantize_affine(quantize_affine(T, block, scale, zero, kind, low, high), block, scale, zero, kind, low, high)


def bitsandbytes():
    import bitsandbytes.functional as functional
    codes, state = functional.quantize_4bit(T, blocksize=64, quant_type="nf4")
    return functional.dequantize_4bit(codes, state)


def torch_channels(symmetric):
    from torch.ao.quantization.observer import PerChannelMinMaxObserver
    kind = torch.qint8 if symmetric else torch.quint8
    observer = PerChannelMinMaxObserver(ch_axis=0, dtype=kind, qscheme=torch.per_channel_symmetric if symmetric else torch.per_channel_affine)
    observer(T)
    return torch.quantize_per_channel(T, *observer.calculate_qparams(), 0, kind).dequantize()


def ggml(kind):
    from gguf import GGMLQuantizationType, quants
    return quants.dequantize(quants.quantize(W, GGMLQuantizationType[kind]), GGMLQuantizationType[kind])


def onnx(kind, symmetric):
    from onnx import TensorProto
    from onnxruntime.quantization.quant_utils import quantize_data
    rows = []
    for row in W:
        zero, scale, codes = quantize_data(row, getattr(TensorProto, kind), symmetric)[-3:]
        rows.append((codes.astype(np.int32) - np.int32(zero)).astype(np.float32) * np.float32(scale))
    return np.stack(rows)


CHECKS = [(f"quanto-int{bits}", "optimum-quanto", lambda bits=bits: quanto(bits)) for bits in (8, 4, 2)] + [
    ("compressed-tensors-int8", "compressed-tensors", lambda: compressed_tensors(num_bits=8, symmetric=True, strategy="channel")),
    ("compressed-tensors-int4", "compressed-tensors", lambda: compressed_tensors(num_bits=4, symmetric=True, strategy="group", group_size=128)),
    ("compressed-tensors-int4-asym", "compressed-tensors", lambda: compressed_tensors(num_bits=4, symmetric=False, strategy="group", group_size=128)),
    ("compressed-tensors-fp8", "compressed-tensors", lambda: compressed_tensors(num_bits=8, type="float", symmetric=True, strategy="channel")),
    ("torchao-int4-sym", "torchao", lambda: torchao(True, 4, 128)),
    ("torchao-int4-asym", "torchao", lambda: torchao(False, 4, 128)),
    ("torchao-int8", "torchao", lambda: torchao(True, 8, COLS)),
    ("bitsandbytes-nf4", "bitsandbytes", bitsandbytes),
    ("torch-int8", "torch", lambda: torch_channels(True)),
    ("torch-int8-asym", "torch", lambda: torch_channels(False)),
    ("onnx-int8", "onnxruntime", lambda: onnx("INT8", True)),
    ("onnx-int8-asym", "onnxruntime", lambda: onnx("UINT8", False)),
] + [(f"ocp-mx{element}-{mode}", "torchao", lambda element=element, mode=mode: microscaling(element, mode))
     for element in ("fp4", "fp8-e4m3", "fp8-e5m2") for mode in ("floor", "ceil", "rceil", "even")] + [
    (f"ggml-{kind.lower()}", "gguf", lambda kind=kind: ggml(kind)) for kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4")]


def decoded_by(tool, scheme, folder):
    subprocess.run([tool, "quantize", "m.safetensors", "--scheme", scheme, "--quantize-first-last", "--write", "o.safetensors", "--quiet"],
                   cwd=folder, check=True)
    return load_file(os.path.join(folder, "o.safetensors"))[NAME].numpy()


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(__doc__)
    tool, wrong = os.path.abspath(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as folder:
        save_file({NAME: T}, os.path.join(folder, "m.safetensors"))
        for scheme, package, decode in CHECKS:
            try:
                theirs = decode()
            except ImportError as missing:
                print(f"{scheme:<30} skipped: {missing}")
                continue
            theirs = np.asarray(theirs.detach().float() if torch.is_tensor(theirs) else theirs, dtype=np.float32).reshape(W.shape)
            count = int((decoded_by(tool, scheme, folder) != theirs).sum())
            wrong += count > 0
            print(f"{scheme:<30} {package} {importlib.metadata.version(package)}: {count} of {W.size:,} weights differ", flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
