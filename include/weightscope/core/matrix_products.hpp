#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <weightscope/core/linalg.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

/// A matrix of its own, column-major without gaps.
struct dense_columns
{
    dense_columns(std::size_t row_count, std::size_t column_count) : rows(row_count), cols(column_count), data(row_count * column_count) {}

    block<double> columns(std::size_t count) { return {data.data(), rows, count, rows}; }
    block<double> all() { return columns(cols); }
    block<const double> all() const { return {data.data(), rows, cols, rows}; }

    std::size_t rows, cols;
    std::vector<double> data;
};

/// Products of factor · W with matrices of a few columns. W is read strip by strip: memory beyond the result is 256 rows in double.
class matrix_products
{
public:
    matrix_products(const matrix_source& w, double factor) : w_(w), factor_(factor) {}

    /// W x, x [cols, count]
    dense_columns times(const dense_columns& x) const
    {
        dense_columns result(w_.rows, x.cols);
        for_each_strip([&](std::size_t begin, block<const double> strip) {
            for_each_tile(strip.cols, [&](std::size_t first, std::size_t count) {
                multiply({strip.data + first * strip.stride, strip.rows, count, strip.stride}, x.all(), 1, 0,
                         {result.data.data() + begin + first, count, x.cols, w_.rows}, transposition::left);
            });
        });
        return result;
    }

    /// Wᵀ x, x [rows, count]
    dense_columns transposed_times(const dense_columns& x) const
    {
        dense_columns result(w_.cols, x.cols);
        for_each_strip([&](std::size_t begin, block<const double> strip) {
            for_each_tile(w_.cols, [&](std::size_t first, std::size_t count) {
                multiply({strip.data + first, count, strip.cols, strip.stride}, {x.data.data() + begin, strip.cols, x.cols, x.rows}, 1, 1,
                         {result.data.data() + first, count, x.cols, w_.cols});
            });
        });
        return result;
    }

private:
    template <class F>
    static void for_each_tile(std::size_t count, const F& f)
    {
        constexpr std::size_t tile = 128;
        parallel_for((count + tile - 1) / tile, [&](std::size_t t) { f(t * tile, std::min(tile, count - t * tile)); });
    }

    // f(row, strip), the rows as the columns of a column-major matrix
    template <class F>
    void for_each_strip(const F& f) const
    {
        constexpr std::size_t depth = 256;
        const blas_threads one(1);
        std::vector<double> converted(std::min(depth, w_.rows) * w_.cols);
        for (std::size_t begin = 0; begin < w_.rows; begin += depth) {
            const std::size_t size = std::min(depth, w_.rows - begin);
            parallel_for(size, [&](std::size_t i) {
                double* const row = converted.data() + i * w_.cols;
                w_.elements.read_double(w_.elements.data, (begin + i) * w_.cols, w_.cols, row);
                if (factor_ != 1)
                    for (std::size_t j = 0; j < w_.cols; ++j)
                        row[j] *= factor_;
            });
            f(begin, block<const double>{converted.data(), w_.cols, size, w_.cols});
        }
    }

    const matrix_source& w_;
    double factor_;
};

}  // namespace weightscope::detail
