#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/io/natural_order.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("digits are compared as numbers")
{
    CHECK(natural_less("layers.2", "layers.10"));
    CHECK(!natural_less("layers.10", "layers.2"));
    CHECK(natural_less("layers.2.b", "layers.10.a"));
    CHECK(natural_less("checkpoint-999", "checkpoint-1000"));
    CHECK(natural_less("a1b2", "a1b10"));
    CHECK(natural_less("x99999999999999999999998", "x99999999999999999999999"));  // more than 64 bits
    CHECK(natural_less("x9", "x10000000000000000000000000000"));
}

TEST_CASE("everything else is compared by bytes")
{
    CHECK(natural_less("a", "b"));
    CHECK(natural_less("", "a"));
    CHECK(natural_less("layer", "layers"));
    CHECK(natural_less("B", "a"));
    CHECK(natural_less("a.b", "a1"));  // '.' stands before '1'
    CHECK(natural_less("z", "\xc3\xa4"));
    CHECK(!natural_less("same", "same"));
}

TEST_CASE("leading zeros count last")
{
    CHECK(natural_less("model-00002", "model-10"));
    CHECK(natural_less("a01", "a1"));
    CHECK(!natural_less("a1", "a01"));
    CHECK(natural_less("a01b", "a1c"));
    CHECK(natural_less("a0", "a1"));
    CHECK(natural_less("a00", "a1"));
}

TEST_CASE("natural order is a strict total order")
{
    std::vector<std::string> names;
    for (const char* head : {"", "a", "0", "00", "10", "."})
        for (const char* middle : {"", "1", "01", "9", "a"})
            for (const char* tail : {"", "b", "2", "002", "-"})
                names.push_back(std::string(head) + middle + tail);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::sort(names.begin(), names.end(), natural_less);
    bool total = true;
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = 0; j < names.size(); ++j)
            total = total && natural_less(names[i], names[j]) == (i < j);
    CHECK(total);
}
