#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/evaluators/widen_weights.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE widened_model widen_weights(const model& m)
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
