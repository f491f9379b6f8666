#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

enum class json_kind
{
    null,
    boolean,
    count,
    number,
    string,
    key,
    object,
    end_object,
    array,
    end_array
};

// One word of a JSON text: a key, a plain value, or the begin or end of an object or array.
struct json_token
{
    json_kind kind = json_kind::null;
    std::size_t depth = 0;       // objects and arrays around it
    std::uint64_t offset = 0;    // in the file, of its first byte
    std::uint64_t count = 0;     // value of a whole number from 0 to 2^64 - 1
    std::string_view text = {};  // of a string, a key, and a number that is no count

    // for messages: "found {}"
    std::string description() const;
};

using json_consumer = std::function<void(const json_token&)>;

// A JSON text in a file.
struct json_text
{
    const std::filesystem::path& path;
    std::string_view text;
    std::uint64_t offset = 0;  // of the text in the file
    std::string field;         // what errors call it: "header"
};

// Calls `consume` for each token of the text, which it refuses with an io_error where it is not JSON in
// UTF-8, holds a key twice, or is nested deeper than 64 levels.
WEIGHTSCOPE_INLINE void read_json(const json_text& source, const json_consumer& consume);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/json_reader.hpp>
#endif
