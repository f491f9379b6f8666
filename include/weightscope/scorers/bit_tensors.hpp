#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

// The chosen bits whose flip leaves the trust radius.
inline std::vector<unsigned> bits_outside(const bit_view& view, std::size_t element, double value, const std::vector<unsigned>& bits, double radius)
{
    std::vector<unsigned> result;
    for (const unsigned bit : bits) {
        double flipped = 0;
        view.flipped(element, bit, std::span(&flipped, 1));
        if (!(std::fabs(flipped - value) <= radius))
            result.push_back(bit);
    }
    return result;
}

// One of the tensors that bits are chosen from.
struct bit_tensor
{
    const bit_source* source = nullptr;
    std::vector<unsigned> bits = {};
};

// Those that the names leave and that have the bits.
inline std::vector<bit_tensor> chosen_bit_tensors(const bit_sources& sources, const select_bits_options& options, bit_selection& result, const char* caller)
{
    const bit_set set = parse_bit_set(options.bits);
    result.bits = set.name;
    result.passed_over = sources.passed_over;
    std::vector<bit_tensor> tensors;
    bool biased = false;
    for (const bit_source& source : sources.tensors) {
        if (options.takes && !options.takes(source.name))
            continue;
        if (!options.allow_bias && source.name.ends_with(".bias")) {
            biased = true;
            continue;
        }
        std::vector<unsigned> bits = bits_in(set, source.layout);
        if (bits.empty()) {
            result.passed_over.push_back(fmt::format("{} ({}): has none of the bits '{}'", printable(source.name), printable(source.storage), set.name));
            continue;
        }
        result.weight_count += source.size;
        tensors.push_back({&source, std::move(bits)});
    }
    result.tensor_count = tensors.size();
    require(!tensors.empty(), "{}: no tensor is left that has bits to choose from{}", caller,
            biased ? "; biases are passed over unless options.allow_bias is set" : "");
    return tensors;
}

// Where the tensors are in an evaluator; those that it has not are dropped.
inline std::vector<std::size_t> match_bit_tensors(const any_evaluator& evaluator, std::vector<bit_tensor>& tensors, bit_selection& result, const char* caller)
{
    std::map<std::string_view, std::size_t> by_name;
    for (std::size_t t = 0; t < evaluator.weights().size(); ++t)
        by_name.emplace(evaluator.weights()[t].name, t);
    std::vector<bit_tensor> kept;
    std::vector<std::size_t> places;
    for (bit_tensor& tensor : tensors) {
        const auto found = by_name.find(tensor.source->name);
        if (found == by_name.end() || evaluator.weights()[found->second].size() != tensor.source->size) {
            result.passed_over.push_back(
                fmt::format("{} ({}): takes no part in what the evaluator runs", printable(tensor.source->name), printable(tensor.source->storage)));
            result.weight_count -= tensor.source->size;
            continue;
        }
        places.push_back(found->second);
        kept.push_back(std::move(tensor));
    }
    tensors = std::move(kept);
    result.tensor_count = tensors.size();
    require(!tensors.empty(), "{}: the evaluator has none of the tensors under their names", caller);
    return places;
}

// Draws weights that have a bit outside of the radius, any of them with the same probability.
inline void draw_outside_bits(const std::vector<bit_tensor>& tensors, const std::vector<double>& radii, const select_bits_options& options,
                              bit_selection& result)
{
    if (options.outside_w == 0)
        return;
    const counter_random random(options.evaluation.seed, "bits outside", "");
    std::vector<std::unique_ptr<bit_view>> views(tensors.size());
    const auto view_of = [&](std::size_t t) -> const bit_view& {
        if (!views[t])
            views[t] = tensors[t].source->open();
        return *views[t];
    };
    std::vector<std::pair<std::size_t, std::size_t>> drawn;
    for (std::size_t attempt = 0; drawn.size() < options.outside_w && attempt < 64 * options.outside_w; ++attempt) {
        auto element = static_cast<std::uint64_t>(random.uniform(attempt, 0) * static_cast<double>(result.weight_count));
        std::size_t t = 0;
        while (element >= tensors[t].source->size)
            element -= tensors[t++].source->size;
        const std::pair<std::size_t, std::size_t> place(t, static_cast<std::size_t>(element));
        const std::string& name = tensors[t].source->name;
        const bool known = std::find(drawn.begin(), drawn.end(), place) != drawn.end()
                        || std::any_of(result.candidates.begin(), result.candidates.end(),
                                       [&](const bit_candidate& c) { return c.flat == element && c.name == name; });
        double value = 0;
        view_of(t).values(place.second, std::span(&value, 1));
        if (!known && std::isfinite(value) && !bits_outside(view_of(t), place.second, value, tensors[t].bits, radii[t]).empty())
            drawn.push_back(place);
    }
    std::sort(drawn.begin(), drawn.end());
    for (const auto& [t, element] : drawn) {
        bit_candidate c{.name = tensors[t].source->name, .flat = element, .score = std::numeric_limits<double>::quiet_NaN(), .drawn = true};
        view_of(t).values(element, std::span(&c.value, 1));
        c.outside_taylor = bits_outside(view_of(t), element, c.value, tensors[t].bits, radii[t]);
        result.candidates.push_back(std::move(c));
    }
}

}  // namespace weightscope::detail
