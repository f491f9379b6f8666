#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/damaged_file.hpp>

namespace weightscope::detail {

enum class pickle_kind : std::uint8_t
{
    none,
    boolean,
    integer,
    real,
    text,
    bytes,
    tuple,
    list,
    dict,
    set,
    global,      // a function or a class, by its name only
    call,        // what a function was to return or a class to make: which, with what, and what was put into it
    persistent,  // what the writer keeps outside of the pickle, by its id
    other        // a number of more than 64 bits
};

using pickle_index = std::uint32_t;

// One object of a pickle, as it is described there: nothing is ever imported, made or called.
struct pickle_value
{
    pickle_kind kind = pickle_kind::none;
    bool keyed = false;           // items are keys and values in turn: dict, and call that things were put into by key
    pickle_index callable = 0;    // call: the function or class
    pickle_index arguments = 0;   // call: its arguments; persistent: the id
    pickle_index state = 0;       // call: the attributes that it was given; 0, the index of None, if none
    std::uint64_t position = 0;   // in the pickle, of the opcode that makes it
    std::uint64_t number = 0;     // boolean, integer: two's complement; real: its bits
    std::string_view text = {};   // text, bytes; global: "module.name"
    std::vector<pickle_index> items = {};  // of tuple, list, dict, set, and of a call that is one of these with another name

    std::int64_t integer() const { return static_cast<std::int64_t>(number); }
    double real() const { return std::bit_cast<double>(number); }
};

// A pickle in a file, or in an entry of an archive that had to be unpacked.
struct pickle_source
{
    const std::filesystem::path& path;
    std::string_view text;
    std::optional<std::uint64_t> offset = {};  // of the text in the file; nothing where it was unpacked
    std::string field = {};                    // what errors call it: "data.pkl"

    [[noreturn]] void fail(std::uint64_t position, std::string_view fault) const
    {
        if (offset)
            refuse_damaged(path, *offset + position, field, fault);
        refuse_damaged(path, std::nullopt, field, fmt::format("byte {} of what it unpacks to: {}", position, fault));
    }
};

// All objects of a pickle. They refer to each other by index, in circles too; index 0 is None. Texts lie in the source.
struct pickle
{
    std::vector<pickle_value> values = {};
    std::deque<std::string> names = {};  // of globals
    pickle_index root = 0;
    std::size_t end = 0;  // position behind the pickle

    const pickle_value& operator[](pickle_index i) const { return values[i]; }
    bool is(pickle_index i, pickle_kind kind) const { return values[i].kind == kind; }
    bool is_sequence(pickle_index i) const { return is(i, pickle_kind::tuple) || is(i, pickle_kind::list); }
};

}  // namespace weightscope::detail
