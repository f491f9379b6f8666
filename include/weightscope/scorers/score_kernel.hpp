#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope::detail {

enum class score_form
{
    magnitude,   // |w|
    square,      // w²
    taylor,      // |w g|
    first,       // -w g
    bound,       // |w g| + w² |h| / 2
    difference,  // -w g + w² h / 2
};

// What is added up beside the scores.
struct score_sums
{
    double first = 0;    // Σ |w g|
    double second = 0;   // Σ w² |h| / 2
    double squares = 0;  // Σ score²
    double errors = 0;   // Σ error²
    double unscored = 0;

    score_sums& operator+=(const score_sums& other)
    {
        first += other.first;
        second += other.second;
        squares += other.squares;
        errors += other.errors;
        unscored += other.unscored;
        return *this;
    }
};

// Neighbours in the first-level cache; what a form does not need is null.
struct score_block
{
    const double* weights = nullptr;
    const double* gradients = nullptr;
    const double* curvatures = nullptr;
    const double* gradient_errors = nullptr;
    const double* curvature_errors = nullptr;
    double* scores = nullptr;
    double* errors = nullptr;
    std::size_t count = 0;
    double resolution = 0;  // standard errors that a curvature must reach to count
};

template <score_form Form, bool Errors>
struct score_kernel
{
    template <std::size_t Width>
    [[gnu::always_inline]] static void run(const score_block& b, std::size_t begin, std::size_t end, score_sums& sums)
    {
        constexpr bool has_gradient = Form != score_form::magnitude && Form != score_form::square;
        constexpr bool has_curvature = Form == score_form::bound || Form == score_form::difference;
        const double* __restrict weights = b.weights;
        const double* __restrict gradients = b.gradients;
        const double* __restrict curvatures = b.curvatures;
        double* __restrict scores = b.scores;
        double first_sum[Width] = {}, second_sum[Width] = {}, squares[Width] = {}, errors[Width] = {}, unscored[Width] = {};
        for (std::size_t i = begin; i < end; i += Width)
            for (std::size_t l = 0; l < Width; ++l) {
                const double w = weights[i + l];
                double first = 0, second = 0, score = 0;
                if constexpr (has_gradient)
                    first = w * gradients[i + l];
                if constexpr (has_curvature) {
                    double h = curvatures[i + l];
                    if constexpr (Errors)
                        h = b.curvature_errors && std::fabs(h) < b.resolution * b.curvature_errors[i + l] ? 0.0 : h;
                    second = 0.5 * (w * w) * h;
                }
                if constexpr (Form == score_form::magnitude)
                    score = std::fabs(w);
                else if constexpr (Form == score_form::square)
                    score = w * w;
                else if constexpr (Form == score_form::taylor)
                    score = std::fabs(first);
                else if constexpr (Form == score_form::first)
                    score = -first;
                else if constexpr (Form == score_form::bound)
                    score = std::fabs(first) + std::fabs(second);
                else
                    score = second - first;
                const double zero = score - score;  // NaN where the score is not finite
                const double usable = zero == 0 ? 1.0 : 0.0;
                scores[i + l] = zero == 0 ? score : std::numeric_limits<double>::quiet_NaN();
                unscored[l] += 1 - usable;
                if constexpr (has_curvature) {
                    first_sum[l] += zero == 0 ? std::fabs(first) : 0.0;
                    second_sum[l] += zero == 0 ? std::fabs(second) : 0.0;
                }
                if constexpr (Errors) {
                    const double e1 = b.gradient_errors ? w * b.gradient_errors[i + l] : 0.0;
                    const double e2 = has_curvature && b.curvature_errors ? 0.5 * (w * w) * b.curvature_errors[i + l] : 0.0;
                    const double variance = e1 * e1 + e2 * e2;
                    squares[l] += zero == 0 ? score * score : 0.0;
                    errors[l] += zero == 0 ? variance : 0.0;
                    b.errors[i + l] = std::sqrt(variance);
                }
            }
        for (std::size_t l = 0; l < Width; ++l) {
            sums.first += first_sum[l];
            sums.second += second_sum[l];
            sums.squares += squares[l];
            sums.errors += errors[l];
            sums.unscored += unscored[l];
        }
    }

