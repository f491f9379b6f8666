#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

xt::xtensor<float, 2> gaussian(std::size_t rows, std::size_t cols)
{
    return random_normal<float>({rows, cols}, {.seed = 1, .std = 0.02});
}

}  // namespace

TEST_CASE("each bit of a float's exponent that is set in one weight is found, where it lifts the weight far enough")
{
    xt::xtensor<float, 2> w = gaussian(50, 70);
    const float before = w(20, 30);
    for (unsigned bit = 0; bit < 8; ++bit) {
        const auto bits = std::bit_cast<std::uint32_t>(before);
        w(20, 30) = std::bit_cast<float>(bits | 1u << (23 + bit));
        const bit_flips_result r = detect_bit_flips(w);
        const bool far = (bits >> (23 + bit) & 1) == 0 && bit >= 4;  // 2^16 and more: from the smallest weight above the largest
        INFO(bit);
        if (far) {
            REQUIRE(r.suspect_count == 1);
            CHECK(r.index == 20 * 70 + 30);
            CHECK(r.restored.value == before);
            CHECK(r.value.value == w(20, 30));
            CHECK(r.exponent_bit == static_cast<int>(bit));
        } else if ((bits >> (23 + bit) & 1) != 0)
            CHECK(r.suspect_count == 0);
    }
}

TEST_CASE("two flips are found, and the larger one is told")
{
    xt::xtensor<float, 2> w = gaussian(50, 70);
    w(1, 2) = -0x1p121f;  // -2^-7 with the top bit
    w(3, 4) = 0x1p122f;
    const bit_flips_result r = detect_bit_flips(w);
    CHECK(r.suspect_count == 2);
    CHECK(r.index == 3 * 70 + 4);
    CHECK(r.restored.value == 0x1p-6);
    CHECK(r.excess_bits.value > 120);
    CHECK(detect_bit_flips(w, {.most_suspects = 1}).suspect_count == 0);
}

TEST_CASE("half precision has its own exponent")
{
    xt::xtensor<float16, 1> w = xt::empty<float16>({2000});
    const xt::xtensor<float, 2> values = gaussian(40, 50);
    for (std::size_t i = 0; i < w.size(); ++i)
        w(i) = float16(values.flat(i));
    w(7) = float16(0.0078125f);             // 2^-7: exponent field 8
    w(7) = float16::from_bits(static_cast<std::uint16_t>(w(7).bits | 1u << 14));  // field 24: 2^9
    const bit_flips_result r = detect_bit_flips(w);
    REQUIRE(r.suspect_count == 1);
    CHECK(r.value.value == 512);
    CHECK(r.restored.value == 0.0078125);
    CHECK(r.exponent_bit == 4);
}

TEST_CASE("healthy weights, outliers that no bit explains, tails and integers are not suspected")
{
    xt::xtensor<float, 2> w = gaussian(50, 70);
    CHECK(detect_bit_flips(w).suspect_count == 0);
    CHECK(detect_bit_flips(w).value.reason == "no suspect");
    w(0, 0) = 32;
    CHECK(detect_bit_flips(w).suspect_count == 0);
    for (std::size_t i = 0; i < 20; ++i)
        w.flat(i) = 0x1p121f;
    CHECK(detect_bit_flips(w).suspect_count == 0);
    w.fill(0);
    w(0, 0) = 1;
    CHECK(detect_bit_flips(w).suspect_count == 0);
    const xt::xtensor<std::int32_t, 1> codes = {1, 2, 1 << 30};
    CHECK(detect_bit_flips(codes).suspect_count == 0);
    CHECK(detect_bit_flips(xt::xtensor<float, 1>{}).suspect_count == 0);
}

TEST_CASE("NaN and infinity are passed by")
{
    xt::xtensor<float, 2> w = gaussian(50, 70);
    w(1, 1) = std::numeric_limits<float>::infinity();
    w(1, 2) = std::numeric_limits<float>::quiet_NaN();
    CHECK(detect_bit_flips(w).suspect_count == 0);
    w(3, 4) = 0x1p122f;
    CHECK(detect_bit_flips(w).suspect_count == 1);
}

TEST_CASE("options of a search for flips have their range")
{
    const xt::xtensor<float, 1> w = {1, 2};
    CHECK_THROWS_WITH(detect_bit_flips(w, {.least_excess_bits = 0}),
                      "weightscope::detect_bit_flips(weights, options): least_excess_bits is 0, expected 1 or more");
    CHECK_THROWS_WITH(detect_bit_flips(w, {.most_suspects = 65}),
                      "weightscope::detect_bit_flips(weights, options): most_suspects is 65, expected 1 to 64");
}
