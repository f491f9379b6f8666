#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/metrics.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/scorers/flips_quality_result.hpp>

namespace weightscope {

enum class bit_search
{
    progressive,  ///< greedy: the flip that moves the metric most, on top of those before it
    independent,  ///< each flip alone
};

[[nodiscard]] constexpr std::string_view to_string(bit_search search)
{
    return search == bit_search::progressive ? "progressive" : "independent";
}

/// Which way a metric shall be moved.
enum class bit_goal
{
    harm,      ///< the loss up, figures of which more is better down
    maximize,
    minimize,
};

/// What a flip did.
enum class bit_trial_outcome
{
    finite,            ///< all recorded figures are numbers
    nan_loss,          ///< the loss, or another recorded figure, is NaN
    infinite_loss,     ///< it is Inf
    non_finite_value,  ///< the weight would be NaN or Inf: not run
    unchanged,         ///< the weight would be as it was, as 0 and -0: not run
};

inline constexpr std::size_t bit_trial_outcome_count = 5;

[[nodiscard]] constexpr std::string_view to_string(bit_trial_outcome outcome)
{
    constexpr std::string_view names[] = {"finite", "nan_loss", "infinite_loss", "non_finite_value", "unchanged"};
    return names[static_cast<int>(outcome)];
}

/// True where the model gives no numbers any more, or would not.
[[nodiscard]] constexpr bool is_crash(bit_trial_outcome outcome)
{
    return outcome == bit_trial_outcome::nan_loss || outcome == bit_trial_outcome::infinite_loss || outcome == bit_trial_outcome::non_finite_value;
}

struct rank_bits_options
{
    std::string bits = "exponent_sign";  ///< of each candidate, as parse_bit_set() reads it
    bit_search search = bit_search::progressive;
    std::string metric = "loss";         ///< "loss", a figure that the evaluator names, or how far its outputs move from the unchanged model's:
                                         ///< "kl_divergence", "top1_agreement", "outputs_mae", "outputs_rmse"
    bit_goal goal = bit_goal::harm;
    std::size_t top_b = 1;               ///< flips to choose; 0: all that help
    bool go_on = false;                  ///< progressive: to top_b flips even where none helps; the plan ends at the best point all the same
    std::size_t flips_per_weight = 0;    ///< progressive: bits of one weight or scale, at most; 0: no limit
    bool crashes_first = false;          ///< flips after which a figure is not finite rank before all others; a progressive search ends with one
    std::vector<std::string> metrics = {};  ///< more figures to record; the evaluator's own take a pass of their own over the data, and changes of outputs another
    std::size_t shard = 0;               ///< independent: only candidates shard, shard + shard_count...
    std::size_t shard_count = 1;
    evaluation_options evaluation = {};  ///< batches, threads, progress, resume; its tensors are not used
    std::vector<planned_flip> after = {};  ///< flips that are made first, in their order: all others are tried on top of them
};

/// One flip that was looked at.
struct bit_trial
{
    planned_flip flip = {};
    double weight_score = 0;   ///< of the candidate
    std::size_t candidate = 0; ///< its number
    std::size_t tensor = 0;    ///< number of the tensor in the evaluator
    std::size_t step = 0;      ///< of a progressive search, from 1 on; 0 otherwise
    bit_trial_outcome outcome = bit_trial_outcome::finite;
    std::vector<double> values = {};  ///< of bit_ranking::metrics, with the flip; empty where it was not run
    std::vector<double> deltas = {};  ///< less those of the model before the search, or of the step before; differences are taken batch by batch
};

/// A flip that was chosen.
struct ranked_flip
{
    planned_flip flip = {};
    std::size_t step = 0;        ///< from 1 on: of the search, or its rank
    double delta = 0;            ///< of the metric, raw; NaN for a crash
    double before = 0;           ///< the metric without this flip
    double after = 0;
    bit_trial_outcome outcome = bit_trial_outcome::finite;
};

struct bit_ranking
{
    std::vector<ranked_flip> ranked = {};     ///< best first; of a progressive search in the order of its steps
    std::vector<planned_flip> plan = {};      ///< flips to make: options.after, then those that help; of a progressive search those up to its best point
    std::vector<bit_trial> trials = {};       ///< all flips that were looked at, in the order of the candidates and steps
    std::vector<std::string> metrics = {};    ///< that were recorded, the one that counts first
    std::vector<named_metric> baseline = {};  ///< before the search, with options.after: the loss, and all the evaluator's figures
    bool maximized = true;                    ///< which way the metric was moved
    double start = 0;                         ///< the metric before the search
    double best = 0;                          ///< with the plan, of a progressive search; else with the best flip alone
    rank_bits_options options = {};           ///< without callback and file; bits is the canonical name
    std::array<std::uint64_t, bit_trial_outcome_count> outcomes = {};  ///< flips by bit_trial_outcome, over all steps
    std::size_t candidate_count = 0;          ///< of this shard
    std::size_t all_candidate_count = 0;      ///< before it was cut into shards
    std::size_t evaluations = 0;              ///< flips that were run
    std::string fingerprint = {};             ///< of the weights and the batches, without options.after
    evaluation_counts counts = {};            ///< with those of the model before the search
    double seconds = 0;
    std::optional<flips_quality> quality = {};  ///< with flip_sets_of() the ranking, once measure_flips() has run
};

}  // namespace weightscope
