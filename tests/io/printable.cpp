#include <string>
#include <string_view>

#include <weightscope/io/printable.hpp>

#include "../catch.hpp"

using namespace weightscope;
using namespace std::string_view_literals;

TEST_CASE("printable text is left as it is")
{
    CHECK(printable("model.layers.0.weight") == "model.layers.0.weight");
    CHECK(printable("größe 権重 🙂") == "größe 権重 🙂");
    CHECK(printable("").empty());
}

TEST_CASE("control characters and stray bytes are escaped")
{
    CHECK(printable("a\nb\x1b[31m\0c"sv) == "a\\u{a}b\\u{1b}[31m\\u{0}c");
    CHECK(printable("\xff\xfe") == "\\xff\\xfe");
    CHECK(printable("\x7f") == "\\u{7f}");
    CHECK(printable("\xc2\x9b") == "\\u{9b}");        // CSI in one character
    CHECK(printable("\xe2\x80\xae") == "\\u{202e}");  // turns the text behind it
    CHECK(printable("\xe2\x80\xa8") == "\\u{2028}");  // line separator
    CHECK(printable("a\xc3") == "a\\xc3");            // cut in a character
}

TEST_CASE("long text is cut at a character")
{
    CHECK(printable("abcdef", 6) == "abcdef");
    CHECK(printable("abcdefg", 6) == "abcdef...");
    CHECK(printable("aaaaaä", 6) == "aaaaa...");
    CHECK(printable(std::string(1000, '\n'), 10) == "\\u{a}\\u{a}...");
}

TEST_CASE("text that is not UTF-8 is found at its first bad byte")
{
    CHECK(!find_invalid_utf8("plain, größe, 権, 🙂"));
    CHECK(!find_invalid_utf8("\0"sv));
    CHECK(!find_invalid_utf8("\xf4\x8f\xbf\xbf"));  // U+10FFFF
    CHECK(find_invalid_utf8("ab\xff") == 2u);
    CHECK(find_invalid_utf8("ab\x80") == 2u);             // continuation without lead
    CHECK(find_invalid_utf8("\xc0\x80") == 0u);           // overlong
    CHECK(find_invalid_utf8("a\xe0\x80\xaf") == 1u);      // overlong
    CHECK(find_invalid_utf8("a\xf0\x80\x80\xaf") == 1u);  // overlong
    CHECK(find_invalid_utf8("a\xed\xa0\x80") == 1u);      // surrogate
    CHECK(find_invalid_utf8("\xf4\x90\x80\x80") == 0u);   // past U+10FFFF
    CHECK(find_invalid_utf8("a\xf5\x80\x80\x80") == 1u);
    CHECK(find_invalid_utf8("ab\xe2\x82") == 2u);  // cut
    CHECK(find_invalid_utf8("ab\xe2\x28\xa1") == 2u);
}
