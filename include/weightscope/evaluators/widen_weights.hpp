#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// A model and the memory that some of its tensors lie in: moved, never copied.
struct widened_model
{
    model wider = {};
    std::vector<std::unique_ptr<float[]>> memory = {};
};

/// The model with its weights of 16 bits and less as floats of the same values, so that differences can move them by a little: a step
/// of a bfloat16 is 0.4 to 0.8 % of it, and most small steps move it by nothing.
///
///     const widened_model wide = widen_weights(m);
///     transformer<float> evaluator(wide.wider, config, tokens);
///     const auto diagonal = estimate_hessian_diagonal(evaluator);
///
/// @param m  any model; tensors of float, double and integers stay where they lie
/// @return   see widened_model: equal values, tied tensors still on one storage; it must outlive what refers to its model
/// @throws io_error  a tensor could not be read
/// @note   4 bytes of memory for each weight that is widened. NaN and Inf are kept.
[[nodiscard]] inline widened_model widen_weights(const model& m)
{
    widened_model result{.wider = m};
    std::unordered_map<std::string, const named_tensor*> done;
    for (named_tensor& t : result.wider.tensors) {
        if (!is_differentiable(t.dtype) || bits_of(t.dtype) > 16)
            continue;
        const auto owner = t.tied_to.empty() ? done.end() : done.find(t.tied_to);
        if (owner != done.end() && owner->second->size() == t.size()) {
            t.bytes = owner->second->bytes;
        } else {
            float* const values = result.memory.emplace_back(new float[t.size()]).get();
            visit(t, [&](const auto& weights) {
                std::transform(weights.data(), weights.data() + weights.size(), values, [](auto w) { return static_cast<float>(w); });
            });
            t.bytes = std::as_bytes(std::span<const float>(values, t.size()));
        }
        t.dtype = dtype::float32;
        t.decoder = nullptr;
        t.file = nullptr;
        t.encoding.clear();
        t.encoded_bytes = 0;
        done.emplace(t.name, &t);
    }
    return result;
}

}  // namespace weightscope
