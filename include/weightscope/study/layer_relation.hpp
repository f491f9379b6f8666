#pragma once
// What became of one tensor: compared weight by weight, and given a name.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>

namespace weightscope::detail {

// The values of a tensor, with half the spacing of their type at 1; compiled once for each type, whatever is done with them.
inline void use_values(const named_tensor& tensor, const std::function<void(const weight_source&, double)>& use)
{
    visit(tensor, [&](const auto& weights) {
        using T = typename std::remove_cvref_t<decltype(weights)>::value_type;
        with_source(weights, [&](const weight_source& elements) { use(elements, rounding_unit<std::remove_cv_t<T>>()); });
    });
}

// Whether every value of `b` is the one of `a` rounded to b's type.
inline bool is_rounding_of(const weight_source& a, const named_tensor& b)
{
    return visit(b, [&](const auto& weights) {
        using T = std::remove_cv_t<typename std::remove_cvref_t<decltype(weights)>::value_type>;
        if constexpr (std::is_integral_v<T>) {
            return false;
        } else {
            return with_source(weights, [&](const weight_source& elements) {
                std::atomic<bool> equal = true;
                parallel_for((a.size + chunk_elements - 1) / chunk_elements, [&](std::size_t chunk) {
                    const std::size_t end = std::min(a.size, (chunk + 1) * chunk_elements);
                    std::vector<double> x(block_elements), y(block_elements);
                    for (std::size_t i = chunk * chunk_elements; i < end && equal; i += block_elements) {
                        const std::size_t size = std::min(block_elements, end - i);
                        a.read_double(a.data, i, size, x.data());
                        elements.read_double(elements.data, i, size, y.data());
                        for (std::size_t k = 0; k < size; ++k)
                            if (differ(static_cast<double>(static_cast<T>(x[k])), y[k]))
                                equal = false;
                    }
                });
                return equal.load();
            });
        }
    });
}

// Whether both may be roundings of one number everywhere: |b - a| <= u_a |a| + u_b |b|, and half a subnormal step of each.
inline bool within_rounding(const weight_source& a, double unit_a, const weight_source& b, double unit_b)
{
    const double step = a.min_normal * unit_a + b.min_normal * unit_b;
    std::vector<double> x(block_elements), y(block_elements);
    for (std::size_t i = 0; i < a.size; i += block_elements) {
        const std::size_t size = std::min(block_elements, a.size - i);
        a.read_double(a.data, i, size, x.data());
        b.read_double(b.data, i, size, y.data());
        for (std::size_t k = 0; k < size; ++k)
            if (!(std::fabs(y[k] - x[k]) <= 1.01 * (unit_a * std::fabs(x[k]) + unit_b * std::fabs(y[k])) + step) && differ(x[k], y[k]))
                return false;
    }
    return true;
}

// Values as numbers of their type, if in another order of bytes or compressed ("F32 deflated"); not blocks of codes.
inline bool holds_plain_numbers(const named_tensor& t)
{
    return t.encoding.starts_with(to_string(t.dtype)) || t.encoding.empty();
}

inline bool same_storage(const named_tensor& x, const named_tensor& y)
{
    return x.dtype == y.dtype && (x.encoding == y.encoding || (holds_plain_numbers(x) && holds_plain_numbers(y)));
}

struct named_relation
{
    layer_relation relation = layer_relation::unknown;
    std::string evidence = {};
};

// What the sums already tell: equal, cast, pruned.
inline named_relation exact_relation(const named_tensor& x, const weight_source& a, double unit_a, const named_tensor& y, const weight_source& b,
                                     double unit_b, const compare_weights_result& w)
{
    using enum layer_relation;
    if (!(w.changed_percentage.exists() && w.changed_percentage.value > 0)) {
        if (!same_storage(x, y))
            return {cast, fmt::format("{} holds every value of {}", y.storage(), x.storage())};
        const bool signs = std::any_of(w.changed_bits.begin(), w.changed_bits.end(), [](std::size_t n) { return n > 0; });
        return {identical, signs ? "equal but for signs of zeros or payloads of NaN" : "equal"};
    }
    const bool plain = holds_plain_numbers(x) && holds_plain_numbers(y) && x.dtype < dtype::int8 && y.dtype < dtype::int8;
    if (plain && x.dtype != y.dtype) {
        if (is_rounding_of(a, y))
            return {cast, fmt::format("every weight is that of A rounded to {}", y.storage())};
        if (is_rounding_of(b, x))
            return {cast, fmt::format("every weight of A is this one rounded to {}", x.storage())};
        if (bits_of(x.dtype) <= 16 && bits_of(y.dtype) <= 16 && within_rounding(a, unit_a, b, unit_b))
            return {cast, fmt::format("{} and {} round to the same numbers", x.storage(), y.storage())};
    }
    if (w.changed_percentage.value > 0 && w.zeroed_percentage.exists() && w.non_finite_count == 0
        && std::fabs(w.changed_percentage.value - w.zeroed_percentage.value) < 1e-9)
        return {pruned, fmt::format("{} % of the weights became 0, the others did not change", figure(w.zeroed_percentage))};
    return {};
}

// What the spread and the spectrum of the difference tell.
inline named_relation inexact_relation(const named_tensor& x, const named_tensor& y, double unit_b, const compare_weights_result& w,
                                       const comparison_thresholds& limits)
{
    using enum layer_relation;
    const metric& cosine = w.cosine_similarity;
    const bool close = cosine.exists() && cosine.value >= limits.quantized_cosine;
    const std::string noise = w.sqnr_db.exists() ? fmt::format(", {:.1f} dB", w.sqnr_db.value) : "";
    if (close && x.encoding != y.encoding && !(holds_plain_numbers(x) && holds_plain_numbers(y)))
        return {quantized, fmt::format("stored as {} and {}{}", x.storage(), y.storage(), noise)};
    const double levels = w.grid.levels_a > 0 ? w.grid.levels_b / w.grid.levels_a : 1;
    const bool on_grid = close && w.grid.levels_a >= 8;
    if (on_grid && levels <= limits.few_levels)
        return {quantized, fmt::format("{:.0f} values in a run of 128 instead of {:.0f}{}", w.grid.levels_b, w.grid.levels_a, noise)};
    const bool matrix = x.shape.size() >= 2 && x.size() >= 64;
    if (matrix && cosine.exists() && cosine.value < limits.related_cosine)
        return {unrelated, fmt::format("cosine {}", figure(cosine))};
    // before the evenness of the difference: that of a product of two vectors is what one of them happens to be; and rounding to a grid
    // leaves every direction
    if (w.difference && w.difference->rank_99_energy.exists() && w.difference->total_rank >= 8) {
        const double whole = static_cast<double>(w.difference->total_rank), energy = w.difference->rank_99_energy.value,
                     above = w.rank_above_rounding.exists() ? w.rank_above_rounding.value : energy, rank = std::min(energy, above);
        if (rank > 0 && rank <= limits.low_rank_fraction * whole)
            return {low_rank_update, energy <= above ? fmt::format("rank {} of {} carries 99 % of the difference", energy, whole)
                                                     : fmt::format("rank {} of {} of the difference stands above rounding", above, whole)};
    }
    // changes of one step of the type's own look even too
    const bool coarse = w.relative_l2_distance.exists() && w.relative_l2_distance.value > 8 * unit_b;
    if (on_grid && w.grid.kurtosis > 0 && w.grid.kurtosis <= limits.grid_kurtosis && (levels <= limits.grid_levels || coarse))
        return {quantized, fmt::format("the difference is spread evenly, as by rounding (kurtosis {:.2f}){}", w.grid.kurtosis, noise)};
    return {updated, fmt::format("cosine {}, distance {} of the norm", figure(cosine), figure(w.relative_l2_distance))};
}

// `x` and `y` hold as many elements.
inline void compare_values(const named_tensor& x, const named_tensor& y, compared_layer& layer, const compare_weights_options& options,
                           const comparison_thresholds& limits)
{
    const bool turned = x.shape.size() == 2 && y.shape.size() == 2 && x.shape[0] == y.shape[1] && x.shape[0] != y.shape[0];
    const std::size_t rows = x.shape.size() >= 2 ? x.shape[0] : layer.reshaped && y.shape.size() >= 2 ? y.shape[0] : 0;
    use_values(x, [&](const weight_source& a, double unit_a) {
        use_values(y, [&](const weight_source& stored, double unit_b) {
            weight_source b = stored;
            std::vector<std::uint64_t> copy;
            if (turned) {
                const weight_source other = transposed(matrix_of(stored, y.shape[0]), copy).elements;
                layer.transposed = compare_by_rows(a, other, 0).sums.dd < compare_by_rows(a, stored, 0).sums.dd;
                if (layer.transposed)
                    b = other;
                layer.reshaped = !layer.transposed;
            }
            const bool same_type = x.dtype == y.dtype;
            compare_weights_result w = compare_sources(a, b, rows, same_type, {unit_a, unit_b}, {.spectrum = false, .subspace_count = 0});
            named_relation found;
            if (!layer.transposed || !(w.changed_percentage.value > 0))
                found = exact_relation(x, a, unit_a, y, b, unit_b, w);
            if (found.relation == layer_relation::unknown) {
                w = compare_sources(a, b, rows, same_type, {unit_a, unit_b}, options);
                found = inexact_relation(x, y, unit_b, w, limits);
            }
            layer.weights = std::move(w);
            layer.relation = found.relation;
            layer.evidence = found.evidence;
        });
    });
}

inline void compare_pair(const named_tensor& x, const named_tensor& y, compared_layer& layer, const compare_weights_options& options,
                         const comparison_thresholds& limits)
{
    try {
        if (x.size() != y.size()) {
            layer.relation = layer_relation::resized;
            layer.evidence = fmt::format("{} weights became {}", grouped(x.size()), grouped(y.size()));
        } else if (is_numeric(x.dtype) && is_numeric(y.dtype)) {
            layer.reshaped = x.shape != y.shape;
            compare_values(x, y, layer, options, limits);
        } else {
            const bool equal = x.dtype == y.dtype && x.encoding == y.encoding && equal_bytes(x.bytes, y.bytes);
            layer.relation = equal ? layer_relation::identical : layer_relation::unknown;
            layer.evidence = equal ? "equal bytes" : "not compared: no numbers";
        }
    } catch (const std::exception& error) {
        layer.weights.reset();
        layer.relation = layer_relation::unknown;
        layer.error = error.what();
    }
}

}  // namespace weightscope::detail
