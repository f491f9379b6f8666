#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/pickle.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// What the opcodes of a pickle work on: the bytes still to be read, the stack, the marks in it and the memo.
class pickle_machine
{
protected:
    pickle_machine(const pickle_source& source, std::size_t begin) : source_(source), at_(begin)
    {
        add({.kind = pickle_kind::none, .position = begin});
    }

    std::string_view take(std::uint64_t size)
    {
        const std::size_t rest = source_.text.size() - at_;
        if (size > rest)
            source_.fail(opcode_, fmt::format("the pickle needs {} bytes more here, but {} are left", size, rest));
        const std::string_view part = source_.text.substr(at_, size);
        at_ += size;
        return part;
    }

    std::string_view line()
    {
        const std::size_t length = source_.text.substr(at_).find('\n');
        if (length == std::string_view::npos)
            fail("a line of the pickle does not end");
        const std::string_view part = take(length);
        take(1);
        return part;
    }

    std::uint64_t little_endian(std::size_t size)
    {
        std::uint64_t number = 0;
        const std::string_view part = take(size);
        for (std::size_t i = size; i-- > 0;)
            number = number << 8 | static_cast<unsigned char>(part[i]);
        return number;
    }

    std::uint64_t big_endian_8()
    {
        std::uint64_t number = 0;
        for (const char byte : take(8))
            number = number << 8 | static_cast<unsigned char>(byte);
        return number;
    }

    static std::uint64_t sign_extended(std::uint64_t number, std::size_t size)
    {
        const bool negative = size > 0 && size < 8 && (number >> (8 * size - 1) & 1) != 0;
        return negative ? number | ~std::uint64_t{0} << 8 * size : number;
    }

    void push_long(std::uint64_t size)
    {
        if (size > 8) {
            push(add({.kind = pickle_kind::other, .position = opcode_, .text = take(size)}));
            return;
        }
        push_number(pickle_kind::integer, sign_extended(little_endian(size), size));
    }

    void push_decimal(std::string_view digits)
    {
        if (digits == "00" || digits == "01") {
            push_number(pickle_kind::boolean, digits[1] == '1');
            return;
        }
        if (digits.ends_with('L'))
            digits.remove_suffix(1);
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error == std::errc::result_out_of_range)
            push(add({.kind = pickle_kind::other, .position = opcode_, .text = digits}));
        else if (error != std::errc() || end != digits.data() + digits.size())
            fail(fmt::format("'{}' is no whole number", printable(digits, 40)));
        else
            push_number(pickle_kind::integer, static_cast<std::uint64_t>(number));
    }

    void push_real(std::string_view digits)
    {
        double number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error == std::errc::invalid_argument || end != digits.data() + digits.size())
            fail(fmt::format("'{}' is no number", printable(digits, 40)));
        push_number(pickle_kind::real, std::bit_cast<std::uint64_t>(number));
    }

    static std::string_view unquoted(std::string_view text)
    {
        const bool quoted = text.size() >= 2 && text.front() == text.back() && (text.front() == '\'' || text.front() == '"');
        return quoted ? text.substr(1, text.size() - 2) : text;
    }

    std::uint64_t decimal_index(std::string_view digits) const
    {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error != std::errc() || end != digits.data() + digits.size())
            fail(fmt::format("'{}' is no place of the memo", printable(digits, 40)));
        return number;
    }

    void recall(std::uint64_t place)
    {
        const auto known = memo_.find(place);
        if (known == memo_.end())
            fail(fmt::format("place {} of the memo is empty", place));
        push(known->second);
    }

    pickle_index add(pickle_value value)
    {
        if (result_.values.size() == most_values)
            fail(fmt::format("the pickle holds more than {} values, which no checkpoint needs", most_values));
        result_.values.push_back(std::move(value));
        return static_cast<pickle_index>(result_.values.size() - 1);
    }

    void push(pickle_index value)
    {
        if (stack_.size() == most_values)
            fail(fmt::format("the pickle lays more than {} values on its stack, which no checkpoint needs", most_values));
        stack_.push_back(value);
    }
    void push_number(pickle_kind kind, std::uint64_t number)
    {
        push(add({.kind = kind, .position = opcode_, .number = number}));
    }
    void push_text(pickle_kind kind, std::string_view text) { push(add({.kind = kind, .position = opcode_, .text = text})); }
    void push_items(pickle_kind kind, std::vector<pickle_index> items)
    {
        const bool keyed = kind == pickle_kind::dict;
        if (keyed && items.size() % 2 != 0)
            fail("the last key of a dict has no value");
        push(add({.kind = kind, .keyed = keyed, .position = opcode_, .items = std::move(items)}));
    }
    void push_global(std::string_view module, std::string_view name)
    {
        // a name of more than 1000 bytes is none that is looked for; kept short, so that the names take no more than the pickle
        result_.names.push_back(fmt::format("{}.{}", module.substr(0, 500), name.substr(0, 500)));
        push(add({.kind = pickle_kind::global, .position = opcode_, .text = result_.names.back()}));
    }
    void push_call(pickle_index callable, pickle_index arguments)
    {
        push(add({.kind = pickle_kind::call, .callable = callable, .arguments = arguments, .position = opcode_}));
    }

    // The stack down to the last mark: what lies below belongs to an object that is not complete.
    std::size_t reachable() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

    pickle_index top() const
    {
        if (reachable() == 0)
            fail("the pickle takes more from its stack than lies there");
        return stack_.back();
    }

    pickle_index pop()
    {
        const pickle_index value = top();
        stack_.pop_back();
        return value;
    }

    std::vector<pickle_index> pop(std::size_t count)
    {
        if (reachable() < count)
            fail("the pickle takes more from its stack than lies there");
        std::vector<pickle_index> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
        stack_.resize(stack_.size() - count);
        return values;
    }

    std::vector<pickle_index> pop_to_mark()
    {
        if (marks_.empty())
            fail("the pickle goes back to a mark that is not there");
        std::vector<pickle_index> values = pop(stack_.size() - marks_.back());
        marks_.pop_back();
        return values;
    }

    void extend(const std::vector<pickle_index>& items, bool keyed)
    {
        pickle_value& into = result_.values[top()];
        const bool takes = into.kind == pickle_kind::call   ? into.items.empty() || into.keyed == keyed
                           : into.kind == pickle_kind::dict ? keyed
                                                            : !keyed && (into.kind == pickle_kind::list || into.kind == pickle_kind::set);
        if (!takes)
            fail("the pickle puts something into an object that is no such container");
        if (keyed && items.size() % 2 != 0)
            fail("the last key of a dict has no value");
        into.keyed = keyed;
        into.items.insert(into.items.end(), items.begin(), items.end());
    }

    [[noreturn]] void fail(std::string_view fault) const { source_.fail(opcode_, fault); }

    const pickle_source& source_;
    std::size_t at_ = 0, opcode_ = 0;  // position of the next byte, and of the opcode at hand
    pickle result_;
    std::vector<pickle_index> stack_;
    std::vector<std::size_t> marks_;
    std::unordered_map<std::uint64_t, pickle_index> memo_;

private:
    static constexpr std::size_t most_values = std::size_t{1} << 21;
};

}  // namespace weightscope::detail
