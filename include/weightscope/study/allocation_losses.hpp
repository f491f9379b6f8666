#pragma once

#include <optional>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

// Losses of one layer: one for each scheme, or none where nothing is known.
using layer_losses = std::vector<std::optional<uncertain_value>>;

// One number for each column or each weight, with their standard errors where these are known.
struct plan_weights
{
    std::vector<double> values = {}, errors = {};
};

// The numbers that errors of a layer are weighted with: one for each column or each weight; empty where none are known or they do
// not fit.
WEIGHTSCOPE_INLINE plan_weights plan_error_weights(const study_layer& layer, const std::string& tensor, const allocation_sources& sources,
                                                   allocation_loss loss);

// [layers of the study][schemes of the study]; empty for layers that are not measured.
WEIGHTSCOPE_INLINE std::vector<layer_losses> allocation_losses(const quantization_study_result& study, const std::vector<located_layer>& located,
                                                               const allocation_sources& sources, allocation_loss loss,
                                                               std::vector<std::string>& notes);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/allocation_losses.hpp>
#endif
