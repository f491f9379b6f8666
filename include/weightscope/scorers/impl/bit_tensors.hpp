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
#include <fmt/ranges.h>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_tensors.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<unsigned> bits_outside(const bit_view& view, const bit_tensor& tensor, std::size_t element, double radius)
{
    const std::size_t first = element / tensor.weights() * tensor.weights();
    std::vector<double> values(tensor.weights()), flipped(tensor.weights());
    view.values(first, values);
    std::vector<unsigned> result;
    for (const unsigned bit : tensor.bits) {
        view.flipped(first, tensor.part, bit, flipped);
        bool outside = false;
        for (std::size_t i = 0; i < values.size(); ++i)
            outside = outside || !(std::fabs(flipped[i] - values[i]) <= radius);
        if (outside)
            result.push_back(bit);
    }
    return result;
}

WEIGHTSCOPE_INLINE std::size_t most_changed_weight(const bit_view& view, const bit_tensor& tensor, std::size_t element, int bit)
{
    const std::size_t first = element / tensor.weights() * tensor.weights();
    std::vector<double> values(tensor.weights()), flipped(tensor.weights(), 0.0);
    view.values(first, values);
    if (bit >= 0)
        view.flipped(first, tensor.part, static_cast<unsigned>(bit), flipped);
    std::size_t most = 0;
    for (std::size_t i = 1; i < values.size(); ++i)
        if (std::fabs(flipped[i] - values[i]) > std::fabs(flipped[most] - values[most]))
            most = i;
    return first + most;
}

inline void require_bit_parts(const std::vector<std::string>& parts, const char* caller)
{
    for (const std::string& part : parts)
        require(part == "code" || part == "scale" || part == "min" || part == "sub_scale" || part == "sub_min",
                "{}: options.parts: there is no part '{}', expected code, scale, min, sub_scale or sub_min", caller, printable(part));
}

WEIGHTSCOPE_INLINE std::vector<bit_tensor> chosen_bit_tensors(const bit_sources& sources, const select_bits_options& options, bit_selection& result,
                                                              const char* caller)
{
    const bit_set set = parse_bit_set(options.bits);
    require_bit_parts(options.parts, caller);
    result.bits = set.name;
    result.passed_over = sources.passed_over;
    std::vector<bit_tensor> tensors;
    bool biased = false;
    std::size_t number = 0;
    for (const bit_source& source : sources.tensors) {
        if (options.takes && !options.takes(source.name))
            continue;
        if (!options.allow_bias && source.name.ends_with(".bias")) {
            biased = true;
            continue;
        }
        const std::size_t before = tensors.size();
        bool wanted = false;
        for (std::size_t part = 0; part < source.parts.size(); ++part) {
            if (!options.parts.empty() && std::find(options.parts.begin(), options.parts.end(), source.parts[part].name) == options.parts.end())
                continue;
            wanted = true;
            std::vector<unsigned> bits = bits_in(set, source.parts[part].layout);
            if (!bits.empty())
                tensors.push_back({&source, std::move(bits), part, number});
        }
        ++number;
        if (tensors.size() == before) {
            result.passed_over.push_back(wanted ? fmt::format("{} ({}): has none of the bits '{}'", printable(source.name), printable(source.storage), set.name)
                                                : fmt::format("{} ({}): has no {}", printable(source.name), printable(source.storage),
                                                              fmt::join(options.parts, " or ")));
        }
    }
    require(!tensors.empty(), "{}: no tensor is left that has bits to choose from{}", caller,
            biased ? "; biases are passed over unless options.allow_bias is set" : "");
    return tensors;
}

WEIGHTSCOPE_INLINE void count_bit_tensors(const std::vector<bit_tensor>& tensors, bit_selection& result)
{
    const bit_source* last = nullptr;
    result.tensor_count = 0;
    result.weight_count = 0;
    for (const bit_tensor& tensor : tensors) {
        if (tensor.source == last)
            continue;
        last = tensor.source;
        ++result.tensor_count;
        result.weight_count += last->size;
    }
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> match_bit_tensors(const any_evaluator& evaluator, std::vector<bit_tensor>& tensors, bit_selection& result,
                                                              const char* caller)
{
    std::map<std::string_view, std::size_t> by_name;
    for (std::size_t t = 0; t < evaluator.weights().size(); ++t)
        by_name.emplace(evaluator.weights()[t].name, t);
    std::vector<bit_tensor> kept;
    std::vector<std::size_t> places;
    for (bit_tensor& tensor : tensors) {
        const auto found = by_name.find(tensor.source->name);
        if (found == by_name.end() || evaluator.weights()[found->second].size() != tensor.source->size) {
            std::string reason = fmt::format("{} ({}): takes no part in what the evaluator runs", printable(tensor.source->name),
                                             printable(tensor.source->storage));
            if (result.passed_over.empty() || result.passed_over.back() != reason)  // another part of the same tensor
                result.passed_over.push_back(std::move(reason));
            continue;
        }
        places.push_back(found->second);
        kept.push_back(std::move(tensor));
    }
    tensors = std::move(kept);
    require(!tensors.empty(), "{}: the evaluator has none of the tensors under their names", caller);
    return places;
}

WEIGHTSCOPE_INLINE void draw_outside_bits(const std::vector<bit_tensor>& tensors, const std::vector<double>& radii,
                                          const select_bits_options& options, bit_selection& result)
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
    std::uint64_t all = 0;
    for (const bit_tensor& tensor : tensors)
        all += tensor.count();
    std::vector<std::pair<std::size_t, std::size_t>> drawn;
    for (std::size_t attempt = 0; drawn.size() < options.outside_w && attempt < 64 * options.outside_w; ++attempt) {
        auto number = static_cast<std::uint64_t>(random.uniform(attempt, 0) * static_cast<double>(all));
        std::size_t t = 0;
        while (number >= tensors[t].count())
            number -= tensors[t++].count();
        const bit_tensor& tensor = tensors[t];
        const std::size_t first = static_cast<std::size_t>(number) * tensor.weights();
        const bool known = std::find(drawn.begin(), drawn.end(), std::pair(t, first)) != drawn.end()
                        || std::any_of(result.candidates.begin(), result.candidates.end(), [&](const bit_candidate& c) {
                               return c.name == tensor.source->name && c.part == tensor.part_name() && c.flat / tensor.weights() == number;
                           });
        std::vector<double> values(tensor.weights());
        view_of(t).values(first, values);
        const bool finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
        if (!known && finite && !bits_outside(view_of(t), tensor, first, radii[t]).empty())
            drawn.emplace_back(t, first);
    }
    std::sort(drawn.begin(), drawn.end());
    for (const auto& [t, first] : drawn) {
        bit_candidate c{.name = tensors[t].source->name,
                        .flat = most_changed_weight(view_of(t), tensors[t], first, -1),
                        .score = std::numeric_limits<double>::quiet_NaN(),
                        .drawn = true,
                        .part = tensors[t].part_name(),
                        .tensor = tensors[t].number};
        view_of(t).values(c.flat, std::span(&c.value, 1));
        c.outside_taylor = bits_outside(view_of(t), tensors[t], first, radii[t]);
        result.candidates.push_back(std::move(c));
    }
}

}  // namespace weightscope::detail
