#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/pickle_reader.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "pytorch_writer.hpp"

using namespace weightscope;
using detail::pickle_index;
using detail::pickle_kind;
using files::message;

namespace {

const std::filesystem::path path = "f.pt";

detail::pickle read(const std::string& text)
{
    return detail::read_pickle({.path = path, .text = text, .offset = 100, .field = "data.pkl"});
}

// What a pickle holds, in one line. Circles end in "...".
std::string show(const detail::pickle& p, pickle_index i, std::size_t depth = 0)
{
    const detail::pickle_value& value = p[i];
    if (depth > 6)
        return "...";
    const auto list = [&](std::string_view begin, std::string_view end) {
        std::string result(begin);
        for (std::size_t k = 0; k < value.items.size(); ++k)
            result += (k == 0 ? "" : value.keyed && k % 2 == 1 ? ": " : ", ") + show(p, value.items[k], depth + 1);
        return result + std::string(end);
    };
    switch (value.kind) {
    case pickle_kind::none: return "None";
    case pickle_kind::boolean: return value.number != 0 ? "True" : "False";
    case pickle_kind::integer: return std::to_string(value.integer());
    case pickle_kind::real: return fmt::format("{}", value.real());
    case pickle_kind::text: return "'" + std::string(value.text) + "'";
    case pickle_kind::bytes: return "b'" + std::string(value.text) + "'";
    case pickle_kind::tuple: return list("(", ")");
    case pickle_kind::list: return list("[", "]");
    case pickle_kind::dict: return list("{", "}");
    case pickle_kind::set: return list("<", ">");
    case pickle_kind::global: return std::string(value.text);
    case pickle_kind::persistent: return "id " + show(p, value.arguments, depth + 1);
    case pickle_kind::other: return "large";
    default:
        return show(p, value.callable, depth + 1) + show(p, value.arguments, depth + 1) + (value.items.empty() ? "" : list("[", "]"))
             + (value.state == 0 ? "" : "." + show(p, value.state, depth + 1));
    }
}

std::string shown(const std::string& text)
{
    const detail::pickle p = read(text);
    return show(p, p.root);
}

std::string refused(const std::string& text)
{
    return message<io_error>([&] { (void)read(text); });
}

}  // namespace

TEST_CASE("a pickle is read as a description of its objects, whatever protocol it was written in")
{
    // pickle.dumps({'a': [1, -1, 300, 70000, 2**40, True, None, 1.5], 'b': (b'x',)}, protocol)
    const std::string expected = "{'a': [1, -1, 300, 70000, 1099511627776, True, None, 1.5], 'b': ('x')}";
    const std::string as_bytes = "{'a': [1, -1, 300, 70000, 1099511627776, True, None, 1.5], 'b': (b'x')}";
    using namespace std::string_literals;
    CHECK(shown("(dp0\nVa\np1\n(lp2\nI1\naI-1\naI300\naI70000\naL1099511627776L\naI01\naNaF1.5\nasVb\np3\n(S'x'\ntp4\ns.") == expected);
    CHECK(shown("\x80\x02}q\0(X\x01\0\0\0aq\x01]q\x02(K\x01J\xff\xff\xff\xffM,\x01J\x70\x11\x01\0\x8a\x06\0\0\0\0\0\x01\x88NG?\xf8\0\0\0\0\0\0e"
                "X\x01\0\0\0bq\x03U\x01x\x85q\x04u."s)
          == expected);
    CHECK(shown("\x80\x04\x95\x3e\0\0\0\0\0\0\0}\x94(\x8c\x01\x61\x94]\x94(K\x01J\xff\xff\xff\xffM,\x01J\x70\x11\x01\0\x8b\x06\0\0\0\0\0\0\0\0\x01"
                "\x88NG?\xf8\0\0\0\0\0\0e\x8c\x01\x62\x94\x43\x01x\x85\x94u."s)
          == as_bytes);
}

