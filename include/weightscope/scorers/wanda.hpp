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

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/large_vector.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

/// What one input of a layer was like over all calibration tokens, as one number.
enum class activation_figure
{
    l2,               ///< ‖x‖₂ = √(Σ x²): that of the Wanda paper
    l2_per_sequence,  ///< √(Σ x² / sequences): that of the paper's own code; no other order within a tensor
    rms,              ///< √(Σ x² / tokens): compares between calibrations of different length
    l1,               ///< Σ |x|
    average,          ///< Σ |x| / tokens
    largest,          ///< max |x|
};

struct wanda_options
{
    activation_figure figure = activation_figure::l2;
    matrix_orientation orientation = matrix_orientation::out_in;  ///< in_out for GPT-2's Conv1D; detect counts as out_in: a tensor alone has no names
};

namespace detail {

inline std::string_view name_of(activation_figure figure)
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

// One number for each input. `sequences` is needed for l2_per_sequence only.
inline std::vector<double> activation_figures(const activation_statistics& statistics, activation_figure figure, std::size_t sequences,
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

inline importance_result score_wanda(const matrix_source& matrix, std::vector<std::size_t> shape, const importance_info& info,
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

}  // namespace detail

/// How much each weight contributes to the output of its layer, on the calibration texts: Wanda.
///
///     |w_ij| ‖x_j‖₂,   x_j the layer's input j over all tokens
///
/// Scores compare within a row of [out, in], the weights of one output: select_row_mask() goes with them.
///
/// @param weights  rank 2 or more, [out, in, kernel...]
/// @param info     with activations: one number for each of the in · kernel inputs, or for each of the `in` channels; for a stack of
///                 experts [experts, out, in] one for each input of each expert. Those of an imatrix file are sums of squares, which l2
///                 and rms are made of.
/// @param options  see wanda_options
/// @return         see importance_result; dead_input_count says how many columns have score 0 because their input was always 0
/// @throws std::invalid_argument  info has no activations, not those that the figure needs, or not as many as the weights have inputs
/// @note           one pass; 8 bytes of memory for each weight
/// @see            Sun, Liu, Bair & Kolter 2023, arXiv:2306.11695
template <tensor W>
[[nodiscard]] importance_result score_wanda(const W& weights, const importance_info& info, const wanda_options& options = {})
{
    return detail::with_matrix(weights, "score_wanda(weights, info)", [&](const detail::matrix_source& matrix) {
        return detail::score_wanda(matrix, {weights.shape().begin(), weights.shape().end()}, info, options);
    });
}

}  // namespace weightscope
