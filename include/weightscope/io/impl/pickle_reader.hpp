#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pickle_machine.hpp>
#include <weightscope/io/pickle_reader.hpp>

namespace weightscope::detail {

// Runs the opcodes of a pickle, protocols 0 to 5, on a stack of descriptions. (Lib/pickletools.py of CPython defines them.)
//
// Each opcode takes time in proportion to its own bytes and to what it takes from the stack, and makes at most one value of some 80
// bytes, of which there may be 2,097,152: hence time in proportion to the pickle, and memory of at most some 250 MB and 4 bytes for each
// time that a value is put into a container.
class pickle_reader : private pickle_machine
{
public:
    pickle_reader(const pickle_source& source, std::size_t begin) : pickle_machine(source, begin) {}

    pickle run()
    {
        for (;;) {
            opcode_ = at_;
            const auto code = static_cast<unsigned char>(take(1)[0]);
            if (code == '.')
                break;
            if (!plain_value(code) && !stack_operation(code) && !container(code) && !object(code))
                fail(fmt::format("opcode 0x{:02x} is none that a PyTorch checkpoint has", code));
        }
        result_.root = pop();
        result_.end = at_;
        return std::move(result_);
    }

private:
    // opcodes that push a number, a text or bytes
    bool plain_value(unsigned char code)
    {
        switch (code) {
        case 'N': push(0); break;
        case 0x88: push_number(pickle_kind::boolean, 1); break;
        case 0x89: push_number(pickle_kind::boolean, 0); break;
        case 'J': push_number(pickle_kind::integer, sign_extended(little_endian(4), 4)); break;
        case 'K': push_number(pickle_kind::integer, little_endian(1)); break;
        case 'M': push_number(pickle_kind::integer, little_endian(2)); break;
        case 0x8a: push_long(little_endian(1)); break;
        case 0x8b: push_long(little_endian(4)); break;
        case 'G': push_number(pickle_kind::real, big_endian_8()); break;
        case 'I': push_decimal(line()); break;
        case 'L': push_decimal(line()); break;
        case 'F': push_real(line()); break;
        case 'S': push_text(pickle_kind::text, unquoted(line())); break;
        case 'V': push_text(pickle_kind::text, line()); break;
        case 'T':
        case 'X': push_text(pickle_kind::text, take(little_endian(4))); break;
        case 'U':
        case 0x8c: push_text(pickle_kind::text, take(little_endian(1))); break;
        case 0x8d: push_text(pickle_kind::text, take(little_endian(8))); break;
        case 'C': push_text(pickle_kind::bytes, take(little_endian(1))); break;
        case 'B': push_text(pickle_kind::bytes, take(little_endian(4))); break;
        case 0x8e:
        case 0x96: push_text(pickle_kind::bytes, take(little_endian(8))); break;
        default: return false;
        }
        return true;
    }

    // opcodes that move what is there, and those that say how the pickle is written
    bool stack_operation(unsigned char code)
    {
        switch (code) {
        case 0x80: check_protocol(little_endian(1)); break;
        case 0x95: little_endian(8); break;  // length of a frame: the opcodes tell where they end by themselves
        case '(': marks_.push_back(stack_.size()); break;
        case '0':
            if (!marks_.empty() && marks_.back() == stack_.size())
                marks_.pop_back();
            else
                pop();
            break;
        case '1': pop_to_mark(); break;
        case '2': push(top()); break;
        case 'p': memo_[decimal_index(line())] = top(); break;
        case 'q': memo_[little_endian(1)] = top(); break;
        case 'r': memo_[little_endian(4)] = top(); break;
        case 0x94: memo_[memo_.size()] = top(); break;
        case 'g': recall(decimal_index(line())); break;
        case 'h': recall(little_endian(1)); break;
        case 'j': recall(little_endian(4)); break;
        default: return false;
        }
        return true;
    }

    // opcodes that make a container or put something into one
    bool container(unsigned char code)
    {
        switch (code) {
        case ')': push_items(pickle_kind::tuple, {}); break;
        case ']': push_items(pickle_kind::list, {}); break;
        case '}': push_items(pickle_kind::dict, {}); break;
        case 0x8f: push_items(pickle_kind::set, {}); break;
        case 0x85: push_items(pickle_kind::tuple, pop(1)); break;
        case 0x86: push_items(pickle_kind::tuple, pop(2)); break;
        case 0x87: push_items(pickle_kind::tuple, pop(3)); break;
        case 't': push_items(pickle_kind::tuple, pop_to_mark()); break;
        case 'l': push_items(pickle_kind::list, pop_to_mark()); break;
        case 'd': push_items(pickle_kind::dict, pop_to_mark()); break;
        case 0x91: push_items(pickle_kind::set, pop_to_mark()); break;
        case 'a': extend(pop(1), false); break;
        case 'e':
        case 0x90: extend(pop_to_mark(), false); break;
        case 's': extend(pop(2), true); break;
        case 'u': extend(pop_to_mark(), true); break;
        default: return false;
        }
        return true;
    }

    // opcodes that name a class or function, or that would make or call something
    bool object(unsigned char code)
    {
        switch (code) {
        case 'c': {
            const std::string_view module = line();
            push_global(module, line());
            break;
        }
        case 0x93: {
            const std::vector<pickle_index> names = pop(2);
            if (!result_.is(names[0], pickle_kind::text) || !result_.is(names[1], pickle_kind::text))
                fail("a class is named by something else than two texts");
            push_global(result_[names[0]].text, result_[names[1]].text);
            break;
        }
        case 'R':
        case 0x81: {
            const std::vector<pickle_index> parts = pop(2);
            push_call(parts[0], parts[1]);
            break;
        }
        case 0x92: {
            const std::vector<pickle_index> parts = pop(3);  // class, arguments, keyword arguments
            push_call(parts[0], parts[1]);
            break;
        }
        case 'i': {
            const std::string_view module = line();
            const std::string_view name = line();
            push_items(pickle_kind::tuple, pop_to_mark());
            const pickle_index arguments = pop();
            push_global(module, name);
            push_call(pop(), arguments);
            break;
        }
        case 'o': {
            std::vector<pickle_index> parts = pop_to_mark();
            if (parts.empty())
                fail("an object has no class");
            const pickle_index type = parts.front();
            parts.erase(parts.begin());
            push_items(pickle_kind::tuple, std::move(parts));
            push_call(type, pop());
            break;
        }
        case 'b': {
            const pickle_index state = pop();
            pickle_value& built = result_.values[top()];
            if (built.kind == pickle_kind::call)
                built.state = state;
            break;
        }
        case 'P': {
            push_text(pickle_kind::text, line());
            push(add({.kind = pickle_kind::persistent, .arguments = pop(), .position = opcode_}));
            break;
        }
        case 'Q': push(add({.kind = pickle_kind::persistent, .arguments = pop(), .position = opcode_})); break;
        default: return false;
        }
        return true;
    }

    void check_protocol(std::uint64_t protocol) const
    {
        if (protocol > 5)
            fail(fmt::format("pickle protocol {}, expected 0 to 5", protocol));
    }
};

WEIGHTSCOPE_INLINE pickle read_pickle(const pickle_source& source, std::size_t begin)
{
    return pickle_reader(source, begin).run();
}

}  // namespace weightscope::detail
