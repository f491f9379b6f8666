#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/analyzers/expected_seconds.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/schedule.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_figures.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/study/layer_relation.hpp>
#include <weightscope/study/model_comparison.hpp>
#include <weightscope/study/scan_tensor.hpp>
#include <weightscope/study/tensor_matching.hpp>

namespace weightscope {

namespace detail {

// What is known about one side, in model order.
struct side_tensors
{
    std::vector<named_tensor> tensors;      // empty where there is only a scan
    std::vector<matchable_tensor> matchables;
    std::vector<std::string> same_as;       // earlier tensor with the same weights
    std::vector<std::string> dtypes;
    std::map<std::string, const layer_result*> layers;
};

inline side_tensors tensors_of(const comparison_side& side, const compare_models_options& options)
{
    side_tensors result;
    if (side.weights) {
        result.tensors = chosen_tensors(*side.weights, {.include = options.include, .exclude = options.exclude, .restrict_to = options.restrict_to});
        std::erase_if(result.tensors, [](const named_tensor& t) { return !t.part_of.empty(); });
        const std::vector<std::size_t> first = find_duplicates(result.tensors);
        for (std::size_t i = 0; i < result.tensors.size(); ++i) {
            const named_tensor& t = result.tensors[i];
            result.matchables.push_back({t.name, t.shape, &t});
            result.same_as.push_back(!t.tied_to.empty() ? t.tied_to : first[i] != i ? result.tensors[first[i]].name : "");
            result.dtypes.push_back(t.storage());
        }
    }
    if (!side.scan)
        return result;
    const name_filter filter({.include = options.include, .exclude = options.exclude, .restrict_to = options.restrict_to});
    for (const layer_result& layer : side.scan->layers) {
        if (!filter.takes(layer.name))
            continue;
        result.layers.emplace(layer.name, &layer);
        if (side.weights)
            continue;
        result.matchables.push_back({layer.name, layer.shape, nullptr});
        result.same_as.push_back(layer.tied_to.empty() ? layer.duplicate_of : layer.tied_to);
        result.dtypes.push_back(layer.dtype);
    }
    return result;
}

inline std::size_t product_of(const std::vector<std::size_t>& shape)
{
    std::size_t product = 1;
    for (const std::size_t extent : shape)
        product *= extent;
    return product;
}

inline compared_model describe_side(const comparison_side& side, const side_tensors& all)
{
    compared_model result{.weights = side.weights != nullptr, .tensors = all.matchables.size()};
    result.path = side.weights ? side.weights->path.string() : side.scan->model.path;
    result.format = side.weights ? side.weights->format : side.scan->model.format;
    std::set<const void*> files;
    for (const named_tensor& t : all.tensors) {
        files.insert(t.file.get());
        result.bytes += t.tied_to.empty() ? t.stored_bytes() : 0;
    }
    if (!side.weights)
        result.bytes = side.scan->model.bytes;
    result.files = files.size();
    for (std::size_t i = 0; i < all.matchables.size(); ++i)
        result.parameters += all.same_as[i].empty() ? product_of(all.matchables[i].shape) : 0;
    return result;
}

// What no tensor of the other side was found for.
inline std::vector<unmatched_tensor> unmatched(const side_tensors& side, const std::set<std::size_t>& matched)
{
    std::map<std::string, std::string> held;  // a group of equal tensors -> one of them that is matched
    const auto group = [&](std::size_t i) { return side.same_as[i].empty() ? side.matchables[i].name : side.same_as[i]; };
    for (const std::size_t i : matched)
        held.emplace(group(i), side.matchables[i].name);
    std::vector<unmatched_tensor> result;
    for (std::size_t i = 0; i < side.matchables.size(); ++i)
        if (!matched.contains(i)) {
            const auto other = held.find(group(i));
            result.push_back({.name = side.matchables[i].name,
                              .shape = side.matchables[i].shape,
                              .dtype = side.dtypes[i],
                              .parameters = product_of(side.matchables[i].shape),
                              .equal_to = other == held.end() ? "" : other->second});
        }
    return result;
}

inline std::vector<layer_change> changes_of(const comparison_result& r)
{
    std::vector<layer_change> changes = {{.cosine_similarity = r.cosine_similarity}};
    const bool related = r.relation != model_relation::unrelated && r.relation != model_relation::different;
    for (const compared_layer& layer : r.layers) {
        if (!counts(layer))
            continue;
        layer_change c{.name = layer.name, .removed = layer.relation == layer_relation::resized ? 1.0 : 0.0};
        if (layer.weights) {
            if (related)
                c.relative_l2_distance = layer.weights->relative_l2_distance;
            c.l2_norm_ratio = layer.weights->l2_norm_ratio;
            c.appeared_count = static_cast<double>(layer.weights->appeared_count);
            if (layer.weights->changed_percentage.exists())
                c.unchanged_percentage = 100 - layer.weights->changed_percentage.value;
        }
        if (layer.scans) {
            c.condition_number_ratio = layer.scans->condition_number_ratio;
            c.stable_rank_ratio = layer.scans->stable_rank_ratio;
        }
        changes.push_back(std::move(c));
    }
    for (const unmatched_tensor& t : r.only_in_a)
        changes.push_back({.name = t.name, .removed = t.equal_to.empty() ? 1.0 : 0.0});
    return changes;
}

inline scheduled_work expected_work(const named_tensor& x, const compare_weights_options& options)
{
    const std::size_t rows = x.shape.size() >= 2 ? x.shape[0] : 0, count = x.size();
    double seconds = 1e-5 + 4 * expected_element_seconds(count, bits_of(x.dtype) / 8);
    if (rows > 0 && count > 0 && options.spectrum)
        seconds += 3 * expected_spectrum_seconds(rows, count / rows);
    return {seconds, rows > 0 && count > 0 && std::min(rows, count / rows) >= 1200};
}

}  // namespace detail

WEIGHTSCOPE_INLINE comparison_result compare_models(const comparison_side& a, const comparison_side& b, const compare_models_options& options,
                                                    const progress_callback& progress)
{
    require((a.weights || a.scan) && (b.weights || b.scan), "compare_models(a, b): a side has neither weights nor a scan, expected one of them");
    const auto start = std::chrono::steady_clock::now();
    comparison_result result{.thresholds = options.thresholds, .rules = options.rules};
    detail::side_tensors of_a = detail::tensors_of(a, options), of_b = detail::tensors_of(b, options);
    result.a = detail::describe_side(a, of_a);
    result.b = detail::describe_side(b, of_b);
    const std::vector<tensor_pair> pairs = match_tensors(of_a.matchables, of_b.matchables);

    std::set<std::size_t> matched_a, matched_b;
    std::set<std::string> seen;
    detail::work_list work;
    const bool weights = a.weights && b.weights;
    for (const tensor_pair& pair : pairs) {
        matched_a.insert(pair.a);
        matched_b.insert(pair.b);
        compared_layer layer{.name = of_a.matchables[pair.a].name, .name_b = of_b.matchables[pair.b].name, .how = pair.how};
        layer.shape = of_a.matchables[pair.a].shape;
        layer.shape_b = of_b.matchables[pair.b].shape;
        layer.dtype = of_a.dtypes[pair.a];
        layer.dtype_b = of_b.dtypes[pair.b];
        layer.parameters = detail::product_of(layer.shape);
        // counted once where both sides say that it is one
        if (!of_a.same_as[pair.a].empty() && !of_b.same_as[pair.b].empty() && seen.contains(of_a.same_as[pair.a]))
            layer.counted_with = of_a.same_as[pair.a];
        seen.insert(layer.name);
        if (!weights && layer.parameters != detail::product_of(layer.shape_b))
            layer.relation = layer_relation::resized;
        const auto scan_a = of_a.layers.find(layer.name), scan_b = of_b.layers.find(layer.name_b);
        if (scan_a != of_a.layers.end() && scan_b != of_b.layers.end())
            layer.scans = detail::difference_of(*scan_a->second, *scan_b->second);
        if (weights)
            work.add(result.layers.size(), layer.name, detail::expected_work(of_a.tensors[pair.a], options.weights));
        result.layers.push_back(std::move(layer));
    }
    result.only_in_a = detail::unmatched(of_a, matched_a);
    result.only_in_b = detail::unmatched(of_b, matched_b);

    with_threads(options.threads, [&] {
        work.run(progress, [&](std::size_t i) {
            detail::compare_pair(of_a.tensors[pairs[i].a], of_b.tensors[pairs[i].b], result.layers[i], options.weights, options.thresholds);
        });
    });
    decide_relation_inplace(result);
    result.findings = judge_changes(detail::changes_of(result), options.rules);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope
