#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/analyzers/bit_codes.hpp>
#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// The figures of one bit position, weight by weight.
struct brute_position
{
    std::uint64_t flips = 0, nan = 0, infinite = 0, unchanged = 0, above_max = 0, above_rms = 0;
    double most = -1, sum = 0, squares = 0;
    std::size_t index = 0;
    std::map<int, std::uint64_t> binades = {};
};

template <class T>
double as_double(const T& x)
{
    return static_cast<double>(x);
}

template <class T, class Code>
brute_position brute_force(const std::vector<T>& weights, unsigned bit, double max, double limit)
{
    brute_position p;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double old_value = as_double(weights[i]);
        if (!std::isfinite(old_value))
            continue;
        const T flipped = std::bit_cast<T>(static_cast<Code>(std::bit_cast<Code>(weights[i]) ^ Code{1} << bit));
        const double new_value = as_double(flipped);
        ++p.flips;
        if (std::isnan(new_value)) {
            ++p.nan;
            continue;
        }
        if (std::isinf(new_value)) {
            ++p.infinite;
            continue;
        }
        const double change = std::min(std::fabs(new_value - old_value), std::numeric_limits<double>::max());
        if (change == 0) {
            ++p.unchanged;
            continue;
        }
        p.sum += change;
        p.squares += change * change;
        ++p.binades[std::ilogb(change)];
        p.above_max += change > max;
        p.above_rms += change > limit;
        if (change > p.most) {
            p.most = change;
            p.index = i;
        }
    }
    return p;
}

template <class T, class Code>
void check_against_brute_force(const std::vector<T>& weights)
{
    const auto view = xt::adapt(weights.data(), weights.size(), xt::no_ownership(), std::vector<std::size_t>{weights.size()});
    const bit_map_result map = analyze_bit_map(view);
    double max = 0, squares = 0;
    std::uint64_t finite = 0, zeros = 0;
    std::map<int, std::uint64_t> exponents;
    for (const T& w : weights) {
        const double x = as_double(w);
        if (!std::isfinite(x))
            continue;
        ++finite;
        max = std::max(max, std::fabs(x));
        squares += x * x;
        zeros += x == 0;
        if (x != 0)
            ++exponents[std::ilogb(x)];
    }
    const double rms = finite > 0 ? std::sqrt(squares / static_cast<double>(finite)) : 0;
    CHECK(map.size == weights.size());
    CHECK(map.nonfinite_count == weights.size() - finite);
    CHECK(map.zero_count == zeros);
    CHECK(map.max_magnitude == max);
    if (std::isfinite(squares))
        CHECK(map.rms == Approx(rms).epsilon(1e-12));
    const auto same_binades = [](const std::vector<binade_count>& list, const std::map<int, std::uint64_t>& expected) {
        return std::equal(list.begin(), list.end(), expected.begin(), expected.end(),
                          [](const binade_count& a, const auto& b) { return a.exponent == b.first && a.count == b.second; });
    };
    CHECK(same_binades(map.exponents, exponents));
    REQUIRE(map.positions.size() == 8 * sizeof(T));
    for (unsigned bit = 0; bit < map.positions.size(); ++bit) {
        const bit_position& p = map.positions[bit];
        const brute_position b = brute_force<T, Code>(weights, bit, max, 10 * map.rms);
        const std::uint64_t ended = b.flips - b.nan - b.infinite;
        const bool counts = p.bit == bit && p.flip_count == b.flips && p.nan_count == b.nan && p.infinite_count == b.infinite
                            && p.unchanged_count == b.unchanged && p.above_max_count == b.above_max && p.above_rms_count == b.above_rms;
        const bool largest = p.max_change.exists() == (b.most >= 0) && (b.most < 0 || (p.max_change.value == b.most && p.max_index == b.index));
        const bool values = b.most < 0
                            || (p.max_old == as_double(weights[b.index])
                                && (std::fabs(p.max_new - p.max_old) == b.most || b.most == std::numeric_limits<double>::max()));
        INFO("bit " << bit << ": " << p.flip_count << " " << p.nan_count << " " << p.infinite_count << " " << p.unchanged_count << " "
                    << p.above_max_count << " " << p.above_rms_count << ", max " << p.max_change.value << " at " << p.max_index << "; expected "
                    << b.flips << " " << b.nan << " " << b.infinite << " " << b.unchanged << " " << b.above_max << " " << b.above_rms << ", max "
                    << b.most << " at " << b.index);
        CHECK(counts);
        CHECK(largest);
        CHECK(values);
        CHECK(same_binades(p.changes, b.binades));
        if (std::isfinite(b.squares))
            CHECK(p.mean_change.exists() == (ended > 0));
        if (ended > 0 && std::isfinite(b.squares)) {
            CHECK(p.mean_change.value == Approx(b.sum / static_cast<double>(ended)).epsilon(1e-11).margin(1e-300));
            CHECK(p.rms_change.value == Approx(std::sqrt(b.squares / static_cast<double>(ended))).epsilon(1e-11).margin(1e-300));
        }
    }
}

