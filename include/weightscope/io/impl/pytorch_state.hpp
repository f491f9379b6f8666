#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_state.hpp>
#include <weightscope/io/pytorch_tensor.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE torch_state_walker::torch_state_walker(const pickle_source& source, const pickle& p)
    : source_(source), pickle_(p), builder_(source, p), around_(p.values.size())
{
}

WEIGHTSCOPE_INLINE void torch_state_walker::visit(pickle_index i, const path& p, std::size_t depth)
{
    const pickle_value& value = pickle_[i];
    if (++visits_ > 4 * pickle_.values.size() + 1024)
        source_.fail(value.position, "the objects of the checkpoint hold each other too often to be looked through");
    if (depth > deepest)
        source_.fail(value.position, fmt::format("objects are nested deeper than {} levels", deepest));
    if (auto tensor = builder_.build(i)) {
        add(std::move(*tensor), p, value.position);
        return;
    }
    add_scalar(value, p, depth);
    if (value.kind < pickle_kind::tuple || around_[i])
        return;
    around_[i] = true;
    if (value.kind == pickle_kind::call)
        visit_object(value, p, depth);
    else if (value.keyed)
        visit_dict(dict_items(value.items), p, depth);
    else
        visit_list(value.items, p, depth);
    around_[i] = false;
}

WEIGHTSCOPE_INLINE void torch_state_walker::visit_object(const pickle_value& value, const path& p, std::size_t depth)
{
    const bool ordered_dict = pickle_[value.callable].text == "collections.OrderedDict";
    const path inside = {p.name, p.role, p.outer, p.outside && ordered_dict};
    if (ordered_dict && pickle_[value.arguments].items.size() == 1)
        visit_dict(pair_items(pickle_[pickle_[value.arguments].items[0]]), inside, depth);  // Python 2: OrderedDict([[key, value]])
    else if (!ordered_dict)
        visit_list(pickle_[value.arguments].items, inside, depth);
    if (value.keyed)
        visit_dict(dict_items(value.items), inside, depth);
    else
        visit_list(value.items, inside, depth);
    if (value.state == 0 || ordered_dict)  // what an OrderedDict has besides its items is _metadata
        return;
    const pickle_value* state = &pickle_[value.state];
    if (state->kind == pickle_kind::tuple && state->items.size() == 2 && pickle_[state->items[0]].keyed)
        state = &pickle_[state->items[0]];  // attributes and slots
    if (state->keyed)
        visit_attributes(dict_items(state->items), inside, depth);
    else
        visit(value.state, inside, depth + 1);
}

WEIGHTSCOPE_INLINE void torch_state_walker::visit_attributes(const items& attributes, const path& p, std::size_t depth)
{
    const auto find = [&](std::string_view name) {
        const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const auto& a) { return a.first == name; });
        return found == attributes.end() ? nullptr : &pickle_[found->second];
    };
    if (find("_parameters") == nullptr || find("_modules") == nullptr) {
        visit_dict(attributes, p, depth);
        return;
    }
    for (const std::string_view part : {"_parameters", "_buffers", "_modules"})
        if (const pickle_value* held = find(part))
            visit_dict(held->kind == pickle_kind::call ? call_items(*held) : dict_items(held->items), p, depth);
    for (const auto& attribute : attributes)
        if (attribute.first == "_packed_params")  // weight and bias of a quantized layer
            visit_dict({attribute}, p, depth);
}

WEIGHTSCOPE_INLINE void torch_state_walker::visit_dict(const items& all, const path& p, std::size_t depth)
{
    for (const auto& [key, value] : all) {
        path inside = child(p, key, pickle_[value].position);
        if (p.outside && depth <= most_outer_keys)
            inside.role = std::max(p.role, role_of(key, value, depth));
        visit(value, inside, depth + 1);
    }
}

WEIGHTSCOPE_INLINE void torch_state_walker::visit_list(const std::vector<pickle_index>& all, const path& p, std::size_t depth)
{
    for (std::size_t i = 0; i < all.size(); ++i) {
        path inside = child(p, std::to_string(i), pickle_[all[i]].position);
        inside.outside = false;
        visit(all[i], inside, depth + 1);
    }
}

