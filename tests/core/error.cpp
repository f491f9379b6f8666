#include <string>

#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("a requirement that does not hold names the function and the values")
{
    CHECK_NOTHROW(require(true, "f(x): x is {}", 1));
    CHECK_THROWS_AS(require(false, "f(x): x is {}", 1), std::invalid_argument);
    CHECK_THROWS_WITH(require(false, "f(x): x is {}, expected {}", 1, "more"), "weightscope::f(x): x is 1, expected more");
}

TEST_CASE("a file error says file, byte, field and fault in one line")
{
    const io_error error("a/b.safetensors", 8, "header", "is not JSON; download it again");
    CHECK(std::string(error.what()) == "a/b.safetensors: byte 8: header: is not JSON; download it again");
    CHECK(error.file() == "a/b.safetensors");
    CHECK(error.offset() == 8u);
    CHECK(error.field() == "header");
    CHECK(std::string(io_error("f", std::nullopt, "", "no such file").what()) == "f: no such file");
    CHECK(std::string(write_error("f", "disk full").what()) == "f: disk full");
}
