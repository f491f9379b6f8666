#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One line of a table that recommend_compression goes through for each layer: the first one that suits is taken.
struct compression_choice
{
    std::string method = {};
    std::function<metric(const layer_result&)> rank = {};  ///< of the two factors; missing: does not suit
    std::function<bool(const layer_result&)> suits = {};   ///< not set: always
    std::string meaning = {};                              ///< the condition, and what it costs, in words
};

struct compressed_layer
{
    std::string name = {};
    std::string method = {};
    std::size_t rank = 0;
    std::size_t parameters = 0;         ///< of the matrix
    std::size_t factor_parameters = 0;  ///< rank · (rows + cols)
    std::string reason = {};            ///< meaning of the choice
};

struct compression_plan
{
    std::vector<compressed_layer> layers = {};  ///< those that a choice suits, in model order
    std::size_t parameters = 0;                 ///< of all matrices, counted once
    std::size_t planned_parameters = 0;         ///< the same after the plan
};

/// Two factors where they hold fewer numbers than the matrix (rank below m n / (m + n)): without loss by the numerical rank, else
/// by the rank that keeps 99 % of the energy, a relative error of 10 %.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<compression_choice> default_compression_choices();

/// Fixed thresholds in wide use on r = stable rank / total rank: LoRA of rank 4 below 0.1, of rank 8 below 0.2, low rank 32 below 0.5.
/// A Gaussian matrix, which cannot be compressed, has r = 0.25 to 1: these promise more than the factors keep.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<compression_choice> classic_compression_choices();

/// Which matrices are worth keeping as two factors, from measured figures alone.
///
/// @param scan     with spectra measured
/// @param choices  gone through in order
/// @return         see compression_plan; a layer that no choice suits is not in the list
[[nodiscard]] WEIGHTSCOPE_INLINE compression_plan recommend_compression(const scan_result& scan,
                                                                        const std::vector<compression_choice>& choices = default_compression_choices());

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/compression_plan.hpp>
#endif
