#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_json_fields.hpp>
#include <weightscope/report/bit_selection_reader.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

namespace detail {

inline bit_candidate bit_candidate_of_json(const bit_json_fields& fields, const bit_json_fields::json& entry, std::size_t number)
{
    const std::string place = fmt::format("candidates[{}]", number);
    if (!entry.is_object())
        fields.refuse_field(place, "is no object");
    const auto& bit = fields.member(entry, "bit", place.c_str());
    bit_candidate c{.name = fields.text(entry, "name"),
                    .flat = fields.whole(entry, "flat"),
                    .score = fields.number(entry, "score"),
                    .value = fields.number(entry, "value"),
                    .bit = bit.is_number_integer() ? bit.get<int>() : -1,
                    .gradient = fields.number(entry, "gradient"),
                    .curvature = fields.number(entry, "curvature"),
                    .drawn = fields.flag(entry, "drawn"),
                    .part = fields.text(entry, "part"),
                    .tensor = fields.whole(entry, "tensor")};
    for (const auto& outside : fields.member(entry, "outside_taylor", place.c_str())) {
        if (!outside.is_number_unsigned())
            fields.refuse_field(place + ".outside_taylor", "is no list of bits");
        c.outside_taylor.push_back(outside.get<unsigned>());
    }
    return c;
}

}  // namespace detail

WEIGHTSCOPE_INLINE saved_bit_selection read_bit_selection(const std::filesystem::path& path)
{
    const detail::bit_json_fields fields(path, "choose the weights again");
    fields.require_schema("weightscope/bits_select/1", "select");
    const auto& document = fields.document();
    const auto& meta = fields.member(document, "meta", "");
    saved_bit_selection result{.context = fields.context(meta)};
    select_bits_options& o = result.options;
    bit_selection& s = result.selection;
    s.method = parse_bit_method(fields.text(meta, "selection_method"));
    s.bits = o.bits = fields.text(meta, "bitset_mode");
    s.gradient_source = fields.text_or_null(meta, "gradient_source");
    o.allow_bias = fields.flag(meta, "allow_bias");
    o.top_w = fields.whole(meta, "top_w");
    o.per_tensor_k = fields.whole(meta, "per_tensor_k");
    if (s.gradient_source == "differences")
        o.step = fields.number(meta, "gradient_epsilon");
    o.curvature = fields.flag(meta, "curvature");
    o.oversample = fields.whole(meta, "oversample");
    o.sample_all_weights = fields.flag(meta, "sample_all_weights");
    o.trust_radius = fields.number(meta, "trust_radius");
    o.outside_w = fields.whole(meta, "outside_w");
    o.evaluation.seed = fields.whole(meta, "seed");
    o.parts = fields.texts(meta, "parts");
    o.shard = fields.whole(meta, "shard");
    o.shard_count = fields.whole(meta, "shard_count");
    s.tensor_count = fields.whole(document, "tensors");
    s.weight_count = fields.whole(document, "weights");
    s.sampled_count = fields.whole(document, "sampled");
    s.unscored_count = fields.whole(document, "unscored");
    const auto& flips = fields.member(document, "flips", "");
    s.flips = {.inside = fields.whole(flips, "inside"),
               .outside = fields.whole(flips, "outside_taylor"),
               .non_finite = fields.whole(flips, "non_finite"),
               .unchanged = fields.whole(flips, "unchanged")};
    s.counts.losses = fields.whole(document, "losses");
    s.counts.gradients = fields.whole(document, "gradients");
    s.seconds = fields.number(document, "seconds");
    s.passed_over = fields.texts(document, "passed_over");
    for (const auto& entry : fields.member(document, "candidates", ""))
        s.candidates.push_back(detail::bit_candidate_of_json(fields, entry, s.candidates.size()));
    return result;
}

}  // namespace weightscope