    [[gnu::always_inline]] void operator()(const score_block* block, score_sums* sums) const
    {
        const std::size_t whole = block->count - block->count % lane_count;
        run<lane_count>(*block, 0, whole, *sums);
        run<1>(*block, whole, block->count, *sums);
    }
};

// What the scores of a tensor are made of.
struct score_inputs
{
    const importance_values* gradients = nullptr;
    const importance_values* curvatures = nullptr;
    const importance_values* gradient_errors = nullptr;   // null where the input has none
    const importance_values* curvature_errors = nullptr;
    double resolution = 0;
};

// Scores of all weights, block by block; fills scores, unscored_count and, where there are errors, what belongs to them.
template <score_form Form, bool Errors>
score_sums fill_scores(const weight_source& weights, const score_inputs& inputs, std::vector<double>& scores, std::vector<double>* errors)
{
    const auto partials = map_chunks(weights.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
        constexpr std::size_t most = 1024;  // six arrays of them fit into 48 KiB
        std::vector<double> memory(6 * most);
        const auto part = [&](const importance_values* values, std::size_t slot, std::size_t at, std::size_t count) -> const double* {
            if (values == nullptr)
                return nullptr;
            if (const double* const there = values->doubles(at))
                return there;
            values->read(at, std::span(memory).subspan(slot * most, count));
            return memory.data() + slot * most;
        };
        score_sums sums;
        for (std::size_t at = begin; at < end; at += most) {
            const std::size_t count = std::min(most, end - at);
            weights.read_double(weights.data, at, count, memory.data());
            const score_block block{.weights = memory.data(),
                                    .gradients = part(inputs.gradients, 1, at, count),
                                    .curvatures = part(inputs.curvatures, 2, at, count),
                                    .gradient_errors = part(inputs.gradient_errors, 3, at, count),
                                    .curvature_errors = part(inputs.curvature_errors, 4, at, count),
                                    .scores = scores.data() + at,
                                    .errors = errors ? errors->data() + at : memory.data() + 5 * most,
                                    .count = count,
                                    .resolution = inputs.resolution};
            dispatch(score_kernel<Form, Errors>{}, &block, &sums);
        }
        return sums;
    });
    score_sums total;
    for (const score_sums& sums : partials)
        total += sums;
    return total;
}

template <score_form Form>
void score_into(importance_result& result, const weight_source& weights, const score_inputs& inputs, bool keep_errors)
{
    resize_large(result.scores, weights.size);
    score_sums sums;
    if (inputs.gradient_errors || inputs.curvature_errors) {
        if (keep_errors)
            resize_large(result.standard_errors, weights.size);
        sums = fill_scores<Form, true>(weights, inputs, result.scores, keep_errors ? &result.standard_errors : nullptr);
        result.relative_standard_error = sums.squares > 0 ? metric(std::sqrt(sums.errors / sums.squares)) : metric::missing("all scores are 0");
    } else {
        sums = fill_scores<Form, false>(weights, inputs, result.scores, nullptr);
    }
    result.unscored_count = static_cast<std::size_t>(sums.unscored);
    if constexpr (Form == score_form::bound || Form == score_form::difference)
        result.second_to_first_ratio = sums.first > 0 ? metric(sums.second / sums.first) : metric::missing("the first-order terms are all 0");
}

// The input that a score cannot do without.
inline void require_input(const importance_values& values, std::size_t size, std::string_view caller, std::string_view what)
{
    require(!values.empty() || size == 0, "{}: info has no {}, expected one for each of the {} weights", caller, what, size);
    require(values.size() == size, "{}: info has {} {}, expected one for each of the {} weights", caller, values.size(), what, size);
}

}  // namespace weightscope::detail
