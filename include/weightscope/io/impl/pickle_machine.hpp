#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pickle_machine.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE pickle_machine::pickle_machine(const pickle_source& source, std::size_t begin) : source_(source), at_(begin)
{
    add({.kind = pickle_kind::none, .position = begin});
}

WEIGHTSCOPE_INLINE std::string_view pickle_machine::take(std::uint64_t size)
{
    const std::size_t rest = source_.text.size() - at_;
    if (size > rest)
        source_.fail(opcode_, fmt::format("the pickle needs {} bytes more here, but {} are left", size, rest));
    const std::string_view part = source_.text.substr(at_, size);
    at_ += size;
    return part;
}

WEIGHTSCOPE_INLINE std::string_view pickle_machine::line()
{
    const std::size_t length = source_.text.substr(at_).find('\n');
    if (length == std::string_view::npos)
        fail("a line of the pickle does not end");
    const std::string_view part = take(length);
    take(1);
    return part;
}

WEIGHTSCOPE_INLINE std::uint64_t pickle_machine::little_endian(std::size_t size)
{
    std::uint64_t number = 0;
    const std::string_view part = take(size);
    for (std::size_t i = size; i-- > 0;)
        number = number << 8 | static_cast<unsigned char>(part[i]);
    return number;
}

WEIGHTSCOPE_INLINE std::uint64_t pickle_machine::big_endian_8()
{
    std::uint64_t number = 0;
    for (const char byte : take(8))
        number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

WEIGHTSCOPE_INLINE std::uint64_t pickle_machine::sign_extended(std::uint64_t number, std::size_t size)
{
    const bool negative = size > 0 && size < 8 && (number >> (8 * size - 1) & 1) != 0;
    return negative ? number | ~std::uint64_t{0} << 8 * size : number;
}

WEIGHTSCOPE_INLINE void pickle_machine::push_long(std::uint64_t size)
{
    if (size > 8) {
        push(add({.kind = pickle_kind::other, .position = opcode_, .text = take(size)}));
        return;
    }
    push_number(pickle_kind::integer, sign_extended(little_endian(size), size));
}

WEIGHTSCOPE_INLINE void pickle_machine::push_decimal(std::string_view digits)
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

WEIGHTSCOPE_INLINE void pickle_machine::push_real(std::string_view digits)
{
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc::invalid_argument || end != digits.data() + digits.size())
        fail(fmt::format("'{}' is no number", printable(digits, 40)));
    push_number(pickle_kind::real, std::bit_cast<std::uint64_t>(number));
}

WEIGHTSCOPE_INLINE std::string_view pickle_machine::unquoted(std::string_view text)
{
    const bool quoted = text.size() >= 2 && text.front() == text.back() && (text.front() == '\'' || text.front() == '"');
    return quoted ? text.substr(1, text.size() - 2) : text;
}

WEIGHTSCOPE_INLINE std::uint64_t pickle_machine::decimal_index(std::string_view digits) const
{
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size())
        fail(fmt::format("'{}' is no place of the memo", printable(digits, 40)));
    return number;
}

WEIGHTSCOPE_INLINE void pickle_machine::recall(std::uint64_t place)
{
    const auto known = memo_.find(place);
    if (known == memo_.end())
        fail(fmt::format("place {} of the memo is empty", place));
    push(known->second);
}

WEIGHTSCOPE_INLINE pickle_index pickle_machine::add(pickle_value value)
{
    if (result_.values.size() == most_values)
        fail(fmt::format("the pickle holds more than {} values, which no checkpoint needs", most_values));
    result_.values.push_back(std::move(value));
    return static_cast<pickle_index>(result_.values.size() - 1);
}

WEIGHTSCOPE_INLINE void pickle_machine::push(pickle_index value)
{
    if (stack_.size() == most_values)
        fail(fmt::format("the pickle lays more than {} values on its stack, which no checkpoint needs", most_values));
    stack_.push_back(value);
}

WEIGHTSCOPE_INLINE void pickle_machine::push_number(pickle_kind kind, std::uint64_t number)
{
    push(add({.kind = kind, .position = opcode_, .number = number}));
}

WEIGHTSCOPE_INLINE void pickle_machine::push_items(pickle_kind kind, std::vector<pickle_index> items)
{
    const bool keyed = kind == pickle_kind::dict;
    if (keyed && items.size() % 2 != 0)
        fail("the last key of a dict has no value");
    push(add({.kind = kind, .keyed = keyed, .position = opcode_, .items = std::move(items)}));
}

WEIGHTSCOPE_INLINE void pickle_machine::push_global(std::string_view module, std::string_view name)
{
    // a name of more than 1000 bytes is none that is looked for; kept short, so that the names take no more than the pickle
    result_.names.push_back(fmt::format("{}.{}", module.substr(0, 500), name.substr(0, 500)));
    push(add({.kind = pickle_kind::global, .position = opcode_, .text = result_.names.back()}));
}

WEIGHTSCOPE_INLINE void pickle_machine::push_call(pickle_index callable, pickle_index arguments)
{
    push(add({.kind = pickle_kind::call, .callable = callable, .arguments = arguments, .position = opcode_}));
}

WEIGHTSCOPE_INLINE pickle_index pickle_machine::top() const
{
    if (reachable() == 0)
        fail("the pickle takes more from its stack than lies there");
    return stack_.back();
}

WEIGHTSCOPE_INLINE pickle_index pickle_machine::pop()
{
    const pickle_index value = top();
    stack_.pop_back();
    return value;
}

WEIGHTSCOPE_INLINE std::vector<pickle_index> pickle_machine::pop(std::size_t count)
{
    if (reachable() < count)
        fail("the pickle takes more from its stack than lies there");
    std::vector<pickle_index> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
}

WEIGHTSCOPE_INLINE std::vector<pickle_index> pickle_machine::pop_to_mark()
{
    if (marks_.empty())
        fail("the pickle goes back to a mark that is not there");
    std::vector<pickle_index> values = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return values;
}

WEIGHTSCOPE_INLINE void pickle_machine::extend(const std::vector<pickle_index>& items, bool keyed)
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

}  // namespace weightscope::detail
