#pragma once
// The part of JSON Schema that tests/schemas uses, so that the schemas are checked where no validator is installed.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace schema_check {

using nlohmann::json;

inline json read_schema(const std::string& name)
{
    std::ifstream file(std::filesystem::path(__FILE__).parent_path().parent_path() / "schemas" / name);
    return json::parse(file);
}

inline bool has_type(const json& value, const std::string& type)
{
    return type == "null"      ? value.is_null()
           : type == "boolean" ? value.is_boolean()
           : type == "integer" ? value.is_number_integer()
           : type == "number"  ? value.is_number()
           : type == "string"  ? value.is_string()
           : type == "array"   ? value.is_array()
           : type == "object"  ? value.is_object()
                               : throw std::runtime_error("unknown type " + type);
}

// The first fault, as "path: what", or nothing.
inline std::string fault_of(const json& value, const json& schema, const json& root, const std::string& path = "$")
{
    std::string fault;
    const auto check = [&](bool holds, const std::string& what) {
        if (!holds && fault.empty())
            fault = path + ": " + what;
    };
    const auto descend = [&](const json& part, const json& part_schema, const std::string& part_path) {
        if (fault.empty())
            fault = fault_of(part, part_schema, root, part_path);
    };
    for (const auto& [keyword, wanted] : schema.items()) {
        if (keyword == "$ref")
            descend(value, root.at(json::json_pointer(wanted.get<std::string>().substr(1))), path);
        else if (keyword == "type")
            check(wanted.is_string()
                      ? has_type(value, wanted)
                      : std::any_of(wanted.begin(), wanted.end(), [&](const json& t) { return has_type(value, t); }),
                  "type is " + std::string(value.type_name()) + ", expected " + wanted.dump());
        else if (keyword == "const")
            check(value == wanted, "expected " + wanted.dump());
        else if (keyword == "enum")
            check(std::find(wanted.begin(), wanted.end(), value) != wanted.end(),
                  value.dump() + " is none of " + wanted.dump());
        else if (keyword == "minimum")
            check(!value.is_number() || value >= wanted, value.dump() + " is below " + wanted.dump());
        else if (keyword == "maximum")
            check(!value.is_number() || value <= wanted, value.dump() + " is above " + wanted.dump());
        else if (keyword == "minLength")
            check(!value.is_string() || value.get_ref<const std::string&>().size() >= wanted, "too short");
        else if (keyword == "maxItems")
            check(!value.is_array() || value.size() <= wanted, "too many items");
        else if (keyword == "pattern")
            check(!value.is_string()
                      || std::regex_search(value.get<std::string>(), std::regex(wanted.get<std::string>())),
                  "does not match " + wanted.dump());
        else if (keyword == "items")
            for (std::size_t i = 0; value.is_array() && i < value.size(); ++i)
                descend(value[i], wanted, path + "[" + std::to_string(i) + "]");
        else if (keyword == "required")
            for (const json& key : wanted)
                check(!value.is_object() || value.contains(key.get<std::string>()), "lacks " + key.dump());
    }
    if (value.is_object() && fault.empty())
        for (const auto& [key, part] : value.items()) {
            bool known = false;
            const auto apply = [&, &key = key, &part = part](const json& part_schema) {  // clang before 16 captures no bindings
                known = true;
                descend(part, part_schema, path + "." + key);
            };
            if (schema.contains("properties") && schema["properties"].contains(key))
                apply(schema["properties"][key]);
            if (schema.contains("patternProperties"))
                for (const auto& [pattern, part_schema] : schema["patternProperties"].items())
                    if (std::regex_search(key, std::regex(pattern)))
                        apply(part_schema);
            if (known || !schema.contains("additionalProperties"))
                continue;
            const json& others = schema["additionalProperties"];
            check(others != false, "'" + key + "' is unknown");
            if (others.is_object())
                apply(others);
        }
    return fault;
}

inline std::string fault_of(const json& value, const std::string& name)
{
    const json schema = read_schema(name);
    return fault_of(value, schema, schema);
}

}  // namespace schema_check
