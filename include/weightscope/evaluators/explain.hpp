#pragma once

#include <type_traits>

#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

/// Says at compile time what a class lacks to be an evaluator: one sentence for each missing member.
///
///     weightscope::explain<my_model>();
///
/// @return  true, or the class does not compile
template <class E>
consteval bool explain()
{
    using T = std::remove_cvref_t<E>;
    static_assert(detail::has_weights<T>,
                  "an evaluator lists its weights: give it a member weights() const that returns a range of weightscope::weight_info");
    static_assert(detail::has_read<T>,
                  "an evaluator lets its weights be read: give it a member read(std::size_t tensor, std::size_t byte_offset, "
                  "std::span<std::byte> bytes) const");
    static_assert(detail::has_write<T>,
                  "an evaluator lets its weights be changed: give it a member write(std::size_t tensor, std::size_t byte_offset, "
                  "std::span<const std::byte> bytes)");
    static_assert(detail::has_batch_count<T>,
                  "an evaluator says how many batches it has: give it a member batch_count() const that returns a std::size_t");
    static_assert(detail::has_loss<T>,
                  "an evaluator measures its loss: give it a member loss(std::size_t batch) that returns a weightscope::loss_value, "
                  "which is a sum and a count and never a mean");
    return true;
}

/// The same for a class that is to give exact gradients.
template <class E>
consteval bool explain_gradient()
{
    static_assert(explain<E>());
    static_assert(differentiable_evaluator<E>,
                  "this needs gradients: give the evaluator a member loss_and_gradient(std::size_t batch, const "
                  "weightscope::gradient_sink& sink) that returns the weightscope::loss_value of the batch and puts the gradient of "
                  "its sum into the sink");
    return true;
}

/// The same for a class that is to give outputs.
template <class E>
consteval bool explain_outputs()
{
    using T = std::remove_cvref_t<E>;
    static_assert(detail::has_weights<T> && detail::has_read<T> && detail::has_write<T>,
                  "this needs weights that can be changed: see weightscope::writable_weights");
    static_assert(detail::has_batch_count<T>,
                  "an evaluator says how many batches it has: give it a member batch_count() const that returns a std::size_t");
    static_assert(output_evaluator<T>,
                  "this needs outputs: give the evaluator a member outputs(std::size_t batch) that returns weightscope::model_outputs, "
                  "one row per sample or token");
    return true;
}

}  // namespace weightscope
