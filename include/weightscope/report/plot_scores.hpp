#pragma once

#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_result.hpp>

namespace weightscope {

/// The score of a group of weights: a head, a channel, a layer.
struct group_score
{
    std::string name = {};   ///< unique: "model.layers.3.self_attn.head.7"
    double score = 0;
    bool marked = false;     ///< chosen to be pruned, say
};

struct group_scores_chart
{
    std::string title = "Group scores";
    std::string below = {};
    std::string score = "score";  ///< what it measures
    std::string marked = "chosen";
    bool lowest_first = true;     ///< which rows are named
    bool logarithmic = false;
    std::vector<group_score> groups = {};
};

/// Scores of groups: all of them in falling order as a line, and the lowest or highest by name as bars.
///
/// @return named "group_scores"
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_group_scores(const group_scores_chart& of);

/// One number for each bit of each layer, such as what a flip does to the loss.
struct bit_map_chart
{
    std::string title = "Bits";
    std::string below = {};
    std::string value = "score";           ///< what the numbers are
    bool logarithmic = true;               ///< numbers of 0 and below are the palest
    std::vector<std::string> bits = {};    ///< names, the first one on top: "sign", "exponent 7"
    std::vector<std::string> layers = {};
    std::vector<double> values = {};       ///< [bits, layers]; NaN where there is none
};

/// A map of bits and layers.
///
/// @return named "bit_map"
/// @throws std::invalid_argument  there are not bits x layers values
[[nodiscard]] WEIGHTSCOPE_INLINE chart plot_bit_map(const bit_map_chart& of);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plot_scores.hpp>
#endif