template <class T, class Code>
std::vector<T> random_codes(std::size_t count, std::uint64_t seed)
{
    std::vector<T> result(count);
    std::uint64_t state = seed;
    for (T& w : result) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        w = std::bit_cast<T>(static_cast<Code>(state >> (64 - 8 * sizeof(Code))));
    }
    return result;
}

template <class T>
std::vector<T> gaussian(std::size_t count)
{
    const xt::xtensor<float, 1> values = random_normal<float>({count}, {.seed = 3, .std = 0.02});
    std::vector<T> result;
    for (const float x : values)
        result.push_back(static_cast<T>(x));
    return result;
}

template <class T, class Code>
std::vector<T> every_code()
{
    std::vector<T> result;
    for (std::uint32_t code = 0; code < 1u << (8 * sizeof(Code)); ++code)
        result.push_back(std::bit_cast<T>(static_cast<Code>(code)));
    return result;
}

}  // namespace

TEST_CASE("the map of a float tensor is what each bit of each weight does, at every exponent")
{
    check_against_brute_force<float, std::uint32_t>(gaussian<float>(20000));
    check_against_brute_force<float, std::uint32_t>(random_codes<float, std::uint32_t>(65536, 1));
    // every exponent with mantissas at the limits of what the changes' binades depend on
    std::vector<float> all;
    for (std::uint32_t field = 0; field < 256; ++field)
        for (const std::uint32_t mantissa : {0u, 1u, 2u, 3u, 128u, 129u, 32896u, 32897u, 559240u, 559241u, 2796202u, 2796203u, 0x400000u, 0x7fffffu})
            for (const std::uint32_t sign : {0u, 1u})
                all.push_back(std::bit_cast<float>(sign << 31 | field << 23 | mantissa));
    std::vector<float> reversed(all.rbegin(), all.rend());
    check_against_brute_force<float, std::uint32_t>(all);
    check_against_brute_force<float, std::uint32_t>(reversed);
    check_against_brute_force<float, std::uint32_t>({});
    check_against_brute_force<float, std::uint32_t>({0.0f, -0.0f, 0.0f});
    check_against_brute_force<float, std::uint32_t>({1.5f, 1.5f, -1.5f, 1.0f, 0.0f});
    check_against_brute_force<float, std::uint32_t>({std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()});
    // around a class's limit, so that a part of it lies above max|w| and above ten times the root mean square
    std::vector<float> near;
    for (int i = 0; i < 3000; ++i)
        near.push_back(0.5f + 1e-4f * static_cast<float>(i));
    check_against_brute_force<float, std::uint32_t>(near);
    std::vector<float> spread(5000, 1e-3f);
    for (int i = 0; i < 40; ++i)
        spread.push_back(0.01f * static_cast<float>(i));
    check_against_brute_force<float, std::uint32_t>(spread);
}

TEST_CASE("the map of a tensor of 16 bits is what each bit of each weight does")
{
    check_against_brute_force<float16, std::uint16_t>(every_code<float16, std::uint16_t>());
    check_against_brute_force<bfloat16, std::uint16_t>(every_code<bfloat16, std::uint16_t>());
    check_against_brute_force<float16, std::uint16_t>(gaussian<float16>(100));
    check_against_brute_force<float16, std::uint16_t>(gaussian<float16>(300000));
    check_against_brute_force<bfloat16, std::uint16_t>(gaussian<bfloat16>(70001));
    check_against_brute_force<bfloat16, std::uint16_t>(std::vector<bfloat16>(5000, bfloat16(1.0f)));
    check_against_brute_force<std::int16_t, std::uint16_t>(random_codes<std::int16_t, std::uint16_t>(5000, 2));
    check_against_brute_force<float16, std::uint16_t>({});
}

