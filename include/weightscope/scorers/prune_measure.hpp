#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_sources.hpp>

namespace weightscope::detail {

// Loss, figures and outputs of the model with zeros where masks say so.
inline prune_quality measure_quality(const prune_evaluator& e, const model& m, const model_masks* masks, progress_reporter& reporter)
{
    prune_quality result;
    if (!e)
        return result;
    any_evaluator& evaluator = *e.evaluator;
    loss_value sum;
    {
        weight_patch patch(evaluator);
        if (masks)
            apply_masks(patch, evaluator, m, *masks);
        for (std::size_t batch = 0; batch < evaluator.batch_count(); ++batch) {
            const loss_value loss = evaluator.loss(batch);
            sum.sum += loss.sum;
            sum.count += loss.count;
            reporter.finished("losses", 1);
        }
        if (e.figures)
            result.figures = e.figures();
        patch.restore();
    }
    result.loss = sum.count > 0 ? metric(sum.mean()) : metric::missing("nothing was counted");
    result.perplexity = result.loss.exists() ? metric(std::exp(result.loss.value)) : result.loss;
    if (!e.outputs || !masks)
        return result;
    output_comparer comparer;
    for (std::size_t batch = 0; batch < evaluator.batch_count(); ++batch) {
        const model_outputs before = e.outputs(batch);
        weight_patch patch(evaluator);
        apply_masks(patch, evaluator, m, *masks);
        const model_outputs after = e.outputs(batch);
        patch.restore();
        comparer.add(before, after);
        reporter.finished("outputs", 2);
    }
    const output_comparison found = comparer.result();
    result.kl_divergence = found.kl_divergence;
    result.top1_agreement = found.top1_agreement;
    return result;
}

// Calls of losses that measuring one model takes, roughly.
inline std::size_t measuring_cost(const prune_evaluator& e, bool changed)
{
    return e ? e.evaluator->batch_count() * (e.outputs && changed ? 3 : 1) : 0;
}

// How alike two choices are: what both remove over what one of them removes.
inline metric overlap_of(const model_masks& a, const model_masks& b)
{
    std::size_t both = 0, either = 0;
    for (std::size_t t = 0; t < a.size(); ++t) {
        const auto x = a[t].words(), y = b[t].words();
        for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
            const std::uint64_t p = i < x.size() ? x[i] : 0, q = i < y.size() ? y[i] : 0;
            both += static_cast<std::size_t>(std::popcount(p & q));
            either += static_cast<std::size_t>(std::popcount(p | q));
        }
    }
    return either > 0 ? metric(static_cast<double>(both) / static_cast<double>(either)) : metric::missing("nothing is removed");
}

// The most memory that the process had since the meter was made, where the system tells.
class memory_meter
{
public:
    memory_meter()
    {
        if (std::FILE* const file = std::fopen("/proc/self/clear_refs", "we")) {
            counts_ = std::fputs("5", file) >= 0;
            std::fclose(file);
        }
    }

    metric peak() const
    {
        const auto close = [](std::FILE* file) { std::fclose(file); };
        const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen("/proc/self/status", "re"), close);
        char line[256];
        while (counts_ && file && std::fgets(line, sizeof line, file.get())) {
            unsigned long long kibibytes = 0;
            if (std::sscanf(line, "VmHWM: %llu kB", &kibibytes) == 1)
                return metric(static_cast<double>(kibibytes) * 1024);
        }
        return metric::missing("the system does not tell");
    }

private:
    bool counts_ = false;
};

}  // namespace weightscope::detail
