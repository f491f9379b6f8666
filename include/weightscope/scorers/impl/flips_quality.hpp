#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_places.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/flips_quality.hpp>
#include <weightscope/scorers/flips_quality_result.hpp>

namespace weightscope {

namespace detail {

// An evaluator with some of the batches of another.
class batches_of_evaluator
{
public:
    batches_of_evaluator(any_evaluator& evaluator, std::vector<std::size_t> batches) : evaluator_(evaluator), batches_(std::move(batches)) {}

    const std::vector<weight_info>& weights() const { return evaluator_.weights(); }
    void read(std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) const { evaluator_.read(tensor, offset, bytes); }
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes) { evaluator_.write(tensor, offset, bytes); }
    std::size_t batch_count() const { return batches_.size(); }
    loss_value loss(std::size_t batch) { return evaluator_.loss(batches_[batch]); }
    const std::vector<metric_info>& metrics() const { return evaluator_.metrics(); }
    void measure(std::size_t batch, std::span<loss_value> values) { evaluator_.measure(batches_[batch], values); }
    bool supports_outputs() const { return evaluator_.supports_outputs(); }
    model_outputs outputs(std::size_t batch) { return evaluator_.outputs(batches_[batch]); }

private:
    any_evaluator& evaluator_;
    std::vector<std::size_t> batches_;
};

WEIGHTSCOPE_INLINE flips_quality measure_flips(any_evaluator& evaluator, const model* stored, std::span<const std::vector<planned_flip>> sets,
                                               const measure_flips_options& options, const char* caller)
{
    const auto start = std::chrono::steady_clock::now();
    const evaluation_counts before = evaluator.counts();
    const bit_flipper flipper(evaluator, stored);
    std::vector<std::vector<bit_place>> places;
    for (std::size_t s = 0; s < sets.size(); ++s) {
        std::vector<planned_flip> flips = sets[s];
        places.push_back(bit_places_of(evaluator, flipper, flips, fmt::format("set {}", s), caller));
    }
    batches_of_evaluator chosen(evaluator, chosen_batches(evaluator, {.batches = options.batches}, caller));
    quality_meter meter(chosen, {.figures = true});
    const std::size_t calls = meter.plan(sets.size()).calls();
    progress_reporter reporter(options.progress, calls, static_cast<double>(calls));
    flips_quality result{.before = meter.original(&reporter), .batches = chosen.batch_count()};
    for (const std::vector<bit_place>& flips : places)
        result.after.push_back(meter.changed([&](weight_patch& patch) { make_bit_flips(flipper, evaluator, patch, flips); }, &reporter));
    result.counts = evaluator.counts() - before;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::vector<planned_flip>> flip_sets_of(const bit_ranking& ranking, bool each)
{
    std::vector<std::vector<planned_flip>> sets = {ranking.plan};
    std::vector<planned_flip> made = ranking.options.after;
    for (std::size_t i = 0; each && i < ranking.ranked.size(); ++i) {
        made.push_back(ranking.ranked[i].flip);
        sets.push_back(made);
        if (ranking.options.search == bit_search::independent)
            made.pop_back();
    }
    return sets;
}

}  // namespace weightscope
