#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/magnitude.hpp>
#include <weightscope/scorers/random_baseline.hpp>
#include <weightscope/scorers/taylor.hpp>
#include <weightscope/scorers/taylor_2nd.hpp>
#include <weightscope/scorers/wanda.hpp>

namespace weightscope {

enum class importance_method
{
    magnitude,
    taylor,
    taylor_2nd,
    taylor_2nd_signed,
    wanda,
    random,
};

inline constexpr std::array<std::string_view, 6> importance_method_names = {"magnitude", "taylor", "taylor_2nd", "taylor_2nd_signed", "wanda",
                                                                            "random"};

[[nodiscard]] constexpr std::string_view to_string(importance_method method)
{
    return importance_method_names[static_cast<std::size_t>(method)];
}

/// The method of that name, or nothing.
[[nodiscard]] constexpr std::optional<importance_method> parse_importance_method(std::string_view name)
{
    for (std::size_t i = 0; i < importance_method_names.size(); ++i)
        if (importance_method_names[i] == name)
            return static_cast<importance_method>(i);
    return std::nullopt;
}

/// What a method cannot do without.
struct importance_needs
{
    bool gradients = false;
    bool curvature = false;  ///< Hessian diagonal or Fisher information
    bool activations = false;
};

[[nodiscard]] constexpr importance_needs needs_of(importance_method method)
{
    const bool second = method == importance_method::taylor_2nd || method == importance_method::taylor_2nd_signed;
    return {.gradients = second || method == importance_method::taylor, .curvature = second, .activations = method == importance_method::wanda};
}

/// The options of all methods: each takes its own.
struct scorer_options
{
    importance_method method = importance_method::magnitude;
    magnitude_options magnitude = {};
    taylor_options taylor = {};
    taylor_2nd_options taylor_2nd = {};  ///< of the signed method too
    wanda_options wanda = {};
    random_baseline_options random = {};
};

namespace detail {

WEIGHTSCOPE_INLINE importance_result score_weights(const weight_source& weights, const std::vector<std::size_t>& shape, const importance_info& info,
                                                   const scorer_options& options);

}  // namespace detail

/// Scores of a method chosen when the program runs.
///
///     score_weights(w, info, {.method = *parse_importance_method("wanda")})
///
/// @param weights  any rank, layout and weight scalar; rank 2 or more for Wanda
/// @param info     what the method needs, see needs_of()
/// @return         what score_magnitude(), score_taylor()... return
/// @throws std::invalid_argument  as they do
template <tensor W>
[[nodiscard]] importance_result score_weights(const W& weights, const importance_info& info, const scorer_options& options = {})
{
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        return detail::score_weights(source, {weights.shape().begin(), weights.shape().end()}, info, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/scorer.hpp>
#endif
