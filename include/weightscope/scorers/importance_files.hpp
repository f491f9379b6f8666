#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

/// Files of what is known of a model's weights: anything that open_model() opens, with arrays under the names of the weights.
struct importance_files
{
    std::filesystem::path gradients = {};          ///< dL/dw of the mean loss, in the weights' shapes
    std::filesystem::path squared_gradients = {};  ///< empirical Fisher information; none negative
    std::filesystem::path hessian_diag = {};       ///< d²L/dw²
    std::filesystem::path activations = {};        ///< see read_activation_statistics()
};

struct importance_files_result
{
    importance_data data = {};
    std::vector<std::string> missing = {};  ///< "gradients.npz lacks layers.0.weight, layers.1.weight": one line for each file that lacks some
};

/// Adds what inputs looked like to what is known of a model's weights.
///
/// @param weights    of the model; statistics are found under their names, or under those that llama.cpp has for them
/// @param source     where they are from, for the results' origin
/// @param sequences  that they were collected from; 0: not known
/// @return           names of the weights of rank 2 or more that have no statistics
WEIGHTSCOPE_INLINE std::vector<std::string> add_activations(importance_data& data, std::span<const weight_info> weights,
                                                            std::span<const activation_statistics> statistics, const std::string& source,
                                                            std::size_t sequences = 0);

/// Opens files of gradients, curvature and activations, as far as they are named, for the weights of a model.
///
/// @param weights  of the model: names and shapes
/// @param files    see importance_files
/// @return         see importance_files_result; arrays are read again when they are asked for
/// @throws io_error  a file cannot be read, an array has another shape than its weight, holds NaN, Inf or a negative square, or a file has
///                   nothing for any of the weights
/// @note   reads all arrays once to check them
[[nodiscard]] WEIGHTSCOPE_INLINE importance_files_result read_importance_files(std::span<const weight_info> weights, const importance_files& files);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/importance_files.hpp>
#endif
