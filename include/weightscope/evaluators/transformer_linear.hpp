#pragma once
// Products with the weights of a transformer, in tiles of a fixed size: a tile is one task with one thread in BLAS, so that results
// do not depend on the number of threads, and weights of another type are converted tile by tile.

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/gemm.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer_plan.hpp>
#include <weightscope/evaluators/transformer_weights.hpp>

namespace weightscope::detail {

// Rows of activations, `stride` elements from one to the next.
template <class Real>
struct row_block
{
    Real* data = nullptr;
    std::size_t stride = 0;

    Real* row(std::size_t i) const { return data + i * stride; }
};

// [0, size), size > 0, in the fewest nearly equal parts of at most `largest`; none of them is empty.
struct even_parts
{
    even_parts(std::size_t size, std::size_t largest) : whole(size), count((size + largest - 1) / largest), step((size + count - 1) / count)
    {
    }
    std::size_t begin(std::size_t i) const { return std::min(whole, i * step); }
    std::size_t extent(std::size_t i) const { return begin(i + 1) - begin(i); }

    std::size_t whole, count, step;
};

inline constexpr std::size_t tile_rows = 512, tile_cols = 384, tile_depth = 2048;

// y = x · op(W) + keep · y for `rows` rows. W is [n, k] as it is stored and turned, or [k, n]; it begins with a row of the tensor.
template <class Real>
void multiply_weights(const transformer_weights<Real>& weights, std::size_t tensor, std::size_t first_row, bool turned, std::size_t rows,
                      std::size_t n, std::size_t k, row_block<const Real> x, Real keep, row_block<Real> y, per_thread<std::vector<Real>>& buffers)
{
    const even_parts row_parts(rows, tile_rows), col_parts(n, tile_cols), depth_parts(k, tile_depth);
    parallel_for(row_parts.count * col_parts.count, [&](std::size_t tile) {
        const std::size_t r = tile % row_parts.count, c = tile / row_parts.count;
        const std::size_t row = row_parts.begin(r), col = col_parts.begin(c), width = col_parts.extent(c);
        std::vector<Real>& buffer = buffers.local();
        buffer.resize(std::max(buffer.size(), depth_parts.step * col_parts.step));
        for (std::size_t d = 0; d < depth_parts.count; ++d) {
            const std::size_t depth = depth_parts.begin(d), extent = depth_parts.extent(d);
            operand<Real> w = turned ? weights.block(tensor, first_row + col, width, depth, extent, buffer.data())
                                     : weights.block(tensor, first_row + depth, extent, col, width, buffer.data());
            w.turned = turned;
            multiply(row_parts.extent(r), width, extent, {x.row(row) + depth, x.stride}, w, d == 0 ? keep : Real{1}, y.row(row) + col,
                     y.stride);
        }
    });
}

// y = x W^T + b, or y + x W^T + b where `add`; y begins at the map's own column.
template <class Real>
void linear_forward(const transformer_weights<Real>& weights, const linear_map& map, std::size_t rows, row_block<const Real> x,
                    row_block<Real> y, bool add, per_thread<std::vector<Real>>& buffers)
{
    y.data += map.out_column;
    if (map.bias != no_tensor) {
        const std::vector<Real> bias = weights.values(map.bias);
        parallel_for(even_parts(rows, 64).count, [&](std::size_t part) {
            const even_parts parts(rows, 64);
            for (std::size_t i = parts.begin(part); i < parts.begin(part + 1); ++i)
                for (std::size_t j = 0; j < map.out; ++j)
                    y.row(i)[j] = add ? y.row(i)[j] + bias[j] : bias[j];
        });
    }
    multiply_weights(weights, map.weight, map.first_row(), !map.in_out, rows, map.out, map.in, x, Real(add || map.bias != no_tensor), y, buffers);
}

// dx = dy W, or dx + dy W where `add`.
template <class Real>
void linear_backward(const transformer_weights<Real>& weights, const linear_map& map, std::size_t rows, row_block<const Real> dy,
                     row_block<Real> dx, bool add, per_thread<std::vector<Real>>& buffers)
{
    dy.data += map.out_column;
    multiply_weights(weights, map.weight, map.first_row(), map.in_out, rows, map.in, map.out, dy, Real(add), dx, buffers);
}

// Sums of the columns of `rows` rows, in double and in a fixed order.
template <class Real>
std::vector<Real> column_sums(std::size_t rows, std::size_t cols, row_block<const Real> x)
{
    std::vector<Real> result(cols);
    const even_parts parts(cols, 128);
    parallel_for(parts.count, [&](std::size_t part) {
        const std::size_t begin = parts.begin(part), extent = parts.extent(part);
        std::vector<double> sums(extent);
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < extent; ++j)
                sums[j] += static_cast<double>(x.row(i)[begin + j]);
        for (std::size_t j = 0; j < extent; ++j)
            result[begin + j] = static_cast<Real>(sums[j]);
    });
    return result;
}

// Hands the gradients dW = dy^T x (or its transpose, as W is stored) and db to the sink, a few million elements at a time.
template <class Real>
void linear_gradient(const linear_map& map, std::size_t rows, row_block<const Real> x, row_block<const Real> dy,
                     const gradient_sink& sink, std::vector<Real>& buffer)
{
    constexpr std::size_t panel_elements = std::size_t{1} << 22;
    dy.data += map.out_column;
    const row_block<const Real> left = map.in_out ? x : dy, right = map.in_out ? dy : x;
    const std::size_t m = map.in_out ? map.in : map.out, n = map.in_out ? map.out : map.in;
    const even_parts panels(m, std::max<std::size_t>(1, panel_elements / n));
    buffer.resize(std::max(buffer.size(), panels.step * n));
    for (std::size_t p = 0; p < panels.count; ++p) {
        const even_parts row_parts(panels.extent(p), tile_rows), col_parts(n, tile_cols);
        parallel_for(row_parts.count * col_parts.count, [&](std::size_t tile) {
            const std::size_t r = tile % row_parts.count, c = tile / row_parts.count;
            const std::size_t row = row_parts.begin(r), col = col_parts.begin(c);
            multiply(row_parts.extent(r), col_parts.extent(c), rows, {left.data + panels.begin(p) + row, left.stride, true},
                     {right.data + col, right.stride}, Real{0}, buffer.data() + row * n + col, n);
        });
        sink(map.weight, (map.first_row() + panels.begin(p)) * n, std::span<const Real>(buffer.data(), panels.extent(p) * n));
    }
    if (map.bias != no_tensor)
        sink(map.bias, 0, std::span<const Real>(column_sums(rows, map.out, dy)));
}

}  // namespace weightscope::detail
