#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/wanda.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string_view name_of(activation_figure figure)
{
    switch (figure) {
    case activation_figure::l2: return "√(Σ x²)";
    case activation_figure::l2_per_sequence: return "√(Σ x² / sequences)";
    case activation_figure::rms: return "√(Σ x² / tokens)";
    case activation_figure::l1: return "Σ |x|";
    case activation_figure::average: return "Σ |x| / tokens";
    case activation_figure::largest: return "max |x|";
    }
    return {};
}

inline const std::vector<double>& sums_for(activation_figure figure, const activation_statistics& statistics)
{
    switch (figure) {
    case activation_figure::l1:
    case activation_figure::average: return statistics.sums_of_magnitudes;
    case activation_figure::largest: return statistics.max_magnitudes;
    default: return statistics.sums_of_squares;
    }
}

WEIGHTSCOPE_INLINE std::vector<double> activation_figures(const activation_statistics& statistics, activation_figure figure, std::size_t sequences,
                                                          std::string_view caller)
{
    std::vector<double> result = sums_for(figure, statistics);
    require(!result.empty(), "{}: the statistics of '{}' lack what {} is made of; choose another figure, or collect it", caller,
            printable(statistics.tensor), name_of(figure));
    const bool per_token = figure == activation_figure::rms || figure == activation_figure::average;
    require(!per_token || statistics.rows > 0, "{}: the statistics of '{}' do not say how many tokens they are from, which {} needs", caller,
            printable(statistics.tensor), name_of(figure));
    require(figure != activation_figure::l2_per_sequence || sequences > 0,
            "{}: info.sequences is 0, expected the number of sequences, which {} needs", caller, name_of(figure));
    const double count = per_token ? static_cast<double>(statistics.rows) : figure == activation_figure::l2_per_sequence ? static_cast<double>(sequences) : 1;
    const bool root = figure == activation_figure::l2 || figure == activation_figure::l2_per_sequence || figure == activation_figure::rms;
    for (double& x : result)
        x = root ? std::sqrt(x / count) : x / count;
    return result;
}

// |w| times a factor of its own (Step = 1) or of the row (Step = 0). Returns how many are not finite and become NaN.
template <std::size_t Step>
struct product_kernel
{
    // The weights from number i on that Real holds: one or four.
    template <class Real>
    [[gnu::always_inline]] static void step(const double* weights, const double* factors, std::size_t i, double* scores, Real& unscored)
    {
        Real w, factor = Real{} + *factors;
        std::memcpy(&w, weights + i, sizeof w);
        if constexpr (Step == 1)
            std::memcpy(&factor, factors + i, sizeof factor);
        take_magnitudes(w);
        const Real score = w * factor, zero = score - score;  // NaN where the score is not finite
        const Real kept = zero == 0 ? score : Real{} + std::numeric_limits<double>::quiet_NaN();
        std::memcpy(scores + i, &kept, sizeof kept);
        unscored += zero == 0 ? Real{} : Real{} + 1.0;
    }

    [[gnu::always_inline]] double operator()(const double* weights, const double* factors, std::size_t count, double* scores) const
    {
        simd_vector<double> lanes = {};
        double unscored = 0;
        const std::size_t whole = count - count % 4;
        for (std::size_t i = 0; i < whole; i += 4)
            step(weights, factors, i, scores, lanes);
        for (std::size_t i = whole; i < count; ++i)
            step(weights, factors, i, scores, unscored);
        return unscored + lanes[0] + lanes[1] + lanes[2] + lanes[3];
    }
};

// Fills empty scores: [r, c] = |w[r, c]| · (by_row ? factors[r] : factors[c]), where the matrices of a stack have factors of their own.
// Returns how many could not be computed.
inline std::size_t scale_matrix(const matrix_source& matrix, const std::vector<double>& factors, bool by_row, std::size_t stack, std::vector<double>& scores)
{
    const std::size_t cols = matrix.cols, piece = std::max<std::size_t>(std::max<std::size_t>(chunk_elements / std::max<std::size_t>(cols, 1), 1) * cols, 1);
    const std::size_t of_one = std::max<std::size_t>(matrix.rows / stack, 1);  // rows of a matrix
    const auto partials = fill_large(scores, matrix.elements.size, piece, [&](std::size_t begin, std::size_t end) {
        constexpr std::size_t most = 2048;
        std::vector<double> weights(std::min(most, cols));
        double unscored = 0;
        for (std::size_t row = begin / cols; row < end / cols; ++row)
            for (std::size_t col = 0; col < cols; col += most) {
                const std::size_t count = std::min(most, cols - col), at = row * cols + col;
                matrix.elements.read_double(matrix.elements.data, at, count, weights.data());
                const double* w = weights.data();
                unscored += by_row ? dispatch(product_kernel<0>{}, w, factors.data() + row, count, scores.data() + at)
                                   : dispatch(product_kernel<1>{}, w, factors.data() + row / of_one * cols + col, count, scores.data() + at);
            }
        return unscored;
    });
    double total = 0;
    for (const double unscored : partials)
        total += unscored;
    return static_cast<std::size_t>(total);
}

WEIGHTSCOPE_INLINE importance_result score_wanda(const matrix_source& matrix, std::vector<std::size_t> shape, const importance_info& info,
                                                 const wanda_options& options)
{
    constexpr std::string_view caller = "score_wanda(weights, info)";
    const bool turned = options.orientation == matrix_orientation::in_out;
    require(info.activations.has_value(), "{}: info has no activations, expected the statistics of the layer's inputs", caller);
    require(!turned || shape.size() == 2, "{}: weights of rank {} cannot be [in, out], expected rank 2", caller, shape.size());
    std::vector<double> factors = activation_figures(*info.activations, options.figure, info.sequences, caller);
    const std::size_t inputs = turned ? matrix.rows : matrix.cols, channels = turned ? matrix.rows : shape[1];
    const bool stacked = shape.size() == 3 && factors.size() != inputs && factors.size() != channels && factors.size() == shape[0] * shape[2];
    require(factors.size() == inputs || factors.size() == channels || stacked,
            "{}: the statistics of '{}' are of {} inputs, but the weights have {}", caller, printable(info.activations->tensor), factors.size(),
            inputs == channels ? std::to_string(inputs) : std::to_string(inputs) + ", or " + std::to_string(channels) + " channels");

    importance_result result{.shape = std::move(shape), .method = "wanda", .group = comparison_group::row};
    result.formula = "|w| " + std::string(name_of(options.figure));
    result.origin = info.origin;
    result.dead_input_count = static_cast<std::size_t>(std::count(factors.begin(), factors.end(), 0.0));
    if (!stacked && factors.size() != inputs) {  // of channels of a convolution: each stands for all places of the kernel
        std::vector<double> spread;
        for (const double x : factors)
            spread.insert(spread.end(), inputs / channels, x);
        factors = std::move(spread);
    }
    result.unscored_count = stacked ? scale_matrix({matrix.elements, result.shape[0] * result.shape[1], result.shape[2]}, factors, false,
                                                   result.shape[0], result.scores)
                                    : scale_matrix(matrix, factors, turned, 1, result.scores);
    return result;
}

}  // namespace weightscope::detail
