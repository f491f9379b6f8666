#!/usr/bin/env python3
"""Logits and losses of five tiny decoders, written down from the definitions of their architectures with numpy in float64; shares no
code with the library. Weights and tokens come from a hash, so that tests/evaluators/tiny_transformers.hpp makes the same ones.

    make_transformer_reference.py > transformer_reference.hpp
"""
import numpy as np

MASK = (1 << 64) - 1


def hashed(tensor, index):
    """Uniform in [-0.5, 0.5): a number for each element of each tensor."""
    z = ((tensor << 32) + index + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 32) * 0xBF58476D1CE4E5B9 & MASK
    return ((z ^ z >> 32) >> 11) * 2.0**-53 - 0.5


def make_weights(specification):
    """name -> array; gains lie about 1, everything else about 0."""
    weights = {}
    for number, (name, shape) in enumerate(specification):
        flat = np.array([hashed(number, i) for i in range(int(np.prod(shape)))])
        gain = len(shape) == 1 and name.endswith("weight")
        weights[name] = (1 + flat if gain else flat * (2 if "embed" in name or "wte" in name else 1)).reshape(shape)
    return weights


def make_tokens(rows, length, vocabulary):
    return [[(7 * i * i + 3 * i + 5 * r) % vocabulary for i in range(length)] for r in range(rows)]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q, k, v):
    """One head: rows are positions."""
    scores = q @ k.T / np.sqrt(q.shape[1])
    scores[np.triu_indices(len(q), 1)] = -np.inf
    return softmax(scores) @ v


# GPT-2 (Radford et al. 2019): pre-LayerNorm, learned positions, GELU in the tanh form, weights [in, out], tied output
GPT2 = dict(vocabulary=29, width=12, layers=2, heads=3, feed=40, positions=16, epsilon=1e-5)


def gpt2_specification(c):
    d, f = c["width"], c["feed"]
    yield "wte.weight", (c["vocabulary"], d)
    yield "wpe.weight", (c["positions"], d)
    for l in range(c["layers"]):
        yield f"h.{l}.ln_1.weight", (d,)
        yield f"h.{l}.ln_1.bias", (d,)
        yield f"h.{l}.attn.c_attn.weight", (d, 3 * d)
        yield f"h.{l}.attn.c_attn.bias", (3 * d,)
        yield f"h.{l}.attn.c_proj.weight", (d, d)
        yield f"h.{l}.attn.c_proj.bias", (d,)
        yield f"h.{l}.ln_2.weight", (d,)
        yield f"h.{l}.ln_2.bias", (d,)
        yield f"h.{l}.mlp.c_fc.weight", (d, f)
        yield f"h.{l}.mlp.c_fc.bias", (f,)
        yield f"h.{l}.mlp.c_proj.weight", (f, d)
        yield f"h.{l}.mlp.c_proj.bias", (d,)
    yield "ln_f.weight", (d,)
    yield "ln_f.bias", (d,)


def gpt2_logits(c, w, tokens):
    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + c["epsilon"])
        return x * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    size = c["width"] // c["heads"]
    x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
    for l in range(c["layers"]):
        q, k, v = np.split(linear(norm(x, f"h.{l}.ln_1"), f"h.{l}.attn.c_attn"), 3, axis=1)
        heads = [attention(*(m[:, h * size : (h + 1) * size] for m in (q, k, v))) for h in range(c["heads"])]
        x = x + linear(np.concatenate(heads, 1), f"h.{l}.attn.c_proj")
        u = linear(norm(x, f"h.{l}.ln_2"), f"h.{l}.mlp.c_fc")
        u = 0.5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))
        x = x + linear(u, f"h.{l}.mlp.c_proj")
    return norm(x, "ln_f") @ w["wte.weight"].T


# LLaMA (Touvron et al. 2023) with grouped keys and values, untied; Qwen2: query, key and value biases, tied; and a LLaMA with
# every bias, the original's interleaved RoPE, and the slowed rotations of LLaMA 3.1; Mixtral (Jiang et al. 2024): two of four
# feed-forward parts for each token, weighed by the softmax over the two
LLAMA = dict(vocabulary=31, width=16, layers=2, heads=4, kv_heads=2, size=6, feed=20, epsilon=1e-5, theta=10000.0)
QWEN2 = dict(vocabulary=23, width=12, layers=2, heads=3, kv_heads=1, size=4, feed=28, epsilon=1e-6, theta=1e6, qkv_bias=True, tied=True)
LLAMA3 = dict(vocabulary=19, width=16, layers=1, heads=2, kv_heads=2, size=8, feed=24, epsilon=1e-5, theta=100.0, qkv_bias=True,
              output_bias=True, feed_bias=True, interleaved=True, scaling=dict(factor=4.0, low=1.0, high=3.0, original=24.0))

MIXTRAL = dict(vocabulary=27, width=12, layers=2, heads=2, kv_heads=1, size=6, feed=10, epsilon=1e-5, theta=1e4, experts=4, chosen=2)


