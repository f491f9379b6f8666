#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/storage_step.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

template <class T>
storage_step step_of(T weight, double step)
{
    return make_storage_step(dtype_of<T>, std::as_bytes(std::span(&weight, 1)), step);
}

template <class T>
double value_of(const storage_step& step)
{
    T value;
    std::memcpy(&value, step.bytes.data(), sizeof value);
    return static_cast<double>(value);
}

}  // namespace

TEST_CASE("a step is what the format makes of it")
{
    // bfloat16 at 1: neighbours above are 1/128 apart, below 1/256. 0.02 is 2.56 places: 3 up; 5.12 places: 5 down
    CHECK(step_of(bfloat16(1.0f), 0.02).distance == 3.0 / 128);
    CHECK(step_of(bfloat16(1.0f), -0.02).distance == -5.0 / 256);
    // never less than two places, even if nothing is asked for
    CHECK(step_of(bfloat16(1.0f), 1e-5).distance == 2.0 / 128);
    CHECK(step_of(bfloat16(1.0f), -1e-5).distance == -2.0 / 256);
    CHECK(step_of(bfloat16(1.0f), -0.0).distance == -2.0 / 256);
    CHECK(step_of(1.0f, 0).distance == 0x1p-22);
    // float8 e4m3 at 1: 1/8 apart
    CHECK(step_of(float8_e4m3(1.0f), 0.01).distance == 0.25);
    // zero has neighbours on both sides: the two smallest codes
    CHECK(step_of(float16(0.0f), 1e-9).distance == 2 * 0x1p-24);
    CHECK(step_of(float16(0.0f), -1e-9).distance == -2 * 0x1p-24);
    CHECK(step_of(float16(-0.0f), 1e-9).distance == 2 * 0x1p-24);
}

TEST_CASE("steps stop at the largest number, and end where there are none")
{
    CHECK(step_of(float8_e4m3(440.0f), 1e3).distance == 0);  // 448 is one place away
    CHECK(step_of(float8_e4m3(416.0f), 1e3).distance == 0);
    CHECK(step_of(float8_e4m3(384.0f), 1e3).distance == 64);  // 384, 416, 448
    CHECK(step_of(float16(65504.0f), 1).distance == 0);
    CHECK(step_of(float16(65504.0f), -1).distance == -64);
    CHECK(step_of(std::numeric_limits<double>::max(), 1e300).distance == 0);
}

TEMPLATE_TEST_CASE("every code of a small format steps to a finite neighbour at least two places away", "", float16, bfloat16, float8_e4m3,
                   float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz)
{
    using T = TestType;
    for (unsigned code = 0; code < (1u << (8 * sizeof(T))); ++code) {
        const T weight = T::from_bits(static_cast<typename T::bits_type>(code));
        const double w = static_cast<double>(weight);
        if (!std::isfinite(w))
            continue;
        for (const double step : {1e-30, -1e-30, 0.01, -0.01, 1e30, -1e30}) {
            const storage_step found = step_of(weight, step);
            if (found.distance == 0) {  // only beside the end of the range
                REQUIRE(std::fabs(w) > 0.5 * static_cast<double>(T::max_finite));
                continue;
            }
            REQUIRE(value_of<T>(found) == w + found.distance);
            REQUIRE(std::signbit(found.distance) == std::signbit(step));
            REQUIRE(std::isfinite(value_of<T>(found)));
            // nearest to what was asked for, unless that is less than two places
            const double asked = static_cast<double>(T(static_cast<float>(w + step)));
            if (std::isfinite(asked) && std::fabs(asked - w) > std::fabs(found.distance))
                FAIL("asked for " << asked << " from " << w << ", got " << w + found.distance);
        }
    }
}

TEST_CASE("random rounding is right on average and never further than one place")
{
    const counter_random random(3, "rounding", "w");
    for (const double target : {1.003, -0.7512345, 1e-6, 300.7}) {
        double sum = 0;
        const int n = 20000;
        const double nearest = static_cast<double>(bfloat16(target));
        const double place = std::fabs(nearest) * 0x1p-7;
        for (int i = 0; i < n; ++i) {
            const double rounded = static_cast<double>(detail::rounded_at_random<bfloat16>(target, random.uniform(static_cast<std::uint64_t>(i), 0)));
            REQUIRE(std::fabs(rounded - target) < place);
            sum += rounded;
        }
        CHECK(std::fabs(sum / n - target) < 4.5 * place / 2 / std::sqrt(n));  // standard deviation at most half a place
    }
    CHECK(static_cast<float>(detail::rounded_at_random<float8_e4m3>(1e9, 0.5)) == 448.0f);
    CHECK(static_cast<float>(detail::rounded_at_random<float16>(-1e9, 0.5)) == -65504.0f);
    CHECK(static_cast<float>(detail::rounded_at_random<float16>(1.5, 0.999)) == 1.5f);
}

TEST_CASE("steps that make no sense are refused")
{
    const std::int8_t code = 3;
    CHECK_THROWS_WITH(make_storage_step(dtype::int8, std::as_bytes(std::span(&code, 1)), 1),
                      "weightscope::make_storage_step(type, weight, step): I8 has no small steps, expected floating point");
    CHECK_THROWS_WITH(step_of(1.0f, NAN), "weightscope::make_storage_step(type, weight, step): step is nan, expected finite");
    CHECK_THROWS_WITH(step_of(INFINITY, 1), "weightscope::make_storage_step(type, weight, step): the weight is inf, expected finite");
    CHECK_THROWS_WITH(make_storage_step(dtype::float32, std::as_bytes(std::span(&code, 1)), 1),
                      "weightscope::make_storage_step(type, weight, step): 1 bytes for one F32, expected 4");
}

TEMPLATE_TEST_CASE("the inner of two opposite steps mirrors the outer one exactly", "", float, float16, bfloat16, float8_e4m3, float8_e5m2)
{
    using T = TestType;
    const counter_random rounding(1, "rounding", "w");
    random_stream random(2);
    for (std::size_t i = 0; i < 3000; ++i) {
        const T weight(random.normal());
        const double w = static_cast<double>(weight), step = w * random.uniform();  // outward; no further than the weight itself
        if (std::fabs(w) < 0.01)  // subnormals of the smallest formats, where a step rounds to nothing
            continue;
        const double up = static_cast<double>(detail::stepped_weight(weight, step, i, rounding, 5));
        const double down = static_cast<double>(detail::stepped_weight(weight, -step, i, rounding, 5));
        REQUIRE(up + down == 2 * w);
        REQUIRE(std::fabs(up - (w + step)) <= std::fabs(w + step) * 2 * detail::relative_place(dtype_of<T>));
    }
}
