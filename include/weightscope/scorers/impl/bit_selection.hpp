#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_scoring.hpp>
#include <weightscope/scorers/bit_selection.hpp>
#include <weightscope/scorers/bit_selection_job.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_tensors.hpp>
#include <weightscope/scorers/bit_view.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

namespace detail {

inline bit_candidate bit_candidate_of(const bit_tensor& tensor, const bit_score& scored)
{
    return {.name = tensor.source->name, .flat = scored.flat, .score = scored.score, .bit = scored.bit, .part = tensor.part_name(), .tensor = tensor.number};
}

WEIGHTSCOPE_INLINE void cut_bit_candidates(std::vector<bit_candidate>& candidates, std::size_t limit)
{
    std::stable_sort(candidates.begin(), candidates.end(), [](const bit_candidate& a, const bit_candidate& b) { return a.score > b.score; });
    if (limit > 0 && candidates.size() > limit)
        candidates.resize(limit);
}

// Candidates of tensors of which all gradients are known, or none is needed.
inline void select_from_known(bit_selection_job& job, std::vector<bit_candidate>& pool, bit_tally& tally)
{
    const std::size_t limit = job.options.per_tensor_k > 0 ? job.options.per_tensor_k : job.options.top_w;
    for (std::size_t begin = 0, end = 0; begin < job.tensors.size(); begin = end) {
        end = job.end_of_tensor(begin);
        const bit_source& source = *job.tensors[begin].source;
        const importance_info known = job.source == bit_gradients::none ? importance_info() : job.data.of(source.name);
        if (job.source != bit_gradients::none && known.gradients.size() != source.size) {
            job.result.passed_over.push_back(fmt::format("{} ({}): its gradient is not known", printable(source.name), printable(source.storage)));
            continue;
        }
        std::vector<bit_candidate> best;
        for (std::size_t t = begin; t < end; ++t)
            for (const bit_score& scored : job.with_view(t, [&](const bit_view& view) {
                     return best_bits_of(view, source.size, job.scorer(t, job.result.method), known, limit, tally);
                 }))
                best.push_back(bit_candidate_of(job.tensors[t], scored));
        cut_bit_candidates(best, limit);
        pool.insert(pool.end(), best.begin(), best.end());
    }
}

// The same where weights got their gradients one by one.
inline void select_from_differences(bit_selection_job& job, std::vector<bit_candidate>& pool, bit_tally& tally, const char* caller)
{
    if (job.result.sampled_count == 0)
        return;
    const differences_result found = differences(*job.evaluator, bit_differences_options(job), caller);
    const std::size_t limit = job.options.per_tensor_k > 0 ? job.options.per_tensor_k : job.options.top_w;
    std::size_t next = 0;
    for (std::size_t t = 0; t < job.tensors.size(); ++t) {
        std::map<std::size_t, const weight_derivatives*> derivatives;
        best_bit_scores best(limit);
        if (!job.samples[t].empty())
            job.with_view(t, [&](const bit_view& view) {
                bit_tally again;  // flips were counted when the weights were sampled
                for (const bit_score& sampled : job.samples[t]) {
                    const weight_derivatives& d = found.weights[next++];
                    bit_chunk chunk{.first = sampled.flat, .values = {0}, .gradients = {d.gradient}};
                    view.values(sampled.flat, chunk.values);
                    if (job.options.curvature)
                        chunk.curvatures = {d.curvature};
                    std::vector<double> scores;
                    std::vector<int> bits;
                    job.scorer(t, job.result.method).score(view, chunk, scores, bits, again);
                    if (!std::isnan(scores[0]))
                        best.add({scores[0], sampled.flat, bits[0]});
                    derivatives[sampled.flat] = &d;
                }
                tally.unscored += again.unscored;
                return 0;
            });
        for (const bit_score& scored : best.take()) {
            bit_candidate c = bit_candidate_of(job.tensors[t], scored);
            c.gradient = derivatives.at(c.flat)->gradient;
            c.curvature = derivatives.at(c.flat)->curvature;
            pool.push_back(std::move(c));
        }
    }
}

// What is told of the candidates that are left.
inline void describe_bit_candidates(bit_selection_job& job)
{
    for (std::size_t t = 0; t < job.tensors.size(); ++t) {
        const bit_tensor& tensor = job.tensors[t];
        std::vector<bit_candidate*> mine;
        for (bit_candidate& c : job.result.candidates)
            if (c.name == tensor.source->name && c.part == tensor.part_name())
                mine.push_back(&c);
        if (mine.empty())
            continue;
        const bool all_known = job.source == bit_gradients::given || job.source == bit_gradients::evaluator;
        const importance_info known = all_known ? job.data.of(tensor.source->name) : importance_info();
        job.with_view(t, [&](const bit_view& view) {
            for (bit_candidate* c : mine) {
                c->flat = most_changed_weight(view, tensor, c->flat, c->bit);
                view.values(c->flat, std::span(&c->value, 1));
                c->outside_taylor = bits_outside(view, tensor, c->flat, job.radii[t]);
                if (!known.gradients.empty())
                    known.gradients.read(c->flat, std::span(&c->gradient, 1));
                if (!known.hessian_diag.empty())
                    known.hessian_diag.read(c->flat, std::span(&c->curvature, 1));
            }
            return 0;
        });
    }
}

WEIGHTSCOPE_INLINE bit_selection select_bits(const bit_sources& sources, any_evaluator* evaluator, const select_bits_options& options,
                                             const importance_data& known, const char* caller)
{
    const auto start = std::chrono::steady_clock::now();
    const evaluation_counts before = evaluator ? evaluator->counts() : evaluation_counts();
    bit_tally tally;
    bit_selection_job job = prepare_bit_selection(sources, evaluator, options, known, tally, caller);
    std::vector<bit_candidate> pool;
    if (job.source == bit_gradients::evaluator) {
        const importance_options how = bit_importance_options(job);
        require(!how.evaluation.tensors.empty(), "{}: none of the tensors is of floating point, expected one that has gradients", caller);
        job.data.add(estimate_importance(importance_evaluator{.evaluator = evaluator}, how).data);
    }
    if (job.source == bit_gradients::differences)
        select_from_differences(job, pool, tally, caller);
    else
        select_from_known(job, pool, tally);
    cut_bit_candidates(pool, options.top_w);
    job.result.candidates = std::move(pool);
    describe_bit_candidates(job);
    draw_outside_bits(job.tensors, job.radii, options, job.result);
    job.result.flips = tally.flips;
    job.result.unscored_count = tally.unscored;
    if (evaluator)
        job.result.counts = evaluator->counts() - before;
    job.result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(job.result);
}

}  // namespace detail

WEIGHTSCOPE_INLINE bit_selection select_bits(const model& m, const select_bits_options& options, const importance_data& known)
{
    return detail::select_bits(detail::bit_sources_of(m), nullptr, options, known, "select_bits(model, options)");
}

}  // namespace weightscope
