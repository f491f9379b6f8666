#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/prune_method.hpp>
#include <weightscope/scorers/scorer.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE importance_needs prune_method::needs() const
{
    importance_needs all;
    for (const part& p : parts) {
        const importance_needs one = needs_of(p.method);
        all.gradients = all.gradients || one.gradients;
        all.curvature = all.curvature || one.curvature;
        all.activations = all.activations || one.activations;
    }
    return score == prune_score::weights || score == prune_score::screening ? all : importance_needs{};
}

WEIGHTSCOPE_INLINE prune_method parse_prune_method(std::string_view text)
{
    constexpr const char* known = "magnitude, taylor, taylor_2nd, taylor_2nd_signed, wanda, random, ablation, probe, screening, "
                                  "auto, mixed, or a mixture such as mixed:taylor+0.5*wanda";
    prune_method result{.name = std::string(text)};
    if (text == "ablation" || text == "probe" || text == "auto") {
        result.score = text == "ablation" ? prune_score::ablation : text == "probe" ? prune_score::probe : prune_score::automatic;
        return result;
    }
    if (const auto method = parse_importance_method(text)) {
        result.parts = {{*method, 1}};
        return result;
    }
    if (text == "screening" || text.starts_with("screening:")) {
        const std::string_view by = text == "screening" ? "taylor" : text.substr(10);
        prune_method cheap = parse_prune_method(by);
        require(cheap.score == prune_score::weights, "parse_prune_method(text): '{}' screens by '{}', which is no score of weights", printable(text),
                printable(by));
        return {.name = std::string(text), .score = prune_score::screening, .parts = std::move(cheap.parts)};
    }
    if (text == "mixed") {
        result.parts = {{importance_method::taylor, 1}, {importance_method::wanda, 1}};
        return result;
    }
    require(text.starts_with("mixed:"), "parse_prune_method(text): '{}' is no method, expected {}", printable(text), known);
    result.parts.clear();
    std::string_view rest = text.substr(6);
    while (true) {
        std::string_view term = rest.substr(0, rest.find('+'));
        rest.remove_prefix(std::min(rest.size(), term.size() + 1));
        prune_method::part part;
        if (const std::size_t star = term.find('*'); star != std::string_view::npos) {
            const auto [end, error] = std::from_chars(term.data(), term.data() + star, part.weight);
            require(error == std::errc() && end == term.data() + star && part.weight > 0 && part.weight < 1e100,
                    "parse_prune_method(text): '{}' has the weight '{}', expected a number above 0", printable(text), printable(term.substr(0, star)));
            term.remove_prefix(star + 1);
        }
        const auto method = parse_importance_method(term);
        require(method.has_value(), "parse_prune_method(text): '{}' mixes '{}', which is no score of weights", printable(text), printable(term));
        part.method = *method;
        result.parts.push_back(part);
        if (rest.empty())
            break;
    }
    return result;
}

}  // namespace weightscope
