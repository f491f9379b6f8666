#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/sinks.hpp>

namespace weightscope::detail {

// Which vector of a model_vector a tensor's elements go into; none for tensors that were not chosen.
class tensor_slots
{
public:
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    tensor_slots(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors);
    std::size_t size() const { return slots_.size(); }
    std::size_t operator[](std::size_t tensor) const { return slots_[tensor]; }

private:
    std::vector<std::size_t> slots_;
};

// One vector for each chosen tensor.
using model_vector = std::vector<std::vector<double>>;

WEIGHTSCOPE_INLINE model_vector zeros_for(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors);

// Adds what comes to `sums`. A tied tensor's part is added to that of the tensor it is tied to.
WEIGHTSCOPE_INLINE gradient_sink sink_into(model_vector& sums, const any_evaluator& evaluator, const tensor_slots& slots, std::string_view caller);

struct mean_gradient
{
    model_vector values = {};
    loss_value loss = {};
    bool single_precision = false;
};

WEIGHTSCOPE_INLINE mean_gradient gradient_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches,
                                             const std::vector<std::size_t>& tensors, const tensor_slots& slots, std::string_view caller);

WEIGHTSCOPE_INLINE double largest_magnitude(const std::vector<double>& values);

// Relative rounding error of one number.
inline double rounding_unit(bool single_precision) { return single_precision ? 0x1p-24 : 0x1p-53; }

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/model_vector.hpp>
#endif
