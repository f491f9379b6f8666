#pragma once
// Causal attention, 64 queries at a time: the probabilities of a whole sequence never exist, the backward pass makes them again.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/gemm.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/evaluators/transformer_kernels.hpp>
#include <weightscope/evaluators/transformer_linear.hpp>

namespace weightscope::detail {

struct attention_shape
{
    std::size_t sequences = 0, length = 0;
    std::size_t heads = 0, kv_heads = 0, head_size = 0;
    std::size_t group() const { return heads / kv_heads; }
};

inline constexpr std::size_t query_block = 64;

// The softmax of a block of scores, where query i sees the keys up to i. `first` is the place of its first query.
template <class Real>
struct causal_softmax_kernel
{
    [[gnu::always_inline]] void operator()(Real* scores, std::size_t first, std::size_t rows, std::size_t keys, Real factor,
                                           Real* most, Real* sum) const
    {
        for (std::size_t i = 0; i < rows; ++i) {
            Real* row = scores + i * keys;
            const std::size_t seen = first + i + 1;
            sum[i] = softmax_kernel<Real>{}(row, seen, factor, most + i);
            const Real inverse = 1 / sum[i];
            for (std::size_t j = 0; j < seen; ++j)
                row[j] *= inverse;
            for (std::size_t j = seen; j < keys; ++j)
                row[j] = 0;
        }
    }
};

// From the gradient of the probabilities to that of the scores before scaling: factor · p · (dp - Σ dp · p).
template <class Real>
struct softmax_backward_kernel
{
    [[gnu::always_inline]] void operator()(const Real* probabilities, std::size_t rows, std::size_t keys, Real factor, Real* dp) const
    {
        for (std::size_t i = 0; i < rows; ++i) {
            const Real* p = probabilities + i * keys;
            Real* d = dp + i * keys;
            const Real along = dot<Real>(p, d, keys);
            for (std::size_t j = 0; j < keys; ++j)
                d[j] = factor * p[j] * (d[j] - along);
        }
    }
};

// Probabilities [rows, keys] of the queries [first, first + rows) of a head; query and key point to the head's first row.
template <class Real>
void attention_probabilities(const Real* query, const Real* key, std::size_t stride, std::size_t head_size, std::size_t first,
                             std::size_t rows, Real* probabilities)
{
    const std::size_t keys = first + rows;
    Real most[query_block], sum[query_block];
    multiply(rows, keys, head_size, {query + first * stride, stride}, {key, stride, true}, Real{0}, probabilities, keys);
    const Real factor = 1 / std::sqrt(static_cast<Real>(head_size));
    dispatch(causal_softmax_kernel<Real>{}, probabilities, first, rows, keys, factor, +most, +sum);
}

// out [rows, heads · head_size] from qkv [rows, queries keys values].
template <class Real>
void attention_forward(const attention_shape& shape, row_block<const Real> qkv, row_block<Real> out,
                       per_thread<std::vector<Real>>& buffers)
{
    const std::size_t size = shape.head_size, key_column = shape.heads * size, value_column = key_column + shape.kv_heads * size;
    parallel_for(shape.sequences * shape.heads, [&](std::size_t task) {
        const std::size_t sequence = task / shape.heads, head = task % shape.heads, kv = head / shape.group();
        const Real* rows = qkv.row(sequence * shape.length);
        Real* result = out.row(sequence * shape.length) + head * size;
        std::vector<Real>& buffer = buffers.local();
        buffer.resize(std::max(buffer.size(), query_block * shape.length));
        for (std::size_t first = 0; first < shape.length; first += query_block) {
            const std::size_t count = std::min(query_block, shape.length - first), keys = first + count;
            attention_probabilities(rows + head * size, rows + key_column + kv * size, qkv.stride, size, first, count, buffer.data());
            multiply(count, size, keys, {buffer.data(), keys}, {rows + value_column + kv * size, qkv.stride}, Real{0},
                     result + first * out.stride, out.stride);
        }
    });
}

// dqkv from dout; one task for all heads that share a key and a value, so that their sums have one order.
template <class Real>
void attention_backward(const attention_shape& shape, row_block<const Real> qkv, row_block<const Real> dout, row_block<Real> dqkv,
                        per_thread<std::vector<Real>>& buffers)
{
    const std::size_t size = shape.head_size, key_column = shape.heads * size, value_column = key_column + shape.kv_heads * size;
    const std::size_t stride = qkv.stride;
    const Real factor = 1 / std::sqrt(static_cast<Real>(size));
    parallel_for(shape.sequences * shape.kv_heads, [&](std::size_t task) {
        const std::size_t begin = task / shape.kv_heads * shape.length, kv = task % shape.kv_heads;
        const Real *key = qkv.row(begin) + key_column + kv * size, *value = qkv.row(begin) + value_column + kv * size;
        Real *dkey = dqkv.row(begin) + key_column + kv * size, *dvalue = dqkv.row(begin) + value_column + kv * size;
        for (std::size_t i = 0; i < shape.length; ++i) {
            std::fill_n(dkey + i * stride, size, Real{0});
            std::fill_n(dvalue + i * stride, size, Real{0});
        }
        std::vector<Real>& buffer = buffers.local();
        buffer.resize(std::max(buffer.size(), 2 * query_block * shape.length));
        Real *p = buffer.data(), *dp = p + query_block * shape.length;
        for (std::size_t head = kv * shape.group(); head < (kv + 1) * shape.group(); ++head)
            for (std::size_t first = 0; first < shape.length; first += query_block) {
                const std::size_t count = std::min(query_block, shape.length - first), keys = first + count;
                const Real *query = qkv.row(begin) + head * size, *doutput = dout.row(begin + first) + head * size;
                attention_probabilities(query, key, stride, size, first, count, p);
                multiply(keys, size, count, {p, keys, true}, {doutput, dout.stride}, Real{1}, dvalue, stride);
                multiply(count, keys, size, {doutput, dout.stride}, {value, stride, true}, Real{0}, dp, keys);
                dispatch(softmax_backward_kernel<Real>{}, static_cast<const Real*>(p), count, keys, factor, dp);
                multiply(count, size, keys, {dp, keys}, {key, stride}, Real{0}, dqkv.row(begin + first) + head * size, stride);
                multiply(keys, size, count, {dp, keys, true}, {query + first * stride, stride}, Real{1}, dkey, stride);
            }
    });
}

}  // namespace weightscope::detail
