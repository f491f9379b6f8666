#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/analyzers/compare_weights_details.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/principal_angles.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct spectrum_effect_options
{
    std::size_t angle_count = 8;        ///< k: dimension of the subspaces whose angle is taken, at most min(rows, cols); 0: no angle
    heavy_tail_options heavy_tail = {}; ///< of the fit behind α
    double tolerance = 1e-3;            ///< relative error of ‖W - Ŵ‖₂ at which its search may stop in large matrices
};

/// One figure of a spectrum, before and after.
struct spectrum_drift
{
    metric before = {};
    metric after = {};
    metric change = {};  ///< after - before where a difference means something (α), else the ratio after / before; missing where one of them is
};

/// What became of the spectrum of W in Ŵ.
struct spectrum_effect_result
{
    metric relative_spectral_error = {};  ///< ‖W - Ŵ‖₂ / ‖W‖₂; no singular value moved by more than that times ‖W‖₂
    spectrum_drift stable_rank = {};      ///< Σσ² / σ_max²; change is the ratio
    spectrum_drift alpha = {};            ///< exponent of the tail of σ², as analyze_heavy_tail; change is the difference
    metric alpha_error = {};              ///< standard error of α before: a change below it says nothing
    spectrum_drift condition_number = {}; ///< σ_max / σ_min; change is the ratio; missing where double precision cannot tell σ_min from 0
    metric largest_angle = {};            ///< degrees; between the spans of the k largest singular vectors, left or right, whichever is larger
    std::size_t angle_count = 0;          ///< k; 0: none
    metric subspace_gap = {};             ///< (σ_k - σ_k+1) / σ_max before: an error above half of it may turn the subspace at will
};

namespace detail {

inline spectrum_drift spectrum_ratio(const metric& before, const metric& after)
{
    spectrum_drift result{.before = before, .after = after, .change = before.exists() ? after : before};
    if (before.exists() && after.exists())
        result.change = before.value > 0 ? metric(after.value / before.value) : metric::missing("all zero");
    return result;
}

inline spectrum_drift spectrum_difference(const metric& before, const metric& after)
{
    spectrum_drift result{.before = before, .after = after, .change = before.exists() ? after : before};
    if (before.exists() && after.exists())
        result.change = after.value - before.value;
    return result;
}

inline spectrum_effect_result no_spectrum_effect(const std::string& reason)
{
    const auto none = metric::missing(reason);
    const spectrum_drift drift{none, none, none};
    return {none, drift, drift, none, drift, none, 0, none};
}

// What is known of W, whatever it is compared with. Refers to its elements.
class spectrum_before
{
public:
    spectrum_before(const matrix_source& w, const spectrum_effect_options& options) : w_(w), options_(options)
    {
        largest_ = max_magnitude(w.elements);
        count_ = std::min({options.angle_count, w.rows, w.cols});
        if (!std::isfinite(largest_) || w.elements.size == 0 || largest_ == 0)
            return;
        spectrum_ = spectral(w, {.top_count = count_ + 1, .heavy_tail = options.heavy_tail});
        if (count_ > 0)
            subspaces_ = singular_subspaces_of(w, squaring_factor(largest_), count_);
    }

