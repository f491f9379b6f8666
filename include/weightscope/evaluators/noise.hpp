#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>

namespace weightscope {

struct noise_result
{
    double sigma = 0;          ///< standard deviation of the error of the mean loss that evaluating it makes
    double repeat_spread = 0;  ///< largest difference between evaluations of the unchanged model; 0 if it is deterministic
    bool resolved = true;      ///< false: the table of differences did not settle, sigma is an upper bound
    evaluation_counts counts = {};
};

namespace detail {

// Values at equal distances, as many as the table of differences has.
inline constexpr std::size_t noise_points = 8;

struct noise_table
{
    double sigma = 0;
    bool resolved = false;
    std::size_t changes = 0;  // neighbours that differ
};

// ECNoise: the k-th differences of a smooth function vanish, those of its noise do not.
WEIGHTSCOPE_INLINE noise_table noise_from(std::array<double, noise_points> values);

template <class T>
constexpr int mantissa_bits()
{
    if constexpr (is_storage_scalar<T>)
        return T::format.mantissa_bits;
    else
        return std::numeric_limits<T>::digits - 1;
}

WEIGHTSCOPE_INLINE noise_result noise_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                         std::uint64_t seed, std::string_view caller);

}  // namespace detail

/// How much the mean loss is off because of the way it is evaluated: rounding, or whatever makes it differ from call to call.
///
///     sigma_k² = (k!)² / (2k)! · mean of the squared k-th differences of the loss at equal, tiny steps of the weights
///
/// The differences of a smooth function vanish with k; where they settle, they are noise. Steps are whole places of the storage format
/// inside one power of two, hence equal. Up to three tensors are tried and the largest value is kept.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back
/// @param options    batches, tensors, seed
/// @return           see noise_result; sigma is never below half a place of the loss in double
/// @throws std::invalid_argument  the loss is not finite
/// @note   24 losses per batch for three tensors, more where the loss does not react to the first steps
/// @see    Moré & Wild 2011, "Estimating computational noise", doi:10.1137/100786125
template <class E>
[[nodiscard]] noise_result estimate_noise(E& evaluator, const evaluation_options& options = {})
{
    auto held = detail::hold(evaluator);
    constexpr auto caller = "estimate_noise(evaluator, options)";
    const auto batches = detail::chosen_batches(held, options, caller);
    const auto tensors = detail::chosen_tensors(held, options, caller);
    return detail::noise_of(held, batches, tensors, options.seed, caller);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/noise.hpp>
#endif