TEST_CASE("every opcode of the protocols 0 to 5 does what it is defined to do")
{
    using namespace std::string_literals;
    CHECK(shown("(K\x01K\x02l.") == "[1, 2]");
    CHECK(shown("(K\x01K\x02" "d.") == "{1: 2}");
    CHECK(shown("K\x01\x85.") == "(1)");
    CHECK(shown("K\x01K\x02\x86.") == "(1, 2)");
    CHECK(shown("K\x01K\x02K\x03\x87.") == "(1, 2, 3)");
    CHECK(shown("]K\x01" "a(K\x02K\x03" "e.") == "[1, 2, 3]");
    CHECK(shown("\x8f(K\x01\x90.") == "<1>");
    CHECK(shown("(K\x01\x91.") == "<1>");
    CHECK(shown("K\x01K\x02" "0.") == "1");
    CHECK(shown("K\x01(0.") == "1");            // what POP takes may be a mark
    CHECK(shown("K\x01(K\x02" "1.") == "1");
    CHECK(shown("K\x05" "2\x86.") == "(5, 5)");
    CHECK(shown("K\x05p7\n0g7\n.") == "5");
    CHECK(shown("K\x05q\x07" "0h\x07.") == "5");
    CHECK(shown("K\x05r\xff\xff\xff\xff" "0j\xff\xff\xff\xff.") == "5");
    CHECK(shown("K\x05\x94K\x06\x94" "0h\x01\x86.") == "(5, 6)");
    CHECK(shown("\x8d\x02\0\0\0\0\0\0\0ab."s) == "'ab'");
    CHECK(shown("T\x02\0\0\0ab."s) == "'ab'");
    CHECK(shown("B\x02\0\0\0ab."s) == "b'ab'");
    CHECK(shown("\x8e\x02\0\0\0\0\0\0\0ab."s) == "b'ab'");
    CHECK(shown("\x96\x02\0\0\0\0\0\0\0ab."s) == "b'ab'");
    CHECK(shown("S\"ab\"\n.") == "'ab'");
    CHECK(shown("\x8a\0."s) == "0");
    CHECK(shown("\x8a\x01\xff.") == "-1");
    CHECK(shown("\x8a\x08\0\0\0\0\0\0\0\x80."s) == "-9223372036854775808");
    CHECK(shown("\x8a\x09\0\0\0\0\0\0\0\x80\0."s) == "large");
    CHECK(shown("L9223372036854775808L\n.") == "large");
    CHECK(shown("I00\n.") == "False");
    CHECK(shown("cmodule.sub\nName\n.") == "module.sub.Name");
    CHECK(shown("\x8c\x01m\x8c\x01n\x93.") == "m.n");
    CHECK(shown("cm\nf\n(K\x01tR.") == "m.f(1)");
    CHECK(shown("cm\nC\n)\x81}K\x01K\x02s" "b.") == "m.C().{1: 2}");
    CHECK(shown("cm\nC\n)}\x92.") == "m.C()");
    CHECK(shown("(K\x01im\nC\n.") == "m.C(1)");
    CHECK(shown("(cm\nC\nK\x01o.") == "m.C(1)");
    CHECK(shown("cm\nC\n)RK\x01K\x02s.") == "m.C()[1: 2]");
    CHECK(shown("cm\nC\n)RK\x01" "a.") == "m.C()[1]");
    CHECK(shown("K\x07Q.") == "id 7");
    CHECK(shown("P7\n.") == "id '7'");
    CHECK(shown("K\x07K\x08" "b.") == "7");  // a number has no attributes
}

TEST_CASE("objects of a pickle may hold each other")
{
    CHECK(shown("]q\x01h\x01" "a.") == "[[[[[[[...]]]]]]]");
    const detail::pickle p = read("]q\x01h\x01h\x01\x87q\x02" "0h\x02.");
    CHECK(p.values.size() == 3);  // None, the list, the tuple
}

