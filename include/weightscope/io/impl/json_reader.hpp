#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string json_token::description() const
{
    switch (kind) {
        case json_kind::null:
            return "null";
        case json_kind::boolean:
            return "a boolean";
        case json_kind::count:
            return fmt::format("{}", count);
        case json_kind::number:
            return printable(text, 40);
        case json_kind::string:
            return fmt::format("the string '{}'", printable(text, 40));
        case json_kind::array:
            return "an array";
        default:
            return "an object";
    }
}

// Reads forward and tells how far the parser has come.
struct counting_iterator
{
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at;
    const char** reached;

    reference operator*() const { return *at; }
    counting_iterator& operator++()
    {
        *reached = ++at;
        return *this;
    }
    counting_iterator operator++(int)
    {
        const counting_iterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(const counting_iterator& other) const { return at == other.at; }
};

// The handler that nlohmann's SAX parser calls: turns its events into tokens, and refuses what must not be in any file.
class json_events
{
public:
    using json = nlohmann::json;

    json_events(const json_text& source, const json_consumer& consume)
        : reached(source.text.data()), source_(source), consume_(consume)
    {
    }

    const char* reached;  // first byte that the parser has not read

    bool null() { return pass({.kind = json_kind::null}); }
    bool boolean(bool) { return pass({.kind = json_kind::boolean}); }
    bool number_unsigned(json::number_unsigned_t value) { return pass({.kind = json_kind::count, .count = value}); }
    bool number_integer(json::number_integer_t value)
    {
        return pass({.kind = json_kind::number, .text = fmt::format("{}", value)});
    }
    bool number_float(json::number_float_t, const std::string& text)
    {
        return pass({.kind = json_kind::number, .text = text});
    }
    bool string(std::string& text) { return pass({.kind = json_kind::string, .text = text}); }
    bool binary(json::binary_t&) { return false; }
    bool start_object(std::size_t) { return open(json_kind::object); }
    bool start_array(std::size_t) { return open(json_kind::array); }
    bool end_object() { return close(json_kind::end_object); }
    bool end_array() { return close(json_kind::end_array); }
    bool key(std::string& text)
    {
        const std::uint64_t offset = token_offset();
        if (!keys_.back().insert(text).second)
            fail(offset, fmt::format("the key '{}' stands twice in one object", printable(text)));
        return pass({.kind = json_kind::key, .text = text});
    }
    [[noreturn]] bool parse_error(std::size_t bytes_read, const std::string&, const nlohmann::detail::exception&)
    {
        const std::size_t size = source_.text.size();
        if (bytes_read > size)  // it counts the end as a byte
            fail(source_.offset + size, "the JSON text ends too early");
        const std::string_view rest = source_.text.substr(bytes_read - 1);
        fail(source_.offset + bytes_read - 1,
             fmt::format("cannot be read as JSON at '{}'", printable(rest.substr(0, utf8_front(rest).length))));
    }

    [[noreturn]] void fail(std::uint64_t offset, std::string_view fault) const
    {
        refuse_damaged(source_.path, offset, source_.field, fault);
    }

private:
    static constexpr std::size_t deepest = 64;

    // The parser is asked for a token only when it has read it: it begins where the one before ended, separators left
    // out.
    std::uint64_t token_offset() const
    {
        const std::size_t begin = source_.text.find_first_not_of(" \t\r\n,:", previous_end_);
        return source_.offset + (begin == std::string_view::npos ? source_.text.size() : begin);
    }

    bool pass(json_token token)
    {
        token.depth = keys_.size();
        token.offset = token_offset();
        const bool number = token.kind == json_kind::count || token.kind == json_kind::number;
        previous_end_ = static_cast<std::size_t>(reached - source_.text.data());
        if (number && !(reached[-1] >= '0' && reached[-1] <= '9'))
            --previous_end_;  // to see where a number ends the parser reads one byte more
        consume_(token);
        return true;
    }

    bool open(json_kind kind)
    {
        if (keys_.size() == deepest)
            fail(token_offset(), fmt::format("objects and arrays are nested deeper than {} levels", deepest));
        pass({.kind = kind});
        keys_.emplace_back();
        return true;
    }

    bool close(json_kind kind)
    {
        keys_.pop_back();
        return pass({.kind = kind});
    }

    const json_text& source_;
    const json_consumer& consume_;
    std::size_t previous_end_ = 0;
    std::vector<std::unordered_set<std::string>> keys_;  // of the objects around the token; an array's set stays empty
};

WEIGHTSCOPE_INLINE void read_json(const json_text& source, const json_consumer& consume)
{
    json_events events(source, consume);
    const std::size_t invalid = find_invalid_utf8(source.text).value_or(source.text.size());
    const std::size_t zero = std::min(source.text.find('\0'), source.text.size());
    if (const std::size_t bad = std::min(invalid, zero); bad < source.text.size())
        events.fail(source.offset + bad, fmt::format("byte 0x{:02x} cannot stand in a JSON text, which is UTF-8",
                                                     static_cast<unsigned char>(source.text[bad])));
    const char* begin = source.text.data();
    const char* end = begin + source.text.size();
    nlohmann::json::sax_parse(counting_iterator{begin, &events.reached}, counting_iterator{end, &events.reached},
                              &events);
}

}  // namespace weightscope::detail
