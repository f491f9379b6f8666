#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_share.hpp>

namespace weightscope {

struct failing_share_options
{
    std::string bits = "all";            ///< as parse_bit_set() reads it
    std::size_t samples = 0;             ///< flips to run; 0: as many as the margin needs
    double margin = 0.01;                ///< half of the interval of the share, where that is unknown, see failing_share_sample_size()
    double confidence = 0.95;            ///< of all intervals
    double threshold = 0.1;              ///< a flip fails if it makes the metric worse by more, or not finite
    std::string metric = "loss";         ///< as in rank_bits_options
    bit_goal goal = bit_goal::harm;      ///< which way is worse
    std::function<bool(std::string_view name)> takes = {};  ///< of a tensor; empty: all
    evaluation_options evaluation = {};  ///< batches, seed, threads, progress, resume; its tensors are not used
    std::vector<std::string> parts = {}; ///< of what weights are stored in, as in select_bits_options; empty: all
    std::size_t shard = 0;               ///< only flips shard, shard + shard_count... of the sample
    std::size_t shard_count = 1;
};

/// Flips of one bit, of the codes or of one kind of scale, in tensors of one kind.
struct failing_stratum
{
    std::string kind = {};        ///< their name with a * for numbers: "layers.*.mlp.up_proj.weight"
    unsigned bit = 0;
    counted_sample failing = {};  ///< its hits are the flips that fail
    share_estimate share = {};    ///< of flips that fail
    std::size_t crash_count = 0;  ///< of the sample: the metric or the weight is not finite
    metric mean_change = {};      ///< of the metric, over the sample's flips that do not fail
    std::string part = "code";    ///< whose bit, see bit_parts()
};

struct failing_share_result
{
    share_estimate share = {};                 ///< of all flips; of a shard what its part of the sample says
    share_estimate crash_share = {};           ///< that make the metric or the weight not finite
    metric mean_change = {};                   ///< of the metric over flips that do not fail, each stratum by its size
    std::vector<failing_stratum> strata = {};  ///< in model order, bits rising
    std::uint64_t population = 0;              ///< flips that there are
    std::size_t samples = 0;                   ///< flips that were drawn, of a shard those of its part
    bit_ranking ranking = {};                  ///< all trials, the worst ten ranked
    failing_share_options options = {};        ///< without callback and file
    std::vector<std::string> passed_over = {}; ///< tensors, and why
};

/// What estimate_failing_share() will cost, known before it starts.
struct failing_share_plan
{
    std::size_t population = 0;  ///< flips that there are
    std::size_t samples = 0;     ///< that are drawn for all shards, as many as the budget allows
    double margin = 0;           ///< half of the interval of a share of one half, which is the widest, strata aside
    evaluation_plan evaluation = {};  ///< calls of this shard, at most so many: flips that need no run take none
};

}  // namespace weightscope