TEST_CASE("the map of a tensor of 8 bits is what each bit of each weight does")
{
    check_against_brute_force<float8_e4m3, std::uint8_t>(every_code<float8_e4m3, std::uint8_t>());
    check_against_brute_force<float8_e5m2, std::uint8_t>(every_code<float8_e5m2, std::uint8_t>());
    check_against_brute_force<float8_e4m3fnuz, std::uint8_t>(every_code<float8_e4m3fnuz, std::uint8_t>());
    check_against_brute_force<float8_e8m0, std::uint8_t>(every_code<float8_e8m0, std::uint8_t>());
    check_against_brute_force<std::int8_t, std::uint8_t>(every_code<std::int8_t, std::uint8_t>());
    check_against_brute_force<std::uint8_t, std::uint8_t>(random_codes<std::uint8_t, std::uint8_t>(9999, 4));
}

TEST_CASE("the map of doubles and of wide integers is what each bit of each weight does")
{
    check_against_brute_force<double, std::uint64_t>(random_codes<double, std::uint64_t>(3000, 5));
    check_against_brute_force<double, std::uint64_t>(gaussian<double>(3000));
    check_against_brute_force<std::int32_t, std::uint32_t>(random_codes<std::int32_t, std::uint32_t>(3000, 6));
    check_against_brute_force<std::uint32_t, std::uint32_t>(random_codes<std::uint32_t, std::uint32_t>(3000, 7));
}

TEST_CASE("packed codes of less than a byte are mapped one by one")
{
    // 0x21 0x43 0x0f: 1, 2, 3, 4 and -1 in four bits of two's complement
    const std::vector<std::uint8_t> bytes = {0x21, 0x43, 0x0f};
    const bit_map_result map = detail::map_bits({reinterpret_cast<const std::byte*>(bytes.data()), 5, signed_bits(4)}, {});
    CHECK(map.size == 5);
    CHECK(map.max_magnitude == 4);
    CHECK(map.rms == Approx(std::sqrt(31 / 5.0)));  // 1 + 4 + 9 + 16 + 1
    REQUIRE(map.positions.size() == 4);
    for (unsigned bit = 0; bit < 4; ++bit) {
        CHECK(map.positions[bit].max_change.value == 1 << bit);
        CHECK(map.positions[bit].max_index == 0);
        CHECK(map.positions[bit].flip_count == 5);
    }
    CHECK(map.positions[3].kind == bit_class::sign);
    CHECK(map.positions[3].max_new == -7);
    // codes of six bits lie across bytes: 1, 2, 3, 32 are 000001 000010 000011 100000 from the lowest bits on: 0x81 0x30 0x80
    const std::vector<std::uint8_t> six = {0x81, 0x30, 0x80};
    const detail::bit_codes codes{reinterpret_cast<const std::byte*>(six.data()), 4, small_float_bits(2, 3, 1)};
    CHECK(std::vector<std::uint64_t>{codes.at(0), codes.at(1), codes.at(2), codes.at(3)} == std::vector<std::uint64_t>{1, 2, 3, 32});
    CHECK(detail::map_bits(codes, {}).zero_count == 1);  // 32 is -0
}

TEST_CASE("a map is the same for any number of threads and for views")
{
    const std::vector<float> weights = gaussian<float>(1 << 20);
    const auto map_of = [&](std::size_t threads) {
        return with_threads(threads, [&] { return analyze_bit_map(xt::adapt(weights, std::vector<std::size_t>{1024, 1024})); });
    };
    const bit_map_result one = map_of(1), three = map_of(3);
    CHECK(one.rms == three.rms);
    bool same = true;
    for (std::size_t i = 0; i < 32; ++i) {
        const bit_position &a = one.positions[i], &b = three.positions[i];
        same = same && a.max_change.value == b.max_change.value && a.max_index == b.max_index && a.mean_change.value == b.mean_change.value
               && a.rms_change.value == b.rms_change.value && a.changes == b.changes && a.above_rms_count == b.above_rms_count;
    }
    CHECK(same);
    const xt::xtensor<float, 2> small = {{1, 2}, {3, 4}};
    const bit_map_result column = analyze_bit_map(xt::view(small, xt::all(), 1));
    CHECK(column.size == 2);
    CHECK(column.max_magnitude == 4);
    CHECK(column.positions[31].max_change.value == 8);
    CHECK(column.positions[31].max_index == 1);
}

TEST_CASE("a map's options are checked")
{
    const xt::xtensor<float, 1> w = {1};
    std::string message;
    try {
        (void)analyze_bit_map(w, {.rms_factor = 0});
    } catch (const std::invalid_argument& error) {
        message = error.what();
    }
    CHECK(message == "weightscope::analyze_bit_map(weights, options): rms_factor is 0, expected above 0");
}
