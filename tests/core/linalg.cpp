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