    // Of a matrix of the same shape.
    spectrum_effect_result effect_of(const matrix_source& decoded) const
    {
        if (w_.elements.size == 0)
            return no_spectrum_effect("no entries");
        const double largest_after = max_magnitude(decoded.elements);
        if (!std::isfinite(largest_) || !std::isfinite(largest_after))
            return no_spectrum_effect("entries that are not finite");
        if (largest_ == 0)
            return no_spectrum_effect("all zero");
        spectrum_effect_result result;
        const weight_pair pair{w_.elements, decoded.elements};
        const matrix_source error{difference_source(pair), w_.rows, w_.cols};
        const double norm = spectrum_.max_singular_value.value;
        const metric error_norm = largest_singular_value(error, max_magnitude(error.elements), {.tolerance = options_.tolerance}).value;
        result.relative_spectral_error = error_norm.value / norm;

        const spectral_result after = spectral(decoded, {.top_count = 0, .heavy_tail = options_.heavy_tail});
        result.stable_rank = spectrum_ratio(spectrum_.stable_rank, after.stable_rank);
        result.condition_number = spectrum_ratio(spectrum_.condition_number, after.condition_number);
        result.alpha = spectrum_difference(spectrum_.heavy_tail->fit.alpha, after.heavy_tail->fit.alpha);
        result.alpha_error = spectrum_.heavy_tail->fit.alpha_error;
        result.angle_count = count_;
        if (count_ == 0) {
            result.largest_angle = result.subspace_gap = metric::missing("not asked for");
            return result;
        }
        const std::vector<double>& top = spectrum_.top_singular_values;
        result.subspace_gap = (top[count_ - 1] - (count_ < top.size() ? top[count_] : 0)) / norm;
        if (largest_after == 0) {
            result.largest_angle = metric::missing("all zero");
            return result;
        }
        const singular_subspaces turned = singular_subspaces_of(decoded, squaring_factor(largest_after), count_);
        result.largest_angle = std::max(angles_between(subspaces_.left, turned.left).back(), angles_between(subspaces_.right, turned.right).back());
        return result;
    }

private:
    matrix_source w_;
    spectrum_effect_options options_;
    double largest_ = 0;
    std::size_t count_ = 0;
    spectral_result spectrum_ = {};
    singular_subspaces subspaces_ = {};
};

}  // namespace detail

/// What quantizing, pruning or any other change did to the spectrum of a matrix.
///
///     error             ‖W - Ŵ‖₂ / ‖W‖₂
///     stable rank       Σσ² / σ_max²
///     tail exponent     α of the density ~ λ^-α of the largest λ = σ²
///     condition number  σ_max / σ_min
///     angle             largest principal angle of the spans of the k largest singular vectors
///
///     const auto effect = analyze_spectrum_effect(w, dequantize(quantize_uniform(w, {.bits = 4})));
///
/// @param original     rank 2 or more, seen as [out, in * kernel]
/// @param dequantized  of the same shape
/// @param options      see spectrum_effect_options
/// @return             see spectrum_effect_result; missing with a reason where an entry is not finite, or all of W is zero
/// @throws std::invalid_argument  rank below 2, or shapes that differ
/// @note               for each matrix all singular values, as analyze_singular_values, and where angles are asked for as much again, of
///                     n = min(rows, cols) about 2 n² max(rows, cols) + 8/3 n³ flops; ‖W - Ŵ‖₂ takes some tens of passes above n = 768.
///                     Memory 2 n² doubles.
/// @see                Rudelson & Vershynin 2007, arXiv:math/0503442 (stable rank); Martin & Mahoney 2021, arXiv:1810.01075 (α);
///                     Wedin 1972, doi:10.1007/BF01932678 (how far an error turns a subspace); Knyazev & Argentati 2002, SIAM J. Sci.
///                     Comput. 23(6):2008 (angles)
template <tensor A, tensor B>
[[nodiscard]] spectrum_effect_result analyze_spectrum_effect(const A& original, const B& dequantized,
                                                             const spectrum_effect_options& options = {})
{
    constexpr const char* caller = "analyze_spectrum_effect(original, dequantized)";
    require(options.tolerance > 0, "analyze_spectrum_effect(original, dequantized, options): tolerance is {}, expected above 0", options.tolerance);
    require(original.dimension() == dequantized.dimension()
                && std::equal(original.shape().begin(), original.shape().end(), dequantized.shape().begin()),
            "analyze_spectrum_effect(original, dequantized): the shapes differ, expected equal ones");
    return detail::with_matrix(original, caller, [&](const detail::matrix_source& w) {
        return detail::with_matrix(dequantized, caller, [&](const detail::matrix_source& decoded) {
            return detail::spectrum_before(w, options).effect_of(decoded);
        });
    });
}

}  // namespace weightscope
