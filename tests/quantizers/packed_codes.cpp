#include <cstdint>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/quantizers/packed_codes.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("packed codes by hand")
{
    const std::vector<std::int8_t> codes = {1, -1, 7, -8, 3};
    // nibbles 1, f, 7, 8, 3, low ones first
    CHECK(pack_codes(codes, 4) == std::vector<std::uint8_t>{0xf1, 0x87, 0x03});
    // 2 bits: 1, -1, 0, -2 = 01, 11, 00, 10, from the lowest bit up
    const std::vector<std::int8_t> two = {1, -1, 0, -2};
    CHECK(pack_codes(two, 2) == std::vector<std::uint8_t>{0b10'00'11'01});
    // 3 bits: 3, -4, -1 = 011, 100, 111: the third code has two bits in the first byte and one in the second
    const std::vector<std::int8_t> three = {3, -4, -1};
    CHECK(pack_codes(three, 3) == std::vector<std::uint8_t>{0b11'100'011, 0b1});
    const std::vector<std::int16_t> wide = {-2, 0x1234};
    CHECK(pack_codes(wide, 16) == std::vector<std::uint8_t>{0xfe, 0xff, 0x34, 0x12});
}

TEST_CASE("all pairs of codes are unpacked as they were packed")
{
    for (const int bits : {2, 3, 4, 5, 6, 7, 8}) {
        const int lowest = -(1 << (bits - 1)), highest = -lowest - 1;
        for (int a = lowest; a <= highest; ++a)
            for (int b = lowest; b <= highest; ++b) {
                const std::vector<std::int16_t> codes = {static_cast<std::int16_t>(a), static_cast<std::int16_t>(b)};
                if (unpack_codes(pack_codes(codes, bits), bits, 2) != codes)
                    FAIL("bits " << bits << ": " << a << ", " << b);
            }
    }
    SUCCEED();
}

TEST_CASE("runs of any length are unpacked as they were packed")
{
    random_stream random(1);
    for (const int bits : {2, 3, 4, 5, 6, 7, 8, 16})
        for (std::size_t count = 0; count < 70; ++count) {
            std::vector<std::int16_t> codes(count);
            for (std::int16_t& code : codes)
                code = static_cast<std::int16_t>(static_cast<int>(random.below(1u << bits)) - (1 << (bits - 1)));
            const auto packed = pack_codes(codes, bits);
            CHECK(packed.size() == (count * static_cast<std::size_t>(bits) + 7) / 8);
            CHECK(unpack_codes(packed, bits, count) == codes);
        }
}

TEST_CASE("codes that do not fit are refused")
{
    const std::vector<std::int16_t> codes = {8};
    CHECK_THROWS_WITH(pack_codes(codes, 4), "weightscope::pack_codes(codes, bits): a code is 8, expected -8 to 7 for 4 bits");
    CHECK_THROWS_WITH(pack_codes(codes, 1), "weightscope::pack_codes(codes, bits): bits is 1, expected 2 to 8 or 16");
    const std::vector<std::uint8_t> packed(3);
    CHECK_THROWS_WITH(unpack_codes(packed, 4, 7), "weightscope::unpack_codes(packed, bits, count): packed has 3 bytes, expected 4 for 7 codes of 4 bits");
    CHECK_THROWS_WITH(unpack_codes(packed, 9, 2), "weightscope::unpack_codes(packed, bits, count): bits is 9, expected 2 to 8 or 16");
}
