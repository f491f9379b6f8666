#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/described_model.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

// Place of a scheme among those that a study measures, the next one if it is new.
inline std::size_t index_of(std::vector<scheme>& schemes, const scheme& wanted)
{
    const auto found = std::find(schemes.begin(), schemes.end(), canonical(wanted));
    const auto index = static_cast<std::size_t>(found - schemes.begin());
    if (found == schemes.end())
        schemes.push_back(canonical(wanted));
    return index;
}

// The group sizes of a search, largest first, as schemes.
inline std::vector<std::size_t> group_ladder(std::vector<scheme>& schemes, std::vector<std::size_t> sizes, int bits)
{
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    std::vector<std::size_t> ladder;
    for (const std::size_t size : sizes)
        ladder.push_back(index_of(schemes, {.bits = bits, .granularity = scale_granularity::per_group, .group_size = size}));
    return ladder;
}

// What a study does besides its variants.
struct study_ladders
{
    std::vector<std::size_t> groups = {};       // searched
    std::vector<std::size_t> progressive = {};  // INT8 first, then smaller codes
};

inline study_ladders make_ladders(std::vector<scheme>& schemes, const quantization_study_options& options)
{
    study_ladders ladders;
    ladders.groups = group_ladder(schemes, options.search_groups, options.search_bits);
    if (options.max_error) {
        ladders.progressive = ladders.groups.empty() ? group_ladder(schemes, {128, 64, 32}, options.search_bits) : ladders.groups;
        ladders.progressive.insert(ladders.progressive.begin(),
                                   index_of(schemes, {.bits = 8, .granularity = scale_granularity::per_channel}));
    }
    return ladders;
}

// A study that has measured nothing yet.
struct begun_study
{
    quantization_study_result study = {};
    std::vector<located_layer> layers = {};  // where those of the study are
    study_ladders ladders = {};
};

inline begun_study begin_study(const model& m, const quantization_study_options& options)
{
    begun_study begun;
    begun.layers = locate_layers(m, options);  // may throw: g++ 12 would then destroy what a list of initialisers has not made yet
    quantization_study_result& study = begun.study;
    study.settings = options;
    study.model = describe(m);
    for (const study_variant& variant : options.variants) {
        (void)index_of(study.schemes, variant.normal);
        if (!variant.sensitive_layers.empty())
            (void)index_of(study.schemes, variant.sensitive);
    }
    begun.ladders = make_ladders(study.schemes, options);
    require_fit(study.schemes, begun.layers);
    for (const located_layer& one : begun.layers) {
        const study_layer& layer = study.layers.emplace_back(one.layer);
        if (layer.first && study.first_layer.empty())
            study.first_layer = layer.name;
        if (layer.last)
            study.last_layer = layer.name;
    }
    return begun;
}

inline variant_result apply_variant(quantization_study_result& study, const study_variant& variant)
{
    const std::size_t normal = index_of(study.schemes, variant.normal);
    const std::size_t sensitive = variant.sensitive_layers.empty() ? normal : index_of(study.schemes, variant.sensitive);
    const name_filter filter({.include = variant.sensitive_layers});
    return make_variant(study, variant.name, variant.skip_first_last, [&](const study_layer& layer, std::size_t) {
        const bool is_sensitive = !variant.sensitive_layers.empty() && filter.takes(layer.name);
        return layer_pick{.scheme = is_sensitive ? sensitive : normal, .reason = is_sensitive ? "sensitive" : ""};
    });
}

// Copies of a tensor follow the layer that was measured.
inline void follow_first(quantization_study_result& study, const std::vector<located_layer>& layers)
{
    for (std::size_t i = 0; i < layers.size(); ++i)
        if (layers[i].alike != i && study.layers[i].kept.empty()) {
            study.layers[i].figures = study.layers[layers[i].alike].figures;
            study.layers[i].error = study.layers[layers[i].alike].error;
        }
}

inline variant_result search_variant(quantization_study_result& study, const std::vector<located_layer>& layers,
                                     const std::vector<std::size_t>& ladder)
{
    const quantization_study_options& options = study.settings;
    const std::string name = fmt::format("int{}-searched-groups", options.search_bits);
    if (options.max_error)
        return make_variant(study, name, options.skip_first_last, [&](const study_layer& layer, std::size_t) {
            layer_pick pick = pick_within(layer, ladder, options);
            if (pick.scheme == kept_as_stored)
                pick.scheme = ladder.back();  // the search is for a group size
            return pick;
        });
    const std::vector<std::size_t> chosen = share_out_groups(study, ladder, options.skip_first_last);
    return make_variant(study, name, options.skip_first_last, [&](const study_layer& layer, std::size_t i) {
        const std::size_t s = chosen[layers[i].alike];
        return layer_pick{.scheme = s, .reason = figure_text(layer.figures[s].error, options.error_metric)};
    });
}

inline void judge_knobs(quantization_study_result& study)
{
    const auto& variants = study.settings.variants;
    for (std::size_t a = 0; a < variants.size(); ++a) {
        for (std::size_t b = a + 1; b < variants.size(); ++b) {
            const std::string knob = only_difference(variants[a], variants[b]);
            const bool shrinks = study.variants[b].bytes <= study.variants[a].bytes;
            if (!knob.empty())
                study.knobs.push_back(compare_knob(knob, study.variants[shrinks ? a : b], study.variants[shrinks ? b : a]));
        }
        study_variant twin = variants[a];
        twin.skip_first_last = !twin.skip_first_last;
        variant_result other = apply_variant(study, twin);
        if (const variant_result& own = study.variants[a]; other.quantized_count != own.quantized_count) {
            const std::string change = twin.skip_first_last ? " without the first and the last layer" : " with the first and the last layer";
            other.name += change;
            study.knobs.push_back(compare_knob("first and last layer", own, other));
        }
        if (variants[a].sensitive_layers.empty() || variants[a].normal == variants[a].sensitive)
            continue;
        study_variant plain = variants[a];
        plain.sensitive_layers.clear();
        variant_result without = apply_variant(study, plain);
        without.name += " without sensitive layers";
        study.knobs.push_back(compare_knob("sensitive layers", study.variants[a], without));
    }
    sort_knobs(study.knobs);
}

}  // namespace weightscope::detail