TEST_CASE("a pickle that is cut off or that makes no sense is refused at its opcode")
{
    using namespace std::string_literals;
    const auto at = [](std::size_t position, std::string_view fault) {
        return fmt::format("f.pt: byte {}: data.pkl: {}; download or write the file again", 100 + position, fault);
    };
    CHECK(refused("") == at(0, "the pickle needs 1 bytes more here, but 0 are left"));
    CHECK(refused("\x80\x02") == at(2, "the pickle needs 1 bytes more here, but 0 are left"));
    CHECK(refused("NX\xff\xff\xff\xff" "abc") == at(1, "the pickle needs 4294967295 bytes more here, but 3 are left"));
    CHECK(refused("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.") == at(0, "the pickle needs 18446744073709551615 bytes more here, but 1 are left"));
    CHECK(refused("\x8b\xff\xff\xff\x7f.") == at(0, "the pickle needs 2147483647 bytes more here, but 1 are left"));
    CHECK(refused("Sendless") == at(0, "a line of the pickle does not end"));
    CHECK(refused("\x80\x06N.") == at(0, "pickle protocol 6, expected 0 to 5"));
    CHECK(refused("N\x97.") == at(1, "opcode 0x97 is none that a PyTorch checkpoint has"));
    CHECK(refused("\x82\x01.") == at(0, "opcode 0x82 is none that a PyTorch checkpoint has"));
    CHECK(refused(".") == at(0, "the pickle takes more from its stack than lies there"));
    CHECK(refused("N\x86.") == at(1, "the pickle takes more from its stack than lies there"));
    CHECK(refused("N(0R.") == at(3, "the pickle takes more from its stack than lies there"));
    CHECK(refused("N(R.") == at(2, "the pickle takes more from its stack than lies there"));
    CHECK(refused("Nt.") == at(1, "the pickle goes back to a mark that is not there"));
    CHECK(refused("h\x05.") == at(0, "place 5 of the memo is empty"));
    CHECK(refused("gx\n.") == at(0, "'x' is no place of the memo"));
    CHECK(refused("Ix\n.") == at(0, "'x' is no whole number"));
    CHECK(refused("F1.5x\n.") == at(0, "'1.5x' is no number"));
    CHECK(refused("(K\x01" "d.") == at(3, "the last key of a dict has no value"));
    CHECK(refused("}(K\x01u.") == at(4, "the last key of a dict has no value"));
    CHECK(refused("NK\x01" "a.") == at(3, "the pickle puts something into an object that is no such container"));
    CHECK(refused("}K\x01" "a.") == at(3, "the pickle puts something into an object that is no such container"));
    CHECK(refused("]K\x01K\x02s.") == at(5, "the pickle puts something into an object that is no such container"));
    CHECK(refused("cm\nC\n)RK\x01" "aK\x01K\x02s.") == at(14, "the pickle puts something into an object that is no such container"));
    CHECK(refused("NN\x93.") == at(2, "a class is named by something else than two texts"));
    CHECK(refused("(o.") == at(1, "an object has no class"));

    const std::string unpacked = "K";
    CHECK(message<io_error>([&] { (void)detail::read_pickle({.path = path, .text = unpacked, .field = "data.pkl"}); })
          == "f.pt: data.pkl: byte 0 of what it unpacks to: the pickle needs 1 bytes more here, but 0 are left; download or write the "
             "file again");
}

TEST_CASE("a pickle of more values than any checkpoint has is refused")
{
    CHECK(refused(std::string(2'097'152, ']'))
          == "f.pt: byte 2097251: data.pkl: the pickle holds more than 2097152 values, which no checkpoint needs; download or write the "
             "file again");
    CHECK(refused(std::string(2'097'153, 'N'))
          == "f.pt: byte 2097252: data.pkl: the pickle lays more than 2097152 values on its stack, which no checkpoint needs; download "
             "or write the file again");
}
