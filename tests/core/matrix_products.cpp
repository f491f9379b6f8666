#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/matrix_products.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("products with a matrix and its transpose are those of three loops, tall and wide, with the same bits for any number of threads")
{
    for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 300}, {520, 130}, {257, 256}}) {
        const std::size_t count = 4;
        const auto numbers = random_normal<float>({rows, cols}, {.seed = 2});
        const detail::matrix_source w = detail::matrix_of(detail::source_of(std::span<const float>(numbers.data(), numbers.size())), rows);
        detail::dense_columns right(cols, count), left(rows, count);
        for (std::size_t i = 0; i < right.data.size(); ++i)
            right.data[i] = std::sin(static_cast<double>(i));
        for (std::size_t i = 0; i < left.data.size(); ++i)
            left.data[i] = std::cos(static_cast<double>(i));
        for (const double factor : {1.0, 0.5}) {
            const detail::matrix_products products(w, factor);
            const detail::dense_columns times = products.times(right), transposed = products.transposed_times(left);
            REQUIRE(times.rows == rows);
            REQUIRE(transposed.rows == cols);
            double worst = 0;
            for (std::size_t c = 0; c < count; ++c) {
                for (std::size_t i = 0; i < rows; ++i) {
                    double sum = 0;
                    for (std::size_t j = 0; j < cols; ++j)
                        sum += factor * numbers(i, j) * right.data[j + c * cols];
                    worst = std::max(worst, std::fabs(sum - times.data[i + c * rows]));
                }
                for (std::size_t j = 0; j < cols; ++j) {
                    double sum = 0;
                    for (std::size_t i = 0; i < rows; ++i)
                        sum += factor * numbers(i, j) * left.data[i + c * rows];
                    worst = std::max(worst, std::fabs(sum - transposed.data[j + c * cols]));
                }
            }
            CHECK(worst <= 520 * 4 * 0x1p-53 * 4);  // 520 terms of at most some 4
            with_threads(1, [&] {
                CHECK(products.times(right).data == times.data);
                CHECK(products.transposed_times(left).data == transposed.data);
            });
        }
    }
}
