#include <cstring>
#include <vector>

#include <weightscope/io/duplicates.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

named_tensor tensor_over(const std::vector<float>& weights, std::vector<std::size_t> shape)
{
    named_tensor tensor;
    tensor.shape = std::move(shape);
    tensor.dtype = dtype::float32;
    tensor.bytes = std::as_bytes(std::span(weights));
    return tensor;
}

}  // namespace

TEST_CASE("equal tensors point to the first of them, constant and merely similar ones to themselves")
{
    std::vector<float> a(1000);
    for (std::size_t i = 0; i < a.size(); ++i)
        a[i] = static_cast<float>(i);
    const std::vector<float> copy = a, ones(1000, 1.0f), also_ones(1000, 1.0f);
    std::vector<float> similar = a;
    similar[501] = -1;  // between the sampled words
    const std::vector<named_tensor> tensors = {tensor_over(a, {1000}), tensor_over(ones, {1000}), tensor_over(copy, {1000}),
                                               tensor_over(also_ones, {1000}), tensor_over(similar, {1000}), tensor_over(copy, {10, 100}),
                                               tensor_over(a, {1000})};
    CHECK(find_duplicates(tensors) == std::vector<std::size_t>{0, 1, 0, 3, 4, 5, 0});
}

TEST_CASE("empty and single-element tensors are never duplicates")
{
    const std::vector<float> one = {3}, same = {3}, none;
    const std::vector<named_tensor> tensors = {tensor_over(one, {1}), tensor_over(same, {1}), tensor_over(none, {0}), tensor_over(none, {0})};
    CHECK(find_duplicates(tensors) == std::vector<std::size_t>{0, 1, 2, 3});
    CHECK(is_constant(tensors[0]));
    CHECK(is_constant(tensors[2]));
}
