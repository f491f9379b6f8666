#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/simd.hpp>
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
    static constexpr bool has_gradient = Form != score_form::magnitude && Form != score_form::square;
    static constexpr bool has_curvature = Form == score_form::bound || Form == score_form::difference;

    template <class Real>
    struct lane_sums
    {
        Real first = {}, second = {}, squares = {}, errors = {}, unscored = {};
    };

    template <class Real>
    [[gnu::always_inline]] static void load(const double* p, Real& x) { std::memcpy(&x, p, sizeof x); }

    // The weights from number i on that Real holds: one or four.
    template <class Real>
    [[gnu::always_inline]] static void step(const score_block& b, std::size_t i, lane_sums<Real>& sums)
    {
        Real w, first = {}, second = {}, score = {};
        load(b.weights + i, w);
        if constexpr (has_gradient) {
            Real g;
            load(b.gradients + i, g);
            first = w * g;
        }
        if constexpr (has_curvature) {
            Real h;
            load(b.curvatures + i, h);
            if (Errors && b.curvature_errors) {
                Real e, size = h;
                load(b.curvature_errors + i, e);
                take_magnitudes(size);
                h = size < b.resolution * e ? Real{} : h;
            }
            second = 0.5 * (w * w) * h;
        }
        Real first_size = first, second_size = second;
        take_magnitudes(first_size);
        take_magnitudes(second_size);
        if constexpr (Form == score_form::magnitude) {
            score = w;
            take_magnitudes(score);
        } else if constexpr (Form == score_form::square)
            score = w * w;
        else if constexpr (Form == score_form::taylor)
            score = first_size;
        else if constexpr (Form == score_form::first)
            score = -first;
        else if constexpr (Form == score_form::bound)
            score = first_size + second_size;
        else
            score = second - first;
        const Real zero = score - score;  // NaN where the score is not finite
        const Real kept = zero == 0 ? score : Real{} + std::numeric_limits<double>::quiet_NaN();
        std::memcpy(b.scores + i, &kept, sizeof kept);
        sums.unscored += zero == 0 ? Real{} : Real{} + 1.0;
        if constexpr (has_curvature) {
            sums.first += zero == 0 ? first_size : Real{};
            sums.second += zero == 0 ? second_size : Real{};
        }
        if constexpr (Errors) {
            Real e1 = {}, e2 = {};
            if (b.gradient_errors) {
                load(b.gradient_errors + i, e1);
                e1 *= w;
            }
            if (has_curvature && b.curvature_errors) {
                load(b.curvature_errors + i, e2);
                e2 *= 0.5 * (w * w);
            }
            const Real variance = e1 * e1 + e2 * e2;
            sums.squares += zero == 0 ? score * score : Real{};
            sums.errors += zero == 0 ? variance : Real{};
            std::memcpy(b.errors + i, &variance, sizeof variance);
        }
    }

    [[gnu::always_inline]] static void add_lanes(const lane_sums<simd_vector<double>>& lanes, score_sums& sums)
    {
        for (std::size_t l = 0; l < 4; ++l) {
            sums.first += lanes.first[l];
            sums.second += lanes.second[l];
            sums.squares += lanes.squares[l];
            sums.errors += lanes.errors[l];
            sums.unscored += lanes.unscored[l];
        }
    }

    [[gnu::always_inline]] void operator()(const score_block* block, score_sums* sums) const
    {
        const score_block b = *block;
        lane_sums<simd_vector<double>> even, odd;
        const std::size_t whole = b.count - b.count % 8;
        for (std::size_t i = 0; i < whole; i += 8) {
            step(b, i, even);
            step(b, i + 4, odd);
        }
        add_lanes(even, *sums);
        add_lanes(odd, *sums);
        lane_sums<double> rest;
        for (std::size_t i = whole; i < b.count; ++i)
            step(b, i, rest);
        *sums += {rest.first, rest.second, rest.squares, rest.errors, rest.unscored};
        if constexpr (Errors)
            for (std::size_t i = 0; i < b.count; ++i)
                b.errors[i] = std::sqrt(b.errors[i]);
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
    const auto partials = fill_large(scores, weights.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
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
    score_sums sums;
    if (inputs.gradient_errors || inputs.curvature_errors) {
        if (keep_errors)
            result.standard_errors.resize(weights.size);
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
