#pragma once

#include <cmath>
#include <cstddef>
#include <set>
#include <span>
#include <string>

#include <weightscope/core/metric.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope::detail {

// Gathers from the scores of one tensor after the other, each counted once, what they were made of and how sure they are.
class evidence_gatherer
{
public:
    void add(std::size_t tensor, const importance_result& result)
    {
        if (result.scores.empty() || !tensors_.insert(tensor).second)
            return;
        merge_origin(origin_, result.origin);
        if (!result.relative_standard_error.exists()) {
            reason_ = result.relative_standard_error.reason;
            return;
        }
        double squares = 0;
        for (const double score : result.scores)
            squares += score == score ? score * score : 0;
        const double relative = result.relative_standard_error.value;
        squares_ += squares;
        errors_ += relative * relative * squares;
    }

    // Tells a trial; whose scores compete stands there already.
    void tell(prune_evidence& evidence) const
    {
        evidence.source = origin_.source;
        evidence.batches = origin_.batches;
        evidence.samples = origin_.samples;
        evidence.relative_standard_error = !reason_.empty() ? metric::missing(reason_)
                                           : squares_ > 0   ? metric(std::sqrt(errors_ / squares_))
                                                            : metric::missing("all scores are 0");
    }

private:
    std::set<std::size_t> tensors_ = {};
    importance_origin origin_ = {};
    double squares_ = 0, errors_ = 0;
    std::string reason_ = {};  // why some tensor has no standard errors
};

// √(Σ error² / Σ score²) over the groups that have both.
inline metric relative_error_of(std::span<const double> importance, std::span<const double> errors)
{
    double squares = 0, variance = 0;
    for (std::size_t i = 0; i < errors.size(); ++i)
        if (errors[i] == errors[i] && importance[i] == importance[i]) {
            squares += importance[i] * importance[i];
            variance += errors[i] * errors[i];
        }
    return squares > 0 ? metric(std::sqrt(variance / squares)) : metric::missing("all scores are 0");
}

}  // namespace weightscope::detail
