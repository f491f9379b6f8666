#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// A layer under several conventions.
struct quantization_diff_layer
{
    study_layer layer = {};                          ///< without figures
    std::vector<scheme_difference> differences = {}; ///< [schemes - 1] of each from the first one; empty where the layer is kept
};

/// All layers together, each counted once.
struct quantization_diff_whole
{
    metric sqnr_db = {};
    metric change_db = {};            ///< from the first scheme
    metric differing_fraction = {};   ///< of the weights, from the first scheme
    std::size_t differing_layers = 0;
    std::string reason = {};          ///< what differs from the first scheme
};

/// What `study_quantization_diff` returns.
struct quantization_diff_result
{
    scanned_model model = {};
    scan_environment environment = {};
    quantization_study_options settings = {};   ///< which layers are compared
    double seconds = 0;
    std::vector<scheme> schemes = {};           ///< two or more; all are compared with the first one
    std::vector<quantization_diff_whole> wholes = {};  ///< [schemes]
    std::vector<quantization_diff_layer> layers = {};  ///< in model order
};

}  // namespace weightscope
