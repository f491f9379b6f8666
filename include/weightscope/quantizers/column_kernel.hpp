#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/simd.hpp>
#include <weightscope/quantizers/group_range.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>

namespace weightscope::detail {

// Some neighbouring columns of some rows of a matrix, `stride` apart. The number of columns is whole vectors.
struct column_block
{
    const float* x = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::size_t stride = 0;
};

// Extremes of every column as keys, which are put together with those that stand there; Σ w² and the zeros (counted as flushed).
template <bool Magnitudes>
struct column_range_kernel
{
    using range = range_kernel<float, Magnitudes>;
    static constexpr std::size_t rows_at_once = 8;  // for every load and store of the extremes

    [[gnu::always_inline]] static void add(const float* x, std::size_t rows, std::size_t stride, std::int32_t* lowest, std::int32_t* highest,
                                           simd_vector<float>& squares, simd_vector<std::int32_t>& zeros)
    {
        typename range::vector low, high, keys;
        std::memcpy(&low, lowest, sizeof low);
        std::memcpy(&high, highest, sizeof high);
        for (std::size_t row = 0; row < rows; ++row, x += stride) {
            simd_vector<float> w;
            std::memcpy(&w, x, sizeof w);
            range::read_keys(x, keys);
            fold_half(low, high, keys, keys);
            squares += w * w;
            zeros -= w == 0;
        }
        std::memcpy(lowest, &low, sizeof low);
        std::memcpy(highest, &high, sizeof high);
    }

    [[gnu::always_inline]] void operator()(const column_block* block, std::int32_t* lowest, std::int32_t* highest, error_sums* sums) const
    {
        constexpr std::size_t width = simd<float>::width;
        simd_vector<std::int32_t> zeros = {};
        simd_vector<double> squares = {};
        for (std::size_t top = 0; top < block->rows; top += rows_at_once) {
            const std::size_t rows = block->rows - top < rows_at_once ? block->rows - top : rows_at_once;
            for (std::size_t left = 0; left < block->cols; left += width) {
                simd_vector<float> last = {};  // of one column in each lane: columns may differ widely
                add(block->x + top * block->stride + left, rows, block->stride, lowest + left, highest + left, last, zeros);
                add_lanes(last, squares);
            }
        }
        sums->signal += total_of(squares);
        for (std::size_t l = 0; l < width; ++l)
            sums->flushed_count += static_cast<std::size_t>(zeros[l]);
    }
};

// quick_error_kernel with a scale and levels of its own for every column, and half as many sums in float: columns may differ widely.
struct column_error_kernel
{
    using lanes = simd_vector<float>;
    static constexpr std::size_t cols_at_once = added_at_once / 2;

    [[gnu::always_inline]] static void add(const float* x, const float* scale, const float* lowest, const float* highest, std::size_t count, quick_error_sums& sums)
    {
        for (std::size_t i = 0; i < count; i += simd<float>::width) {
            lanes w, step, low, high;
            std::memcpy(&w, x + i, sizeof w);
            std::memcpy(&step, scale + i, sizeof step);
            std::memcpy(&low, lowest + i, sizeof low);
            std::memcpy(&high, highest + i, sizeof high);
            lanes level = w / step;
            for (std::size_t l = 0; l < simd<float>::width; ++l)
                level[l] = __builtin_nearbyintf(level[l]);
            const lanes free = level;
            level = level > low ? level : low;
            level = level < high ? level : high;
            sums.clipped -= level != free;
            sums.add(w, level * step);
        }
    }

    [[gnu::always_inline]] void operator()(const column_block* block, const float* scale, const float* lowest, const float* highest, error_sums* result) const
    {
        quick_error_sums sums;
        for (std::size_t row = 0; row < block->rows; ++row)
            for (std::size_t left = 0; left < block->cols; left += cols_at_once) {
                const std::size_t count = block->cols - left < cols_at_once ? block->cols - left : cols_at_once;
                add(block->x + row * block->stride + left, scale + left, lowest + left, highest + left, count, sums);
                sums.flush();
            }
        sums.add_to(*result);
    }
};

}  // namespace weightscope::detail
