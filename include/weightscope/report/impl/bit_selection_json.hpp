#pragma once

#include <utility>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_flip_counts& flips)
{
    return {{"inside", flips.inside}, {"outside_taylor", flips.outside}, {"non_finite", flips.non_finite}, {"unchanged", flips.unchanged}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_candidate& c)
{
    return {{"model", ""},
            {"name", c.name},
            {"flat", c.flat},
            {"score", json_number(c.score)},
            {"value", json_number(c.value)},
            {"bit", c.bit < 0 ? ordered_json(nullptr) : ordered_json(c.bit)},
            {"gradient", json_number(c.gradient)},
            {"curvature", json_number(c.curvature)},
            {"outside_taylor", c.outside_taylor},
            {"drawn", c.drawn},
            {"part", c.part},
            {"tensor", c.tensor}};
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_selection& selection, const select_bits_options& options,
                                                  const bit_report_context& context)
{
    using nlohmann::ordered_json;
    const bool differences = selection.gradient_source == "differences";
    ordered_json candidates = ordered_json::array();
    for (const bit_candidate& c : selection.candidates)
        candidates.push_back(detail::json_of(c));
    ordered_json document = ordered_json::object();
    detail::append_member(document, "schema", "weightscope/bits_select/1");
    detail::append_member(document, "version", version);
    detail::append_member(document, "meta",
                          {{"model", context.model},
                           {"format", context.format},
                           {"restrict", context.restricted},
                           {"allow_bias", options.allow_bias},
                           {"top_w", options.top_w},
                           {"per_tensor_k", options.per_tensor_k},
                           {"num_candidates", selection.candidates.size()},
                           {"selection_method", to_string(selection.method)},
                           {"bitset_mode", selection.bits},
                           {"gradient_source", selection.gradient_source.empty() ? ordered_json(nullptr) : ordered_json(selection.gradient_source)},
                           {"gradient_epsilon", differences ? ordered_json(options.step) : ordered_json(nullptr)},
                           {"curvature", options.curvature},
                           {"oversample", options.oversample},
                           {"sample_all_weights", options.sample_all_weights},
                           {"trust_radius", options.trust_radius},
                           {"outside_w", options.outside_w},
                           {"num_val_batches", context.num_val_batches},
                           {"eval_seq_len", context.eval_seq_len},
                           {"seed", options.evaluation.seed},
                           {"parts", options.parts},
                           {"shard", options.shard},
                           {"shard_count", options.shard_count}});
    detail::append_member(document, "tensors", selection.tensor_count);
    detail::append_member(document, "weights", selection.weight_count);
    detail::append_member(document, "sampled", selection.sampled_count);
    detail::append_member(document, "unscored", selection.unscored_count);
    detail::append_member(document, "flips", detail::json_of(selection.flips));
    detail::append_member(document, "losses", selection.counts.losses);
    detail::append_member(document, "gradients", selection.counts.gradients);
    detail::append_member(document, "seconds", detail::json_number(selection.seconds));
    detail::append_member(document, "passed_over", selection.passed_over);
    detail::append_member(document, "notes", context.notes);
    detail::append_member(document, "candidates", std::move(candidates));
    return document;
}

}  // namespace weightscope
