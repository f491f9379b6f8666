#include <span>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

template <class W>
std::vector<float> elements_of(const W& w)
{
    return with_elements(w, [](auto elements) { return std::vector<float>(elements.begin(), elements.end()); });
}

template <class W>
const void* address_of(const W& w)
{
    return with_elements(w, [](auto elements) { return static_cast<const void*>(elements.data()); });
}

}  // namespace

TEST_CASE("contiguous views are passed as they are, others are copied, all in row-major order")
{
    const xt::xtensor<float, 2> w = {{1, 2, 3}, {4, 5, 6}};
    CHECK(elements_of(w) == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(address_of(w) == w.data());
    CHECK(elements_of(xt::view(w, 1, xt::all())) == std::vector<float>{4, 5, 6});
    CHECK(elements_of(xt::view(w, xt::all(), 1)) == std::vector<float>{2, 5});
    CHECK(elements_of(xt::transpose(w)) == std::vector<float>{1, 4, 2, 5, 3, 6});
    CHECK(elements_of(2 * w) == std::vector<float>{2, 4, 6, 8, 10, 12});
    const xt::xtensor<float, 2, xt::layout_type::column_major> columns = w;
    CHECK(elements_of(columns) == std::vector<float>{1, 2, 3, 4, 5, 6});
    const std::vector<float16> half = {float16(1.0f), float16(2.0f)};
    const auto adapted = xt::adapt(half.data(), half.size(), xt::no_ownership(), std::vector<std::size_t>{2, 1});
    CHECK(address_of(adapted) == half.data());
    CHECK(elements_of(adapted) == std::vector<float>{1, 2});
}

TEST_CASE("a tensor of rank 3 is the matrix of its first dimension against all others")
{
    const xt::xtensor<float, 3> w = xt::zeros<float>({4, 3, 5});
    detail::with_matrix(w, "f(w)", [](const detail::matrix_source& m) {
        CHECK(m.rows == 4);
        CHECK(m.cols == 15);
    });
    const xt::xtensor<float, 2> empty = xt::empty<float>({0, 3});
    detail::with_matrix(empty, "f(w)", [](const detail::matrix_source& m) {
        CHECK(m.rows == 0);
        CHECK(m.cols == 0);
    });
    const xt::xtensor<float, 1> vector = {1};
    CHECK_THROWS_WITH(detail::with_matrix(vector, "f(w)", [](const auto&) {}), "weightscope::f(w): weights have rank 1, expected 2 or more");
}

TEST_CASE("a source reads its elements as float and double, integers of more than 24 bits only as double")
{
    const std::vector<std::int32_t> large = {16'777'217, -5};
    const auto source = detail::source_of(std::span<const std::int32_t>(large));
    CHECK(source.read_float == nullptr);
    CHECK(detail::to_doubles(source) == std::vector<double>{16'777'217, -5});
    const std::vector<bfloat16> narrow = {bfloat16(1.5f), bfloat16(-2.0f), bfloat16(3.0f)};
    const auto part = detail::source_of(std::span<const bfloat16>(narrow)).part(1, 2);
    CHECK(detail::to_doubles(part) == std::vector<double>{-2, 3});
    CHECK(part.min_normal == 0x1p-126);
}
