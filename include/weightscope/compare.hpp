#pragma once

#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/scope.hpp>
#include <weightscope/study/model_comparison.hpp>

namespace weightscope {

struct compare_options
{
    scan_options scan = {.quantization = false, .sparsity = false, .heavy_tail = false};  ///< of both, for figures side by side
    compare_models_options models = {};  ///< its patterns and threads hold for the scans too
};

/// Two models against each other: both are scanned, their tensors matched, and their weights compared one by one.
///
///     const comparison_result r = compare(open_model("base"), open_model("tuned"));
///     r.relation == model_relation::fine_tune
///
/// @return  see comparison_result and compare_models
/// @throws std::invalid_argument, cancelled  as scan and compare_models
[[nodiscard]] inline comparison_result compare(const model& a, const model& b, const compare_options& options = {},
                                               const progress_callback& progress = {})
{
    scan_options settings = options.scan;
    settings.include = options.models.include;
    settings.exclude = options.models.exclude;
    settings.restrict_to = options.models.restrict_to;
    settings.threads = options.models.threads;
    const scan_result before = scan(a, settings, progress), after = scan(b, settings, progress);
    return compare_models({&a, &before}, {&b, &after}, options.models, progress);
}

}  // namespace weightscope
