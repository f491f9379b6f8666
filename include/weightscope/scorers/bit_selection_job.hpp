#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_scoring.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_tensors.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_plan.hpp>

namespace weightscope::detail {

enum class bit_gradients
{
    none,
    given,        // by the caller
    evaluator,    // all at once
    differences,  // one or two forwards for each weight that is sampled
};

// How many weights of a tensor get a gradient by forwards; 0: all of them.
inline std::size_t bit_sample_limit(const select_bits_options& options)
{
    return options.sample_all_weights ? 0 : options.oversample * options.per_tensor_k;
}

// All that is decided before the first forward.
struct bit_selection_job
{
    const select_bits_options& options;
    any_evaluator* evaluator = nullptr;
    bit_selection result = {};
    bit_gradients source = bit_gradients::none;
    std::vector<bit_tensor> tensors = {};
    std::vector<double> radii = {};
    std::vector<std::size_t> places = {};  // of the tensors, in the evaluator
    importance_data data = {};
    std::vector<std::vector<bit_score>> samples = {};  // that get a gradient by differences, in the order of their numbers

    bit_scorer scorer(std::size_t t, bit_method method) const { return {method, tensors[t].bits, radii[t], tensors[t].part, tensors[t].weights()}; }
    // Behind the last part of the tensor that part `t` is of.
    std::size_t end_of_tensor(std::size_t t) const
    {
        std::size_t end = t;
        while (end < tensors.size() && tensors[end].source == tensors[t].source)
            ++end;
        return end;
    }

