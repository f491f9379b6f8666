#pragma once
// Results as values of JSON, for those that write documents.

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE ordered_json json_number(double value);

// Appends a member, for objects whose keys are known to differ: operator[] looks through all of them first.
WEIGHTSCOPE_INLINE void append_member(ordered_json& object, std::string key, ordered_json value);

// A missing number is null and says why.
WEIGHTSCOPE_INLINE void append_metric(ordered_json& object, std::string_view name, const metric& number, bool whole);

template <has_fields T>
ordered_json json_of(const T& value)
{
    ordered_json object = ordered_json::object();
    for_each_field(value, [&]<class V>(std::string_view name, const V& field) {
        if constexpr (std::is_same_v<V, metric>)
            append_metric(object, name, field, false);
        else if constexpr (std::is_same_v<V, whole_metric>)
            append_metric(object, name, field.number, true);
        else if constexpr (std::is_same_v<V, double>)
            append_metric(object, name, field, false);
        else if constexpr (has_fields<V>)
            append_member(object, std::string(name), json_of(field));
        else if constexpr (std::is_same_v<V, std::vector<double>>) {
            ordered_json list = ordered_json::array();
            for (const double x : field)
                list.push_back(json_number(x));
            append_member(object, std::string(name), std::move(list));
        } else
            append_member(object, std::string(name), ordered_json(field));
    });
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const finding& f);

WEIGHTSCOPE_INLINE ordered_json json_of(const rule_outcome& outcome);

// Objects keep one value per key: a name that comes again gets a number.
class unique_names
{
public:
    std::string operator()(const std::string& name)
    {
        std::string unique = name;
        for (std::size_t i = 2; !taken_.insert(unique).second; ++i)
            unique = fmt::format("{} ({})", name, i);
        return unique;
    }

private:
    std::unordered_set<std::string> taken_;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/json_values.hpp>
#endif
