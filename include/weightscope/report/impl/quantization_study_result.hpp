#pragma once

#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE study_variant to_variant(const quantization_config& config)
{
    return {.name = name_of(config),
            .normal = scheme_of(config),
            .sensitive = scheme_of(config, true),
            .sensitive_layers = config.sensitive_layers,
            .skip_first_last = config.skip_first_last};
}

WEIGHTSCOPE_INLINE metric figure_of(const quantization_error& error, study_metric which)
{
    switch (which) {
    case study_metric::relative_error: return error.relative_error;
    case study_metric::rmse: return error.rmse;
    case study_metric::mae: return error.mae;
    case study_metric::max_error: return error.max_error;
    case study_metric::cosine_distance: break;
    }
    return error.cosine_similarity.exists() ? metric(1 - error.cosine_similarity.value) : error.cosine_similarity;
}

}  // namespace weightscope
