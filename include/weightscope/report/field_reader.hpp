#pragma once
// How report/fields.hpp drives the reading of saved results.

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/fields.hpp>

namespace weightscope::detail {

// Where in a document a value stands, for messages; outer places outlive inner ones.
struct json_place
{
    const std::filesystem::path& file;
    const json_place* around = nullptr;
    std::string_view name = {};

    std::string path() const
    {
        const std::string before = around ? around->path() : std::string();
        return before + (before.empty() ? "" : ".") + printable(name);
    }

    [[noreturn]] void refuse(std::string_view fault) const
    {
        throw io_error(file, std::nullopt, path(), fmt::format("{}; scan the model again", fault));
    }
};

inline std::string shown(const nlohmann::ordered_json& value)
{
    return value.is_object() ? "an object" : value.is_array() ? "an array" : printable(value.dump(), 40);
}

template <class T>
T value_of(const nlohmann::ordered_json& value, const json_place& place)
{
    const auto expect = [&](bool holds, const char* expected) {
        if (!holds)
            place.refuse(fmt::format("is {}, expected {}", shown(value), expected));
    };
    if constexpr (std::is_same_v<T, bool>)
        expect(value.is_boolean(), "true or false");
    else if constexpr (std::is_same_v<T, std::string>)
        expect(value.is_string(), "a text");
    else if constexpr (std::is_integral_v<T>) {
        expect(value.is_number_unsigned(), "a whole number from 0 on");
        expect(value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()), "a smaller one");
    } else {  // what is not finite is written as null
        if (value.is_null())
            return std::numeric_limits<T>::quiet_NaN();
        expect(value.is_number(), "a number");
    }
    return value.get<T>();
}

// What for_each_field calls to fill a result from the members of an object.
class field_reader
{
public:
    field_reader(const nlohmann::ordered_json& object, const json_place& place) : object_(object), place_(place)
    {
        if (!object.is_object())
            place.refuse(fmt::format("is {}, expected an object", shown(object)));
    }

    bool holds(std::string_view name) const { return object_.contains(name); }

    template <class V>
    void operator()(std::string_view name, V&& field) const
    {
        if constexpr (std::is_lvalue_reference_v<V>)  // others follow from what is read anyway
            read(name, field);
    }

private:
    const nlohmann::ordered_json& member(std::string_view name) const
    {
        const auto found = object_.find(name);
        if (found == object_.end())
            json_place{place_.file, &place_, name}.refuse("is missing");
        return *found;
    }

    // A number that the scan does not have, as one by another version of the program may not, says so.
    void read(std::string_view name, metric& number) const
    {
        const auto found = object_.find(name);
        if (found == object_.end()) {
            number = metric::missing("not in the saved scan");
        } else if (found->is_null()) {
            const std::string reason = fmt::format("{}_reason", name);
            number = metric::missing(value_of<std::string>(member(reason), {place_.file, &place_, reason}));
            if (number.exists())
                json_place{place_.file, &place_, reason}.refuse("is empty, expected why there is no number");
        } else
            number = value_of<double>(*found, {place_.file, &place_, name});
    }

    void read(std::string_view name, whole_metric& whole) const { read(name, whole.number); }

    // the keys are made of the thresholds
    void read(std::string_view name, std::vector<sparsity_level>& levels) const
    {
        read_keyed(name, "threshold_", levels, [](auto& level) -> auto& { return level.threshold; }, [](auto& level) -> auto& { return level.percentage; });
    }

    void read(std::string_view name, std::vector<magnitude_percentile>& percentiles) const
    {
        read_keyed(name, "p", percentiles, [](auto& p) -> auto& { return p.percent; }, [](auto& p) -> auto& { return p.value; });
    }

    void read(std::string_view name, structured_fields& structured) const
    {
        if (const auto& object = member(name); !object.empty() || !object.is_object())
            read(name, structured.result.emplace());
    }

    template <class T>
    void read(std::string_view name, std::vector<T>& list) const
    {
        const json_place place{place_.file, &place_, name};
        const auto& array = member(name);
        if (!array.is_array())
            place.refuse(fmt::format("is {}, expected an array", shown(array)));
        list.clear();
        for (const auto& value : array)
            list.push_back(value_of<T>(value, place));
    }

    void read(std::string_view name, value_histogram& histogram) const
    {
        const json_place place{place_.file, &place_, name};
        for_each_field(histogram, field_reader(member(name), place));
        if (histogram.edges.size() != histogram.counts.size() + (histogram.counts.empty() ? 0 : 1))
            place.refuse(fmt::format("has {} edges and {} counts, expected one edge more", histogram.edges.size(), histogram.counts.size()));
    }

    template <class T>
    void read(std::string_view name, T& value) const
    {
        const json_place place{place_.file, &place_, name};
        if constexpr (has_fields<T>)
            for_each_field(value, field_reader(member(name), place));
        else
            value = value_of<T>(member(name), place);
    }

    template <class Entry, class Key, class Value>
    void read_keyed(std::string_view name, std::string_view prefix, std::vector<Entry>& entries, Key key_of, Value number_of) const
    {
        const json_place place{place_.file, &place_, name};
        const auto& object = member(name);
        const field_reader reader(object, place);
        for (const auto& [key, value] : object.items()) {
            if (!key.starts_with(prefix) || key.ends_with("_reason"))
                continue;
            Entry& entry = entries.emplace_back();
            const char* end = key.data() + key.size();
            const auto [stop, error] = std::from_chars(key.data() + prefix.size(), end, key_of(entry));
            if (error != std::errc() || stop != end)
                place.refuse(fmt::format("has the key '{}', expected '{}' and a number", printable(key, 40), prefix));
            reader(key, number_of(entry));
        }
    }

    const nlohmann::ordered_json& object_;
    const json_place& place_;
};

}  // namespace weightscope::detail
