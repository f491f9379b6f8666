#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/matrix_layout.hpp>
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

WEIGHTSCOPE_INLINE std::string_view name_of(activation_figure figure);

// One number for each input. `sequences` is needed for l2_per_sequence only.
WEIGHTSCOPE_INLINE std::vector<double> activation_figures(const activation_statistics& statistics, activation_figure figure, std::size_t sequences,
                                                          std::string_view caller);

WEIGHTSCOPE_INLINE importance_result score_wanda(const matrix_source& matrix, std::vector<std::size_t> shape, const importance_info& info,
                                                 const wanda_options& options);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/wanda.hpp>
#endif