WEIGHTSCOPE_INLINE torch_role torch_state_walker::role_of(std::string_view key, pickle_index i, std::size_t depth) const
{
    const bool random = has_word(key, "rng") || has_word(key, "random");
    if (builder_.build(i)) {
        const bool average = depth <= 1 && key.starts_with("model_ema.");
        return average ? torch_role::average : random && depth == 0 ? torch_role::training_state : torch_role::weight;
    }
    for (const std::string_view word : {"optim", "optimizer", "optimizers", "opt", "sched", "scheduler", "schedulers", "scaler"})
        if (has_word(key, word))
            return torch_role::training_state;
    if (random || is_optimizer_state(pickle_[i]))
        return torch_role::training_state;
    return depth <= 1 && (has_word(key, "ema") || has_word(key, "swa")) ? torch_role::average : torch_role::weight;
}

WEIGHTSCOPE_INLINE bool torch_state_walker::is_optimizer_state(const pickle_value& value) const
{
    bool state = false, groups = false;
    for (std::size_t i = 0; value.keyed && i + 1 < std::min<std::size_t>(value.items.size(), 16); i += 2) {
        state = state || pickle_[value.items[i]].text == "state";
        groups = groups || pickle_[value.items[i]].text == "param_groups";
    }
    return state && groups;
}

WEIGHTSCOPE_INLINE torch_state_walker::items torch_state_walker::dict_items(const std::vector<pickle_index>& flat) const
{
    items result;
    std::unordered_map<std::string_view, std::size_t> texts;
    for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
        const pickle_value& key = pickle_[flat[i]];
        if (key.kind == pickle_kind::text) {
            const auto [known, is_new] = texts.emplace(key.text, result.size());
            if (!is_new)
                result[known->second].second = flat[i + 1];
            else
                result.emplace_back(key.text.substr(0, longest_name + 1), flat[i + 1]);
        } else if (key.kind == pickle_kind::integer) {
            result.emplace_back(std::to_string(key.integer()), flat[i + 1]);
        } else {
            result.emplace_back(std::to_string(i / 2), flat[i + 1]);
        }
    }
    return result;
}

WEIGHTSCOPE_INLINE torch_state_walker::items torch_state_walker::pair_items(const pickle_value& pairs) const
{
    std::vector<pickle_index> flat;
    for (const pickle_index pair : pairs.items)
        if (pickle_[pair].items.size() == 2)
            flat.insert(flat.end(), pickle_[pair].items.begin(), pickle_[pair].items.end());
    return dict_items(flat);
}

WEIGHTSCOPE_INLINE torch_state_walker::items torch_state_walker::call_items(const pickle_value& value) const
{
    const auto& arguments = pickle_[value.arguments].items;
    if (value.items.empty() && arguments.size() == 1)
        return pair_items(pickle_[arguments[0]]);
    return value.keyed ? dict_items(value.items) : items();
}

WEIGHTSCOPE_INLINE torch_state_walker::path torch_state_walker::child(const path& p, std::string_view key, std::uint64_t position)
{
    path result{p.name.empty() ? std::string(key) : fmt::format("{}.{}", p.name, key), p.role, p.outer, p.outside};
    if (result.name.size() > longest_name)
        source_.fail(position, fmt::format("the keys that lead here have more than {} bytes together", longest_name));
    if (p.outside && result.outer.size() < most_outer_keys)
        result.outer.push_back(static_cast<std::uint32_t>(key.size()));
    return result;
}

WEIGHTSCOPE_INLINE void torch_state_walker::add(torch_tensor tensor, const path& p, std::uint64_t position)
{
    name_bytes_ += p.name.size() + sizeof(torch_entry);
    if (name_bytes_ > longest_names)
        source_.fail(position, fmt::format("the names of the tensors take more than {} bytes", longest_names));
    entries.push_back({p.name, std::move(tensor), p.role, p.outer});
}

WEIGHTSCOPE_INLINE void torch_state_walker::add_scalar(const pickle_value& value, const path& p, std::size_t depth)
{
    if (depth == 0 || depth > 2 || scalars.size() == most_scalars || p.role != torch_role::weight)
        return;
    switch (value.kind) {
    case pickle_kind::boolean: scalars.emplace_back(p.name, value.number != 0 ? "true" : "false"); break;
    case pickle_kind::integer: scalars.emplace_back(p.name, std::to_string(value.integer())); break;
    case pickle_kind::real: scalars.emplace_back(p.name, fmt::format("{}", value.real())); break;
    case pickle_kind::text: scalars.emplace_back(p.name, value.text.substr(0, longest_name)); break;
    default: break;
    }
}

}  // namespace weightscope::detail