def llama_specification(c):
    d, f, q, kv = c["width"], c["feed"], c["heads"] * c["size"], c["kv_heads"] * c["size"]
    yield "model.embed_tokens.weight", (c["vocabulary"], d)
    for l in range(c["layers"]):
        name = f"model.layers.{l}."
        yield name + "input_layernorm.weight", (d,)
        for part, out, fan_in, bias in (("self_attn.q_proj", q, d, "qkv_bias"), ("self_attn.k_proj", kv, d, "qkv_bias"),
                                        ("self_attn.v_proj", kv, d, "qkv_bias"), ("self_attn.o_proj", d, q, "output_bias"),
                                        ("mlp.gate_proj", f, d, "feed_bias"), ("mlp.up_proj", f, d, "feed_bias"),
                                        ("mlp.down_proj", d, f, "feed_bias")):
            if c.get("experts") and part.startswith("mlp."):
                continue
            yield name + part + ".weight", (out, fan_in)
            if c.get(bias):
                yield name + part + ".bias", (out,)
        for e in range(c.get("experts", 0)):
            for part, shape in (("w1", (f, d)), ("w2", (d, f)), ("w3", (f, d))):
                yield f"{name}block_sparse_moe.experts.{e}.{part}.weight", shape
        if c.get("experts"):
            yield name + "block_sparse_moe.gate.weight", (c["experts"], d)
        yield name + "post_attention_layernorm.weight", (d,)
    yield "model.norm.weight", (d,)
    if not c.get("tied"):
        yield "lm_head.weight", (c["vocabulary"], d)


def frequencies(c):
    plain = c["theta"] ** (-np.arange(0, c["size"], 2) / c["size"])
    s = c.get("scaling")
    if not s:
        return plain
    result = []
    for f in plain:  # as in the code that came with LLaMA 3.1: by wavelength
        wavelength = 2 * np.pi / f
        if wavelength < s["original"] / s["high"]:
            result.append(f)
        elif wavelength > s["original"] / s["low"]:
            result.append(f / s["factor"])
        else:
            smooth = (s["original"] / wavelength - s["low"]) / (s["high"] - s["low"])
            result.append((1 - smooth) * f / s["factor"] + smooth * f)
    return np.array(result)


def rotated(c, x):
    """RoPE by complex numbers; x [position, size]."""
    turn = np.exp(1j * np.outer(np.arange(len(x)), frequencies(c)))
    if c.get("interleaved"):
        z = (x[:, 0::2] + 1j * x[:, 1::2]) * turn
        return np.stack([z.real, z.imag], -1).reshape(x.shape)
    half = c["size"] // 2
    z = (x[:, :half] + 1j * x[:, half:]) * turn
    return np.concatenate([z.real, z.imag], 1)


def mixture(c, w, n, name):
    """Token by token, as the definition has it."""
    result = []
    for row in n:
        logits = w[name + "gate.weight"] @ row
        best = np.argsort(-logits)[: c["chosen"]]
        total = 0
        for e, share in zip(best, softmax(logits[best])):
            gate, up, down = (w[f"{name}experts.{e}.{part}.weight"] for part in ("w1", "w3", "w2"))
            inner = gate @ row
            total = total + share * (down @ (inner / (1 + np.exp(-inner)) * (up @ row)))
        result.append(total)
    return np.array(result)


def llama_logits(c, w, tokens):
    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + c["epsilon"]) * w[name]

    def linear(x, name):
        return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)

    size, group = c["size"], c["heads"] // c["kv_heads"]
    x = w["model.embed_tokens.weight"][tokens]
    for l in range(c["layers"]):
        name = f"model.layers.{l}."
        n = norm(x, name + "input_layernorm.weight")
        q, k, v = (linear(n, f"{name}self_attn.{p}_proj").reshape(len(x), -1, size) for p in "qkv")
        heads = [attention(rotated(c, q[:, h]), rotated(c, k[:, h // group]), v[:, h // group]) for h in range(c["heads"])]
        x = x + linear(np.concatenate(heads, 1), name + "self_attn.o_proj")
        n = norm(x, name + "post_attention_layernorm.weight")
        if c.get("experts"):
            x = x + mixture(c, w, n, name + "block_sparse_moe.")
            continue
        gate = linear(n, name + "mlp.gate_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(n, name + "mlp.up_proj"), name + "mlp.down_proj")
    return norm(x, "model.norm.weight") @ w["model.embed_tokens.weight" if c.get("tied") else "lm_head.weight"].T


def print_case(name, logits_of, c, w, length):
    tokens = make_tokens(2, length, c["vocabulary"])
    tokens[1] = tokens[1][:-3]  # the second row ends in three places of padding
    loss, squares = 0.0, 0.0
    for row in tokens:
        logits = logits_of(c, w, row)
        squares += (logits**2).sum()
        for t in range(len(row) - 1):
            loss -= np.log(softmax(logits[t])[row[t + 1]])
    last = ", ".join(repr(float(v)) for v in logits_of(c, w, tokens[0])[-1])
    print(f"inline const reference {name}{{.length = {length},\n    .loss = {float(loss)!r},\n    .squares = {float(squares)!r},"
          f"\n    .last_logits = {{{last}}}}};")


if __name__ == "__main__":
    print("// Made by tests/reference/make_transformer_reference.py; see there.\n#pragma once\n\n#include <cstddef>\n#include <vector>\n")
    print("namespace transformer_reference {\n")
    print("struct reference\n{\n    std::size_t length;               // tokens of a row\n"
          "    double loss;                      // sum over both rows\n"
          "    double squares;                   // sum of the squares of all logits that are not padding's\n"
          "    std::vector<double> last_logits;  // of the first row's last place\n};\n")
    for name, specification, logits_of, c, lengths in (("gpt2", gpt2_specification, gpt2_logits, GPT2, [10]),
                                                       ("llama", llama_specification, llama_logits, LLAMA, [10, 150]),
                                                       ("qwen2", llama_specification, llama_logits, QWEN2, [10]),
                                                       ("llama3", llama_specification, llama_logits, LLAMA3, [40]),
                                                       ("mixtral", llama_specification, llama_logits, MIXTRAL, [20])):
        w = make_weights(list(specification(c)))
        for length in lengths:
            print_case(name + ("" if length < 100 else "_long"), logits_of, c, w, length)
    print("\n}  // namespace transformer_reference")
