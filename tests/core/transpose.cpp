#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/scalars.hpp>
#include <weightscope/core/transpose.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

template <class T>
void check_transpose(std::size_t rows, std::size_t cols)
{
    std::vector<T> values;
    for (std::size_t i = 0; i < rows * cols; ++i)
        values.push_back(static_cast<T>(static_cast<float>(i % 101)));
    std::vector<std::uint64_t> storage;
    const detail::matrix_source w{detail::source_of(std::span<const T>(values)), rows, cols};
    const detail::matrix_source turned = detail::transposed(w, storage);
    REQUIRE(turned.rows == cols);
    REQUIRE(turned.cols == rows);
    const std::vector<double> before = detail::to_doubles(w.elements), after = detail::to_doubles(turned.elements);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j)
            wrong += before[i * cols + j] != after[j * rows + i];
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("a transpose has each element in its place, whatever the type and the shape")
{
    for (const auto& [rows, cols] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 5}, {1, 1}, {1, 70}, {33, 2}, {32, 64}, {65, 31}}) {
        check_transpose<std::int8_t>(rows, cols);
        check_transpose<bfloat16>(rows, cols);
        check_transpose<float>(rows, cols);
        check_transpose<double>(rows, cols);
    }
}
