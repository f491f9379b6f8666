#include <weightscope/quantizers/power_scale.hpp>

#include <bit>
#include <cmath>
#include <cstdint>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("the whole part of a float's logarithm is that of the logarithm rounded to float, of every exponent")
{
    long different = 0;
    const auto check = [&](std::int32_t bits) {
        const auto wanted = static_cast<std::int32_t>(std::floor(std::log2(std::bit_cast<float>(bits)))) + 127;
        different += detail::floor_of_float_log2(bits) != (wanted < 0 ? 0 : wanted);
    };
    for (std::int32_t exponent = 0; exponent < 255; ++exponent) {
        for (std::int32_t missing = 1; missing <= 512; ++missing)  // up to 88 below a power of two the logarithm is rounded up
            check(((exponent + 1) << 23) - missing);
        for (std::int32_t mantissa = 0x4321; mantissa < 0x800000; mantissa += 0x12345)
            check(exponent << 23 | mantissa);
    }
    CHECK(different == 0);
}
