#pragma once

#include <optional>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// The distribution of a layer's weights beside the Gaussian of its mean and standard deviation, linear and logarithmic.
///
/// @return named "distribution"; std::nullopt where the layer has no histogram
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<chart> plot_weight_distribution(const layer_result& layer);

/// A layer's singular values in falling order, all of them or as many as were saved, beside the edge of a random matrix.
///
/// @return named "singular_values"; std::nullopt where none is known
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<chart> plot_singular_values(const layer_result& layer);

/// The upper tail of a layer's eigenvalues λ = σ² and the power law fitted to it: how many reach each value, both axes logarithmic.
///
/// @return named "tail_fit"; std::nullopt where no law was fitted
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<chart> plot_tail_fit(const layer_result& layer);

/// The histogram of a layer's eigenvalues under the law of Marchenko and Pastur that fits their bulk.
///
/// @return named "bulk"; std::nullopt unless all singular values and a fitted bulk are there, which a saved scan does not hold
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<chart> plot_marchenko_pastur(const layer_result& layer);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_layer_details.hpp>
#endif
