#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/chart_layer_names.hpp>

namespace weightscope {

namespace detail {

inline std::vector<std::string> name_parts(std::string_view name)
{
    std::vector<std::string> parts(1);
    for (const char c : name) {
        if (c == '.' || c == '/')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

inline bool is_index(std::string_view part)
{
    return !part.empty() && part.size() < 6 && part.find_first_not_of("0123456789") == std::string_view::npos;
}

WEIGHTSCOPE_INLINE std::string joined(std::span<const std::string> parts)
{
    std::string text;
    for (const std::string& part : parts)
        text += (text.empty() ? "" : ".") + part;
    return text;
}

// A name taken apart: what is before the index of the block, the index, what comes after it.
struct parted_name
{
    std::vector<std::string> before, after;
    std::string index;
};

inline parted_name parted(std::string_view name)
{
    const std::vector<std::string> parts = name_parts(name);
    const auto index = std::find_if(parts.begin() + 1, parts.end(), [](const std::string& part) { return is_index(part); });
    parted_name result;
    if (index == parts.end() || index + 1 == parts.end()) {
        result.after = parts;
    } else {
        result.before.assign(parts.begin(), index);
        result.index = *index;
        result.after.assign(index + 1, parts.end());
    }
    return result;
}

// For each of these lists the fewest of its last parts that no other list ends in.
inline std::map<std::string, std::string> shortest_endings(const std::set<std::vector<std::string>>& lists)
{
    std::map<std::string, std::string> result;
    std::map<std::string, std::set<std::vector<std::string>>> by_ending;
    std::size_t deepest = 0;
    for (const auto& list : lists)
        deepest = std::max(deepest, list.size());
    for (const auto& list : lists)
        for (std::size_t k = 1; k <= list.size(); ++k)
            by_ending[joined(std::span(list).last(k))].insert(list);
    for (const auto& list : lists) {
        const bool says_little = is_index(list.back()) || list.back() == "bias" || list.back() == "weight";  // "head.7", not "7"
        std::size_t k = list.size() > 1 && says_little ? 2 : 1;
        while (k < list.size() && by_ending[joined(std::span(list).last(k))].size() > 1)
            ++k;
        result[joined(list)] = joined(std::span(list).last(k));
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<layer_label> layer_labels(std::span<const std::string> names)
{
    std::vector<detail::parted_name> parts;
    std::set<std::vector<std::string>> stacks, inside, outside;
    const std::set<std::string> all(names.begin(), names.end());
    for (const std::string& name : names) {
        detail::parted_name part = detail::parted(name);
        const bool ends_in_weight = part.after.size() > 1 && part.after.back() == "weight";
        if (ends_in_weight && !all.contains(name.substr(0, name.size() - 7)))
            part.after.pop_back();
        if (!part.index.empty())
            stacks.insert(part.before);
        (part.index.empty() ? outside : inside).insert(part.after);
        parts.push_back(std::move(part));
    }
    const auto roles = detail::shortest_endings(inside), others = detail::shortest_endings(outside);
    std::map<std::string, std::string> stack_names;  // only where there are several
    if (stacks.size() > 1) {
        std::size_t common = 0;  // first parts that all of them share
        const auto& first = *stacks.begin();
        const auto shared = [&](const auto& stack) { return stack.size() > common && stack[common] == first[common]; };
        while (common < first.size() && std::all_of(stacks.begin(), stacks.end(), shared))
            ++common;
        for (const auto& stack : stacks)
            stack_names[detail::joined(stack)] = common < stack.size() ? stack[common] + "." : "";
    }

    const std::string no_name = "(no name)";
    std::vector<layer_label> labels;
    std::map<std::string, std::size_t> count;
    for (const detail::parted_name& part : parts) {
        layer_label label;
        const std::string after = detail::joined(part.after);
        if (part.index.empty()) {
            label.text = label.role = others.at(after);
        } else {
            label.role = roles.at(after);
            label.block = (stack_names.empty() ? std::string() : stack_names[detail::joined(part.before)]) + "L" + part.index;
            label.text = label.block + "." + label.role;
        }
        ++count[label.text];
        labels.push_back(std::move(label));
    }
    for (bool clear = false; !clear;) {  // a whole name may be another one's short one
        clear = true;
        std::map<std::string, std::size_t> now;
        for (std::size_t i = 0; i < labels.size(); ++i) {
            const std::string& whole = names[i].empty() ? no_name : names[i];
            if ((count[labels[i].text] > 1 || labels[i].text.empty()) && labels[i].text != whole) {
                labels[i].text = whole;
                clear = false;
            }
            ++now[labels[i].text];
        }
        count = std::move(now);
    }
    return labels;
}

}  // namespace weightscope
