#include <cmath>
#include <span>
#include <vector>

#include <weightscope/core/linalg.hpp>
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
    // 3 x 2: W^T W = {{35, 44}, {44, 56}}; 2 x 3: W W^T = {{14, 32}, {32, 77}}; the upper triangle is filled
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

TEST_CASE("eigenvalues of a symmetric matrix by hand")
{
    const auto values = detail::symmetric_eigenvalues({2, 1, 1, 2}, 2);
    CHECK(values[0] == Approx(1).epsilon(1e-15));
    CHECK(values[1] == Approx(3).epsilon(1e-15));
    CHECK(detail::symmetric_eigenvalues({7}, 1) == std::vector<double>{7});
}

TEST_CASE("QR gives the same singular values for a matrix and its transpose")
{
    const std::vector<float> w = {3, 0, 4, 5}, t = {3, 4, 0, 5};
    for (const auto* elements : {&w, &t}) {
        const auto values = detail::singular_values_by_qr(matrix_from(*elements, 2), 1);
        CHECK(values[0] == Approx(std::sqrt(45.0)).epsilon(1e-15));
        CHECK(values[1] == Approx(std::sqrt(5.0)).epsilon(1e-15));
    }
    const std::vector<float> tall = {1, 0, 0, 2, 0, 0};
    CHECK(detail::singular_values_by_qr(matrix_from(tall, 3), 1)[0] == Approx(2));
    CHECK(detail::singular_values_by_qr(matrix_from(tall, 2), 1)[0] == Approx(std::sqrt(5.0)));
}
