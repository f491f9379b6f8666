#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/gram_matrix.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/weight_source.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

detail::matrix_source matrix_from(const std::vector<float>& elements, std::size_t rows)
{
    return detail::matrix_of(detail::source_of(std::span<const float>(elements)), rows);
}

}  // namespace

TEST_CASE("the Gram matrix of the smaller side by hand")
{
    const std::vector<float> w = {1, 2, 3, 4, 5, 6};
    // 3 x 2: W^T W = {{35, 44}, {44, 56}}; 2 x 3: W W^T = {{14, 32}, {32, 77}}; the lower triangle of the columns is filled
    const auto tall = detail::gram_matrix(matrix_from(w, 3), 1);
    CHECK(tall[0] == 35);
    CHECK(tall[1] == 44);
    CHECK(tall[3] == 56);
    const auto wide = detail::gram_matrix(matrix_from(w, 2), 2);
    CHECK(wide[0] == 4 * 14);
    CHECK(wide[1] == 4 * 32);
    CHECK(wide[3] == 4 * 77);
}

TEST_CASE("a Gram matrix of more rows than a block holds is the sum over all of them")
{
    const std::vector<float> ones(1000 * 3, 1.0f);
    CHECK(detail::gram_matrix(matrix_from(ones, 1000), 1)[0] == 1000);
    CHECK(detail::gram_matrix(matrix_from(ones, 3), 1)[8] == 1000);
}

TEST_CASE("a Gram matrix of several tiles agrees with plain sums, tall and wide, for any number of threads")
{
    const std::size_t n = 300, length = 700;  // more than one tile, more than one conversion
    const auto values = random_normal<float>({length, n}, {.seed = 1});
    const std::vector<float> tall(values.begin(), values.end());
    std::vector<float> wide(tall.size());
    for (std::size_t i = 0; i < length; ++i)
        for (std::size_t j = 0; j < n; ++j)
            wide[j * length + i] = tall[i * n + j];
    const auto once = with_threads(1, [&] { return detail::gram_matrix(matrix_from(tall, length), 1); });
    CHECK(with_threads(3, [&] { return detail::gram_matrix(matrix_from(tall, length), 1); }) == once);
    const auto of_wide = detail::gram_matrix(matrix_from(wide, n), 1);
    double worst = 0;
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = j; i < n; ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < length; ++k)
                sum += static_cast<double>(tall[k * n + i]) * static_cast<double>(tall[k * n + j]);
            worst = std::max({worst, std::fabs(once[i + j * n] - sum), std::fabs(of_wide[i + j * n] - sum)});
        }
    CHECK(worst < 2e-12);  // sums of 700 squares of normal numbers: about 700 ± 15 ulp of 1.1e-13
}
