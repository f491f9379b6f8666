#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/io/npy.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;
using files::message;

TEST_CASE("token files hold rows, or one text that is cut, of any integer type")
{
    const files::temporary_folder folder;
    const auto path = folder / "tokens.npy";
    write_npy(path, xt::xtensor<std::int16_t, 2>{{1, 2, 3}, {4, 5, -100}});
    const token_rows rows = read_tokens(path);
    CHECK(rows.rows == 2);
    CHECK(rows.length == 3);
    CHECK(rows.tokens == std::vector<std::int32_t>{1, 2, 3, 4, 5, -1});
    write_npy(path, xt::xtensor<std::uint16_t, 1>{1, 2, 3, 4, 65535});
    const token_rows cut = read_tokens(path, {.length = 3});
    CHECK(cut.rows == 2);
    CHECK(cut.tokens == std::vector<std::int32_t>{1, 2, 3, 4, 65535, -1});
    CHECK(read_tokens(path).length == 512);
    write_npy(path, xt::xtensor<std::uint8_t, 2>{{255, 0}});
    CHECK(read_tokens(path).tokens == std::vector<std::int32_t>{255, 0});
    write_npy(path, xt::xtensor<std::int64_t, 2>{{2147483647, std::numeric_limits<std::int64_t>::min()}});
    CHECK(read_tokens(path).tokens == std::vector<std::int32_t>{2147483647, -1});
}

TEST_CASE("what holds no tokens is refused")
{
    const files::temporary_folder folder;
    const auto path = folder / "tokens.npy";
    const auto refusal = [&] { return message<io_error>([&] { (void)read_tokens(path); }); };
    const std::string prefix = path.string() + ": ";
    write_npy(path, xt::xtensor<float, 2>{{1, 2}});
    CHECK(refusal() == prefix + "holds F32 of shape [1, 2], expected integers [rows, length] or [count]");
    write_npy(path, xt::xtensor<std::int32_t, 3>{{{1, 2}}});
    CHECK(refusal() == prefix + "holds I32 of shape [1, 1, 2], expected integers [rows, length] or [count]");
    write_npy(path, xt::xtensor<std::int32_t, 1>(std::array<std::size_t, 1>{0}));
    CHECK(refusal() == prefix + "holds I32 of shape [0], expected integers [rows, length] or [count]");
    write_npy(path, xt::xtensor<std::int64_t, 1>{1, 2147483648});
    CHECK(refusal() == prefix + "token 1: is 2147483648, expected the number of a token");
    write_npy(path, xt::xtensor<std::uint64_t, 1>{std::numeric_limits<std::uint64_t>::max()});
    CHECK(refusal() == prefix + "token 0: is 18446744073709551615, expected the number of a token");
    CHECK(message<std::invalid_argument>([&] { (void)read_tokens(path, {.length = 1}); })
          == "weightscope::read_tokens(path, options): options.length is 1, expected 2 or more");
}
