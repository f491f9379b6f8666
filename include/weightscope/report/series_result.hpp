#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope {

/// One layer in one checkpoint; changes are those since the checkpoint before, and missing in the first.
struct series_layer
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    std::string dtype = {};
    std::size_t parameters = 0;
    metric l2_norm = {};             ///< of the finite weights, as all figures
    metric std = {};
    metric abs_max = {};
    metric max_singular_value = {};  ///< of matrices
    metric stable_rank = {};         ///< of matrices
    std::size_t non_finite_count = 0;
    metric relative_l2_distance = {};  ///< ‖after - before‖ / ‖before‖
    metric cosine_similarity = {};     ///< of before and after
    metric changed_percentage = {};    ///< 0 to 100
    std::string error = {};            ///< why there are no figures; empty where there are
};

/// One state of a model in training.
struct series_checkpoint
{
    std::string name = {};  ///< last part of the path
    std::string path = {};
    double seconds = 0;     ///< that its figures took
    std::vector<series_layer> layers = {};  ///< in model order
    metric relative_l2_distance = {};       ///< of the whole model to the checkpoint before
    std::vector<finding> findings = {};     ///< against the checkpoint before
};

/// A training run as it went.
struct series_result
{
    std::vector<series_checkpoint> checkpoints = {};
    std::vector<change_rule> rules = {};

    [[nodiscard]] std::size_t count(severity level) const
    {
        std::size_t sum = 0;
        for (const series_checkpoint& c : checkpoints)
            for (const finding& f : c.findings)
                sum += f.level == level;
        return sum;
    }
};

}  // namespace weightscope
