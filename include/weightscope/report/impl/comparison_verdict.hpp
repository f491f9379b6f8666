#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bool relation_counts::only(std::initializer_list<layer_relation> relations) const
{
    std::size_t count = 0;
    for (const layer_relation relation : relations)
        count += of(relation);
    return count == all;
}

WEIGHTSCOPE_INLINE bool counts(const compared_layer& layer)
{
    return layer.counted_with.empty() && layer.parameters > 0;
}

inline bool is_compared_matrix(const compared_layer& layer)
{
    return layer.shape.size() >= 2 && layer.weights && layer.weights->cosine_similarity.exists();
}

WEIGHTSCOPE_INLINE void add_up(comparison_result& r)
{
    double cosine = 0, weight = 0, distance = 0, norm = 0;
    for (const compared_layer& layer : r.layers) {
        if (!counts(layer) || !layer.weights || !layer.weights->l2_distance.exists())
            continue;
        const compare_weights_result& w = *layer.weights;
        const double d = w.l2_distance.value;
        distance += d * d;
        if (w.relative_l2_distance.exists() && w.relative_l2_distance.value > 0)
            norm += (d / w.relative_l2_distance.value) * (d / w.relative_l2_distance.value);
        else
            norm += layer.relation == layer_relation::identical || layer.relation == layer_relation::cast ? 1 : 0;
        if (is_compared_matrix(layer)) {
            cosine += static_cast<double>(layer.parameters) * w.cosine_similarity.value;
            weight += static_cast<double>(layer.parameters);
        }
    }
    r.cosine_similarity = weight > 0 ? metric(cosine / weight) : metric::missing("no matrices");
    r.relative_l2_distance = distance == 0 ? metric(0) : norm > 0 ? metric(std::sqrt(distance / norm)) : metric::missing("all zero");
}

inline std::size_t matched_parameters(const comparison_result& r)
{
    std::size_t sum = 0;
    for (const compared_layer& layer : r.layers)
        if (counts(layer) && layer.relation != layer_relation::resized)
            sum += layer.parameters;
    return sum;
}

WEIGHTSCOPE_INLINE model_relation relation_of(const comparison_result& r, const relation_counts& n, double matched)
{
    using enum layer_relation;
    if (matched < r.thresholds.matched_fraction || n.all == 0)
        return model_relation::different;
    if (n.of(unknown) == n.all) {
        const bool same = std::all_of(r.layers.begin(), r.layers.end(), [](const compared_layer& layer) {
            return layer.scans
                   && std::all_of(layer.scans->figures.begin(), layer.scans->figures.end(), [](const figure_pair& f) {
                          return f.a.exists() == f.b.exists() && (!f.a.exists() || f.a.value == f.b.value);
                      });
        });
        return same ? model_relation::same_figures : model_relation::undecided;
    }
    if (n.only({identical}))
        return model_relation::identical;
    if (n.only({identical, cast}))
        return model_relation::dtype_cast;
    if (r.cosine_similarity.exists() && r.cosine_similarity.value < r.thresholds.related_cosine)
        return model_relation::unrelated;
    if (n.of(quantized) > 0 && n.only({identical, cast, quantized}))
        return model_relation::quantized_copy;
    if (n.of(pruned) > 0 && n.only({identical, cast, pruned}))
        return model_relation::pruned_copy;
    const bool full_rank = std::any_of(r.layers.begin(), r.layers.end(), [](const compared_layer& layer) {
        return counts(layer) && layer.shape.size() >= 2 && layer.relation != identical && layer.relation != cast
               && layer.relation != low_rank_update;
    });
    return n.of(low_rank_update) > 0 && !full_rank ? model_relation::adapter : model_relation::fine_tune;
}

inline std::string share_text(std::size_t part, std::size_t whole)
{
    return fmt::format("{} of {}", grouped(part), grouped(whole));
}

inline void explain_layers(comparison_result& r, const relation_counts& n)
{
    std::string text;
    for (std::size_t i = 0; i < std::size(n.layers); ++i)
        if (n.layers[i] > 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(n.layers[i]),
                                i == 5 ? std::string("updated in few directions") : std::string(to_string(static_cast<layer_relation>(i))));
    if (!text.empty())
        r.evidence.push_back(fmt::format("Of {} matched layers: {}.", grouped(n.all), text));
}

}  // namespace detail

WEIGHTSCOPE_INLINE void decide_relation_inplace(comparison_result& r)
{
    using namespace detail;
    relation_counts n;
    for (const compared_layer& layer : r.layers)
        if (counts(layer)) {
            ++n.layers[static_cast<std::size_t>(layer.relation)];
            ++n.all;
        }
    add_up(r);
    const std::size_t shared = matched_parameters(r), larger = std::max<std::size_t>({r.a.parameters, r.b.parameters, 1});
    r.relation = relation_of(r, n, static_cast<double>(shared) / static_cast<double>(larger));
    r.evidence.clear();
    explain_layers(r, n);
    if (shared < larger)
        r.evidence.push_back(fmt::format("{} parameters are matched in shape.", share_text(shared, larger)));
    if (r.cosine_similarity.exists() && r.relation != model_relation::identical)
        r.evidence.push_back(fmt::format("The matrices' cosine is {}, the distance {} of the norm.", figure(r.cosine_similarity),
                                         figure(r.relative_l2_distance)));
    if (r.a.weights && r.b.weights && r.a.files != r.b.files)
        r.evidence.push_back(fmt::format("A lies in {} file{}, B in {}.", r.a.files, r.a.files == 1 ? "" : "s", r.b.files));
    std::size_t renamed = 0;
    for (const compared_layer& layer : r.layers)
        renamed += layer.name != layer.name_b;
    if (renamed > 0)
        r.evidence.push_back(fmt::format("{} have other names.", share_text(renamed, r.layers.size())));
    for (const auto& [side, list] : {std::pair{"A", &r.only_in_a}, std::pair{"B", &r.only_in_b}}) {
        const auto lost = static_cast<std::size_t>(
            std::count_if(list->begin(), list->end(), [](const unmatched_tensor& t) { return t.equal_to.empty(); }));
        if (lost > 0)
            r.evidence.push_back(fmt::format("{} tensor{} only in {}.", grouped(lost), lost == 1 ? " is" : "s are", side));
        if (list->size() > lost)
            r.evidence.push_back(fmt::format("{} of {} stand{} for weights that it holds under another name.", grouped(list->size() - lost), side,
                                             list->size() - lost == 1 ? "s" : ""));
    }
}

WEIGHTSCOPE_INLINE std::vector<const compared_layer*> most_changed_layers(const comparison_result& r, std::size_t limit)
{
    std::vector<std::pair<double, const compared_layer*>> ranked;
    for (const compared_layer& layer : r.layers) {
        const metric score = layer.weights ? layer.weights->relative_l2_distance
                             : layer.scans ? layer.scans->change_score
                                           : metric::missing("not compared");
        const double value = score.exists() ? score.value : layer.weights && layer.weights->l2_distance.value > 0 ? HUGE_VAL : 0;
        if (detail::counts(layer) && value > 0)
            ranked.emplace_back(value, &layer);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
    std::vector<const compared_layer*> layers;
    for (std::size_t i = 0; i < std::min(limit, ranked.size()); ++i)
        layers.push_back(ranked[i].second);
    return layers;
}

}  // namespace weightscope
