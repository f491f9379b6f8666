#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weightscope/io/pickle.hpp>

namespace weightscope::detail {

// What the opcodes of a pickle work on: the bytes still to be read, the stack, the marks in it and the memo.
class pickle_machine
{
protected:
    pickle_machine(const pickle_source& source, std::size_t begin);

    std::string_view take(std::uint64_t size);

    std::string_view line();

    std::uint64_t little_endian(std::size_t size);

    std::uint64_t big_endian_8();

    static std::uint64_t sign_extended(std::uint64_t number, std::size_t size);

    void push_long(std::uint64_t size);

    void push_decimal(std::string_view digits);

    void push_real(std::string_view digits);

    static std::string_view unquoted(std::string_view text);

    std::uint64_t decimal_index(std::string_view digits) const;

    void recall(std::uint64_t place);

    pickle_index add(pickle_value value);

    void push(pickle_index value);
    void push_number(pickle_kind kind, std::uint64_t number);
    void push_text(pickle_kind kind, std::string_view text) { push(add({.kind = kind, .position = opcode_, .text = text})); }
    void push_items(pickle_kind kind, std::vector<pickle_index> items);
    void push_global(std::string_view module, std::string_view name);
    void push_call(pickle_index callable, pickle_index arguments);

    // The stack down to the last mark: what lies below belongs to an object that is not complete.
    std::size_t reachable() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

    pickle_index top() const;

    pickle_index pop();

    std::vector<pickle_index> pop(std::size_t count);

    std::vector<pickle_index> pop_to_mark();

    void extend(const std::vector<pickle_index>& items, bool keyed);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pickle_machine.hpp>
#endif
