#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/scorer.hpp>

namespace weightscope {

/// Where the scores of a way to prune come from.
enum class prune_score
{
    weights,   ///< scores of weights, added up over a group where groups go
    ablation,  ///< each group is set to 0, and the loss measured
    probe,     ///< each group is scaled a little up and down: both orders of the Taylor series along it
    screening, ///< a score of weights chooses candidates, of which those that matter least are found by setting them to 0
    automatic, ///< the one of several that foretells best what happens, for attention and feed-forward parts apart
};

/// A way to prune.
struct prune_method
{
    struct part
    {
        importance_method method = importance_method::magnitude;
        double weight = 1;
    };
    std::string name = "magnitude";
    prune_score score = prune_score::weights;
    std::vector<part> parts = {{}};  ///< of prune_score::weights and screening: more than one are mixed, each divided by its mean

    /// What it cannot do without.
    [[nodiscard]] importance_needs needs() const;
};

/// Reads "magnitude", "taylor", "taylor_2nd", "taylor_2nd_signed", "wanda", "random", "ablation", "probe", "auto", "screening" (of what
/// Taylor says; "screening:magnitude" of what magnitude says), "mixed" (Taylor and Wanda), or a mixture with weights:
/// "mixed:taylor+0.5*wanda".
///
/// @throws std::invalid_argument  the text is none of these
[[nodiscard]] WEIGHTSCOPE_INLINE prune_method parse_prune_method(std::string_view text);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/prune_method.hpp>
#endif
