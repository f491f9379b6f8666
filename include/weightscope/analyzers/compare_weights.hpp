#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <weightscope/analyzers/compare_weights_details.hpp>
#include <weightscope/analyzers/principal_angles.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct compare_weights_options
{
    bool spectrum = true;                  ///< singular values and rank of the difference; rank 2 or more
    std::size_t subspace_count = 8;        ///< largest singular vectors whose spans are compared; 0: none
    std::size_t largest_spectrum = 4096;   ///< no spectrum where min(rows, cols) is more
    std::size_t largest_subspace = 1024;   ///< no angles where min(rows, cols) is more
};

/// The moments of a - b.
struct difference_stats_result
{
    metric mean = {};
    metric std = {};  ///< N - 1; missing for one pair
    metric min = {};
    metric max = {};
};

/// Two tensors of one shape, a before and b after; d = b - a. Figures are of the pairs of which both are finite.
struct compare_weights_result
{
    std::size_t count = 0;             ///< pairs
    std::size_t non_finite_count = 0;  ///< pairs of which one or both are NaN or infinite
    std::size_t appeared_count = 0;    ///< of these: a is finite, b is not
    metric l2_distance = {};           ///< ‖d‖
    metric relative_l2_distance = {};  ///< ‖d‖ / ‖a‖; missing where a is zero
    metric cosine_similarity = {};     ///< <a, b> / (‖a‖ ‖b‖), -1 to 1; missing where one is zero
    metric mean_absolute_difference = {};
    metric max_absolute_difference = {};
    metric changed_percentage = {};             ///< pairs that differ, 0 to 100, of all; NaN equals NaN
    metric significant_change_percentage = {};  ///< |d| > 0.01 |a|, 0 to 100
    metric zeroed_percentage = {};              ///< b is 0 and a is not, 0 to 100
    metric l2_norm_ratio = {};                  ///< ‖b‖ / ‖a‖; missing where a is zero
    metric sqnr_db = {};                        ///< 10 log10(‖a‖² / ‖d‖²): b as a copy of a with noise; missing with reason "exact"
    difference_stats_result difference_stats = {};
    std::vector<std::size_t> changed_bits = {};  ///< elements that differ in each bit, the lowest first; empty where the types differ
    std::vector<double> channel_drift = {};      ///< ‖d‖ / ‖a‖ of each row; infinite where only a's row is zero; empty for rank 0 and 1
    metric median_channel_drift = {};
    metric max_channel_drift = {};
    std::size_t max_channel = 0;                          ///< the row with max_channel_drift
    std::optional<spectral_result> difference = {};       ///< of d as [out, in * kernel]: low ranks tell adapters; absent for rank 0 and 1
    metric rank_above_rounding = {};  ///< singular values of d above those of the rounding to the two types; missing with difference
    std::optional<principal_angles_result> angles = {};   ///< of the main directions of a and b
    detail::grid_evidence grid = {};                      ///< what tells rounding to a grid
};

namespace detail {

// Half the spacing of a type's numbers at 1; 0 for integers.
struct rounding_units
{
    double a = 0, b = 0;
};

// `rows` is 0 where the tensors are no matrices.
WEIGHTSCOPE_INLINE compare_weights_result compare_sources(const weight_source& a, const weight_source& b, std::size_t rows, bool same_type,
                                                          const rounding_units& units, const compare_weights_options& options);

// "[768, 2304]"
WEIGHTSCOPE_INLINE std::string shape_text(const std::vector<std::size_t>& shape);

// Half the spacing of T's numbers at 1.
template <class T>
constexpr double rounding_unit()
{
    if constexpr (is_storage_scalar<T>)
        return 1.0 / static_cast<double>(2u << T::format.mantissa_bits);
    else if constexpr (std::floating_point<T>)
        return static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    else
        return 0;
}

}  // namespace detail

/// What changed from one tensor to another of the same shape: how much, where, in which bits, and in which directions.
///
///     relative_l2_distance = ‖b - a‖ / ‖a‖,   cosine_similarity = <a, b> / (‖a‖ ‖b‖),   sqnr_db = 10 log10(‖a‖² / ‖b - a‖²)
///
/// A low rank of the difference tells a merged adapter, a grid a quantized copy.
///
/// @param a        any rank, layout and weight scalar
/// @param b        of a's shape, of any weight scalar
/// @param options  see compare_weights_options
/// @return         see compare_weights_result; pairs that are not finite are counted and left out, and leave no spectrum and no angles
/// @throws std::invalid_argument  the shapes differ
/// @note           one pass over both in double, another one for the bits where they differ; the same figures for any number of
///                 threads but for the spectrum and the angles, which cost what analyze_singular_values and
///                 analyze_principal_angles do. The difference is stored nowhere.
/// @see            Hu et al. 2021, arXiv:2106.09685 (updates of low rank, and the angles between their subspaces)
template <tensor A, tensor B>
[[nodiscard]] compare_weights_result compare_weights(const A& a, const B& b, const compare_weights_options& options = {})
{
    require(std::equal(a.shape().begin(), a.shape().end(), b.shape().begin(), b.shape().end()),
            "compare_weights(a, b): a has shape {}, b {}; expected equal ones", detail::shape_text({a.shape().begin(), a.shape().end()}),
            detail::shape_text({b.shape().begin(), b.shape().end()}));
    const std::size_t rows = a.dimension() >= 2 ? a.shape(0) : 0;
    using S = std::remove_cv_t<typename A::value_type>;
    using T = std::remove_cv_t<typename B::value_type>;
    return detail::with_source(a, [&](const detail::weight_source& first) {
        return detail::with_source(b, [&](const detail::weight_source& second) {
            return detail::compare_sources(first, second, rows, std::is_same_v<S, T>,
                                           {detail::rounding_unit<S>(), detail::rounding_unit<T>()}, options);
        });
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/compare_weights.hpp>
#endif
