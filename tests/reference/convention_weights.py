"""Weights on which conventions differ: rows of one sign, of zeros, with halves between codes, and of powers of two."""
import numpy as np


def odd_rows():
    f = np.float32
    rows, cols = 12, 256
    i = np.arange(rows * cols, dtype=np.int64)
    w = ((i * 7919 % 1000 - 500).astype(f) / f(512)).reshape(rows, cols)
    w[1] *= f(0.01)
    w[2] = np.abs(w[2])
    w[3, :4] *= f(8)
    w[4] = 0
    w[5] = f(0.25)
    w[6] = -np.abs(w[6])
    w[7] = np.abs(w[7]) + f(0.3)
    w[8] = (np.arange(cols) * 5 % 17 - 8).astype(f) / f(8)    # halves between codes
    w[9, ::2], w[9, 1::2] = f(0.5), f(-0.5)                   # both ends equally far
    w[10] = np.exp2(np.arange(cols) % 9 - 4).astype(f) * f(0.9375)
    return w
