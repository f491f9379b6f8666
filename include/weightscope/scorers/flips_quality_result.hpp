#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>

namespace weightscope {

struct measure_flips_options
{
    std::vector<std::size_t> batches = {};  ///< empty: all
    progress_callback progress = {};        ///< called after each pass over a batch; can cancel
};

/// How good a model is with bits flipped.
struct flips_quality
{
    model_quality before = {};               ///< without flips
    std::vector<model_quality> after = {};   ///< with each set of flips
    std::size_t batches = 0;
    evaluation_counts counts = {};
    double seconds = 0;
};

}  // namespace weightscope