    template <class F>
    auto with_view(std::size_t t, F&& f) const
    {
        return read_verified(tensors[t].source->file.get(), [&] {
            const auto view = tensors[t].source->open();
            return f(*view);
        });
    }
};

inline void resolve_bit_method(bit_selection_job& job, const importance_data& known, const char* caller)
{
    const select_bits_options& options = job.options;
    const bool given = std::any_of(job.tensors.begin(), job.tensors.end(), [&](const bit_tensor& t) { return known.knows(t.source->name); });
    const auto differentiable = [&](std::size_t t) { return job.tensors[t].part == 0 && is_differentiable(job.evaluator->weights()[job.places[t]].dtype); };
    bool possible = given || (job.evaluator != nullptr && job.evaluator->has_gradient());
    for (std::size_t t = 0; !possible && job.evaluator != nullptr && t < job.tensors.size(); ++t)
        possible = differentiable(t);
    bit_method& method = job.result.method;
    method = options.method != bit_method::automatic ? options.method : possible ? bit_method::flip_aware : bit_method::flip_size;
    if (method == bit_method::magnitude || method == bit_method::flip_size)
        return;
    require(possible || job.evaluator == nullptr,
            "{}: options.method {} needs gradients, which differences of losses give of weights' own codes in floating point alone; take flip_size", caller,
            to_string(method));
    require(possible, "{}: options.method {} needs gradients; give an evaluator, or numbers from a file", caller, to_string(method));
    job.source = given                             ? bit_gradients::given
                 : job.evaluator->has_gradient() ? bit_gradients::evaluator
                                                 : bit_gradients::differences;
    constexpr const char* names[] = {"", "file", "evaluator", "differences"};
    job.result.gradient_source = names[static_cast<int>(job.source)];
    job.data = known;
}

// The weights that get a gradient by differences: the largest by what is known before.
inline void sample_bit_weights(bit_selection_job& job, bit_tally& tally)
{
    const bit_method prior = job.result.method == bit_method::flip_aware ? bit_method::flip_size : bit_method::magnitude;
    job.samples.resize(job.tensors.size());
    for (std::size_t t = 0; t < job.tensors.size(); ++t) {
        if (job.tensors[t].part > 0) {
            job.result.passed_over.push_back(fmt::format("{} ({}): {}: differences of losses give no gradients of all the weights that depend on one",
                                                         printable(job.tensors[t].source->name), printable(job.tensors[t].source->storage),
                                                         job.tensors[t].part_name()));
            continue;
        }
        if (!is_differentiable(job.evaluator->weights()[job.places[t]].dtype)) {
            job.result.passed_over.push_back(fmt::format("{} ({}): has no small steps, hence no gradient", printable(job.tensors[t].source->name),
                                                         printable(job.tensors[t].source->storage)));
            continue;
        }
        job.samples[t] = job.with_view(t, [&](const bit_view& view) {
            return best_bits_of(view, job.tensors[t].source->size, job.scorer(t, prior), {}, bit_sample_limit(job.options), tally);
        });
        std::sort(job.samples[t].begin(), job.samples[t].end(), [](const bit_score& a, const bit_score& b) { return a.flat < b.flat; });
        job.result.sampled_count += job.samples[t].size();
    }
}

// Leaves the tensors of one shard; what is decided of all of them is the same in every shard.
inline void keep_bit_shard(bit_selection_job& job, const char* caller)
{
    if (job.options.shard_count == 1)
        return;
    std::vector<bit_tensor> tensors;
    std::vector<std::size_t> places;
    std::size_t number = 0;
    for (std::size_t t = 0, end = 0; t < job.tensors.size(); t = end, ++number) {
        end = job.end_of_tensor(t);
        for (std::size_t i = t; number % job.options.shard_count == job.options.shard && i < end; ++i) {
            tensors.push_back(std::move(job.tensors[i]));
            if (!job.places.empty())
                places.push_back(job.places[i]);
        }
    }
    require(!tensors.empty(), "{}: there are {} tensors to choose from, too few for shard {} of {}", caller, number, job.options.shard,
            job.options.shard_count);
    job.tensors = std::move(tensors);
    job.places = std::move(places);
}

inline bit_selection_job prepare_bit_selection(const bit_sources& sources, any_evaluator* evaluator, const select_bits_options& options,
                                               const importance_data& known, bit_tally& tally, const char* caller)
{
    require(options.trust_radius > 0, "{}: options.trust_radius is {}, expected above 0", caller, options.trust_radius);
    require(options.step > 0 && std::isfinite(options.step), "{}: options.step is {}, expected above 0", caller, options.step);
    require(options.oversample > 0, "{}: options.oversample is 0, expected 1 or more", caller);
    bit_selection_job job{.options = options, .evaluator = evaluator};
    require(options.shard_count > 0 && options.shard < options.shard_count, "{}: options.shard is {} of {}, expected below the count", caller, options.shard,
            options.shard_count);
    require(options.shard_count == 1 || options.outside_w == 0, "{}: options.outside_w draws from the whole model, which a shard is not; draw without shards",
            caller);
    job.tensors = chosen_bit_tensors(sources, options, job.result, caller);
    if (evaluator != nullptr)
        job.places = match_bit_tensors(*evaluator, job.tensors, job.result, caller);
    resolve_bit_method(job, known, caller);
    keep_bit_shard(job, caller);
    count_bit_tensors(job.tensors, job.result);
    for (std::size_t t = 0; t < job.tensors.size(); ++t)
        job.radii.push_back(t > 0 && job.tensors[t].source == job.tensors[t - 1].source
                                ? job.radii.back()
                                : options.trust_radius * job.with_view(t, [&](const bit_view& view) {
                                      return largest_finite_magnitude(view, job.tensors[t].source->size);
                                  }));
    if (job.source == bit_gradients::differences)
        sample_bit_weights(job, tally);
    return job;
}

inline importance_options bit_importance_options(const bit_selection_job& job)
{
    importance_options result{.activations = false, .gradients = true, .hessian = job.options.curvature, .evaluation = job.options.evaluation};
    result.curvature.max_probes = job.options.probes;
    result.evaluation.tensors.clear();
    for (const std::size_t place : job.places)
        if (is_differentiable(job.evaluator->weights()[place].dtype) && (result.evaluation.tensors.empty() || result.evaluation.tensors.back() != place))
            result.evaluation.tensors.push_back(place);
    return result;
}

inline differences_options bit_differences_options(const bit_selection_job& job)
{
    differences_options result{.method = job.options.curvature ? difference_method::central : difference_method::forward,
                               .step = job.options.step,
                               .evaluation = job.options.evaluation};
    result.evaluation.tensors.clear();
    for (std::size_t t = 0; t < job.tensors.size(); ++t)
        for (const bit_score& sampled : job.samples[t])
            result.positions.push_back({job.places[t], sampled.flat});
    return result;
}

}  // namespace weightscope::detail
