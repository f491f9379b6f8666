// A model that lies in memory, for the tests of studies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace study_tests {

class model_in_memory
{
public:
    template <class T, std::size_t N>
    model_in_memory& add(const std::string& name, const xt::xtensor<T, N>& weights)
    {
        auto& bytes = storage_.emplace_back(weights.size() * sizeof(T));
        std::memcpy(bytes.data(), weights.data(), bytes.size());
        weightscope::named_tensor tensor;
        tensor.name = name;
        tensor.shape.assign(weights.shape().begin(), weights.shape().end());
        tensor.dtype = weightscope::dtype_of<T>;
        tensor.bytes = bytes;
        model_.tensors.push_back(std::move(tensor));
        return *this;
    }
    weightscope::model& operator*() { return model_; }

private:
    weightscope::model model_;
    std::deque<std::vector<std::byte>> storage_;
};

// Everything that a study treats in its own way: an embedding and its copy, matrices, a gain, a convolution, a stack, integers, a head.
inline model_in_memory small_model()
{
    using namespace weightscope;
    model_in_memory m;
    const xt::xtensor<std::int32_t, 1> ids = {1, 2, 3};
    m.add("embed.weight", random_normal<float>({50, 16}, {.seed = 1}))
        .add("layers.0.q.weight", random_normal<float>({24, 70}, {.seed = 2}))
        .add("layers.0.norm.weight", random_normal<float>({16}, {.seed = 3, .mean = 1, .std = 0.1}))
        .add("layers.0.up.weight", random_normal<bfloat16>({32, 48}, {.seed = 4}))
        .add("layers.0.conv.weight", random_normal<float16>({8, 4, 3}, {.seed = 5}))
        .add("layers.0.experts.weight", random_normal<float>({2, 12, 20}, {.seed = 6}))
        .add("layers.1.q.weight", random_normal<double>({20, 33}, {.seed = 7}))
        .add("layers.1.copy.weight", random_normal<bfloat16>({32, 48}, {.seed = 4}))
        .add("layers.1.ids", ids)
        .add("layers.1.down.weight", random_normal<float>({16, 40}, {.seed = 8}))
        .add("lm_head.weight", random_normal<float>({50, 18}, {.seed = 9}));
    (*m).metadata = {{"format", "pt"}};
    return m;
}

}  // namespace study_tests
