#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/scalars.hpp>

#include "../catch.hpp"
#include "../message.hpp"

using namespace weightscope;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

// A float from its fields by the definition of IEEE 754: sign, exponent, mantissa; the largest exponent holds Inf and NaN.
double ieee(unsigned code, unsigned exponent_bits, unsigned mantissa_bits)
{
    const unsigned mantissa = code % (1u << mantissa_bits), exponent = (code >> mantissa_bits) % (1u << exponent_bits);
    const double sign = code >> (exponent_bits + mantissa_bits) != 0 ? -1 : 1;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double fraction = mantissa / std::pow(2.0, mantissa_bits);
    if (exponent == (1u << exponent_bits) - 1)
        return mantissa != 0 ? nan_value : sign * infinity;
    return exponent == 0 ? sign * fraction * std::pow(2.0, 1 - bias) : sign * (1 + fraction) * std::pow(2.0, static_cast<int>(exponent) - bias);
}

double float_of(std::uint32_t code)
{
    float x = 0;
    std::memcpy(&x, &code, sizeof x);
    return static_cast<double>(x);
}

double e4m3(unsigned code)
{
    return (code & 0x7f) == 0x7f ? nan_value : ieee(code >> 7 << 8 | (code & 0x7f), 5, 3) * std::pow(2.0, 8);  // bias 7, not 15
}

bool same(double a, double b)
{
    return a == b || (std::isnan(a) && std::isnan(b));
}

// Every code and every bit of a layout against the numbers that `value` gives, with what each flip is.
template <class Value>
bool flips_agree(const bit_layout& layout, unsigned code, const Value& value)
{
    bool agree = true;
    for (unsigned bit = 0; bit < layout.bits; ++bit) {
        const bit_flip flip = flip_change(layout, code, bit);
        const double old_value = value(code), new_value = value(code ^ 1u << bit);
        const flip_outcome outcome = std::isnan(new_value)    ? flip_outcome::nan
                                     : std::isinf(new_value)  ? flip_outcome::infinite
                                     : old_value == new_value ? flip_outcome::unchanged
                                                              : flip_outcome::finite;
        const double change = std::isfinite(old_value) && std::isfinite(new_value) ? new_value - old_value : nan_value;
        agree = agree && flip.new_code == (code ^ 1u << bit) && same(flip.old_value, old_value) && same(flip.new_value, new_value)
                && flip.outcome == outcome && same(flip.change, change);
    }
    return agree;
}

template <class Value>
bool all_flips_agree(const bit_layout& layout, const Value& value)
{
    bool agree = true;
    for (unsigned code = 0; code < 1u << layout.bits; ++code)
        agree = agree && flips_agree(layout, code, value);
    return agree;
}

}  // namespace

TEST_CASE("every flip of every half float is what the definition of the format says")
{
    CHECK(all_flips_agree(bit_layout_of<float16>(), [](unsigned code) { return ieee(code, 5, 10); }));
}

TEST_CASE("every flip of every bfloat16, every FP8 and every small integer is what the definition of its format says")
{
    CHECK(all_flips_agree(bit_layout_of<bfloat16>(), [](unsigned code) { return float_of(code << 16); }));
    CHECK(all_flips_agree(bit_layout_of<float8_e5m2>(), [](unsigned code) { return ieee(code, 5, 2); }));
    CHECK(all_flips_agree(bit_layout_of<float8_e4m3>(), e4m3));
    CHECK(all_flips_agree(bit_layout_of<std::int8_t>(), [](unsigned code) { return code < 128 ? code : code - 256.0; }));
    CHECK(all_flips_agree(bit_layout_of<std::uint8_t>(), [](unsigned code) { return static_cast<double>(code); }));
    CHECK(all_flips_agree(signed_bits(4), [](unsigned code) { return code < 8 ? code : code - 16.0; }));
    CHECK(all_flips_agree(unsigned_bits(4), [](unsigned code) { return static_cast<double>(code); }));
    CHECK(all_flips_agree(unsigned_bits(4, 8), [](unsigned code) { return code - 8.0; }));
    // E2M1 of the MX formats, table 5 of their specification
    constexpr double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    CHECK(all_flips_agree(small_float_bits(2, 1, 1), [&](unsigned code) { return code < 8 ? e2m1[code] : -e2m1[code - 8]; }));
}

TEST_CASE("the codes of every storage scalar mean what the scalar says")
{
    bool agree = true;
    for (unsigned code = 0; code < 256; ++code) {
        const auto byte = static_cast<std::uint8_t>(code);
        agree = agree && same(value_of_code(bit_layout_of<float8_e4m3fnuz>(), code), static_cast<double>(static_cast<float>(float8_e4m3fnuz::from_bits(byte))))
                && same(value_of_code(bit_layout_of<float8_e5m2fnuz>(), code), static_cast<double>(static_cast<float>(float8_e5m2fnuz::from_bits(byte))))
                && same(value_of_code(bit_layout_of<float8_e8m0>(), code), static_cast<double>(static_cast<float>(float8_e8m0::from_bits(byte))));
    }
    CHECK(agree);
}

TEST_CASE("flips of float agree at every exponent, and at random codes")
{
    bool agree = true;
    std::vector<std::uint32_t> mantissas = {0, 1, 2, 0x2aaaaa, 0x400000, 0x555555, 0x7ffffe, 0x7fffff};
    for (unsigned bit = 0; bit < 23; ++bit)
        mantissas.push_back(1u << bit);
    for (std::uint32_t field = 0; field < 512; ++field)
        for (const std::uint32_t mantissa : mantissas)
            agree = agree && flips_agree(bit_layout_of<float>(), field << 23 | mantissa, float_of);
    std::uint32_t random = 1;
    for (int i = 0; i < 65536; ++i)
        agree = agree && flips_agree(bit_layout_of<float>(), random = random * 1664525 + 1013904223, float_of);
    CHECK(agree);
    const bit_layout wide = bit_layout_of<double>();
    for (const double x : {0.0, 1.0, -0.1, 1e300, 5e-324})
        for (unsigned bit = 0; bit < 64; ++bit) {
            const double flipped = std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) ^ std::uint64_t{1} << bit);
            agree = agree && same(flip_change(wide, std::bit_cast<std::uint64_t>(x), bit).new_value, flipped);
        }
    CHECK(agree);
}

TEST_CASE("published flips come out")
{
    const bit_layout int8 = bit_layout_of<std::int8_t>(), half = bit_layout_of<float16>();
    // Rakin et al. 2019, Bit-Flip Attack: the top bit of int8
    CHECK(flip_change(int8, 21, 7).new_value == -107);
    CHECK(flip_change(int8, 0xff, 7).new_value == 127);   // -1
    CHECK(flip_change(int8, 0xd7, 7).new_value == 87);    // -41
    // MRFI: single flips of int8 1 and of half zero
    const std::vector<double> ones = {0, 3, 5, 9, 17, 33, 65, -127};
    for (unsigned bit = 0; bit < 8; ++bit)
        CHECK(flip_change(int8, 1, bit).new_value == ones[bit]);
    const std::vector<double> halves = {0x1p-24, 0x1p-23, 0x1p-22, 0x1p-21, 0x1p-20, 0x1p-19, 0x1p-18, 0x1p-17,
                                        0x1p-16, 0x1p-15, 0x1p-14, 0x1p-13, 0x1p-11, 0x1p-7,  2,       0};
    for (unsigned bit = 0; bit < 16; ++bit)
        CHECK(flip_change(half, 0, bit).new_value == halves[bit]);
    CHECK(flip_change(half, 0, 15).outcome == flip_outcome::unchanged);
    // the top exponent bit of a half float below 1: times 2^16
    CHECK(flip_change(half, 0x9b59, 14).old_value == Approx(-0.0035877).epsilon(1e-4));
    CHECK(flip_change(half, 0x9b59, 14).new_value == -235.125);
    CHECK(flip_change(half, 0x3c00, 14).outcome == flip_outcome::infinite);
    CHECK(flip_change(half, 0x3c01, 14).outcome == flip_outcome::nan);
}

TEST_CASE("changes of wide integers are exact, whatever a double holds")
{
    const bit_flip top = flip_change(bit_layout_of<std::uint64_t>(), ~std::uint64_t{0}, 0);
    CHECK(top.change == -1);
    CHECK(top.outcome == flip_outcome::finite);
    CHECK(flip_change(bit_layout_of<std::int64_t>(), 5, 63).change == -0x1p63);
    CHECK(flip_change(bit_layout_of<std::int64_t>(), ~std::uint64_t{0}, 63).change == 0x1p63);
    CHECK(flip_change(bit_layout_of<std::int32_t>(), 5, 1).change == 2);
}

TEST_CASE("bits belong to classes, and bit sets name them whatever the width")
{
    const bit_layout single = bit_layout_of<float>(), half = bit_layout_of<float16>(), brain = bit_layout_of<bfloat16>();
    CHECK(class_of_bit(single, 22) == bit_class::mantissa);
    CHECK(class_of_bit(single, 23) == bit_class::exponent);
    CHECK(class_of_bit(single, 30) == bit_class::exponent);
    CHECK(class_of_bit(single, 31) == bit_class::sign);
    CHECK(class_of_bit(bit_layout_of<std::int8_t>(), 7) == bit_class::sign);
    CHECK(class_of_bit(bit_layout_of<std::uint8_t>(), 7) == bit_class::magnitude);
    CHECK(class_of_bit(bit_layout_of<float8_e8m0>(), 7) == bit_class::exponent);  // no sign

    using list = std::vector<unsigned>;
    const auto bits = [](const char* text, const bit_layout& layout) { return bits_in(parse_bit_set(text), layout); };
    CHECK(bits("exponent_sign", half) == list{10, 11, 12, 13, 14, 15});
    CHECK(bits("exponent", brain) == list{7, 8, 9, 10, 11, 12, 13, 14});
    CHECK(bits("sign", single) == list{31});
    CHECK(bits("mantissa", half) == list{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(bits("all", signed_bits(4)) == list{0, 1, 2, 3});
    CHECK(bits("mantissa", signed_bits(4)) == list{0, 1, 2});
    CHECK(bits("exponent", signed_bits(4)).empty());
    CHECK(bits("exponent_sign", signed_bits(8)) == list{7});
    CHECK(bits(">=13", half) == list{13, 14, 15});
    CHECK(bits("15,14,15", half) == list{14, 15});
    CHECK(bits("15,14", signed_bits(8)).empty());
    for (const char* name : {"exponent_sign", "exp_sign", "sign_exp", "exponent&sign"})
        CHECK(parse_bit_set(name).name == "exponent_sign");
    CHECK(parse_bit_set("full").name == "all");
    CHECK(parse_bit_set("exp").name == "exponent");
    CHECK(parse_bit_set("15,14,15").name == "14,15");
    CHECK(parse_bit_set(">=10").name == ">=10");
    CHECK(parse_bit_set(">=10").least == 10);
    for (const char* wrong : {"", "signs", "1,", "64", "-1", ">=", ">=x", "1 2"})
        CHECK(message([&] { (void)parse_bit_set(wrong); })
              == "weightscope::parse_bit_set(text): no bit set is named '" + std::string(wrong)
                     + "', expected all, mantissa, exponent, exponent_sign, sign, numbers from 0 to 63 with commas between them, or >=NUMBER");
}

TEST_CASE("bits that a code does not have are refused")
{
    const bit_layout half = bit_layout_of<float16>();
    CHECK(message([&] { (void)class_of_bit(half, 16); }) == "weightscope::class_of_bit(layout, bit): found 16, expected 0 to 15");
    CHECK(message([&] { (void)flip_change(half, 0, 16); }) == "weightscope::flip_change(layout, code, bit): bit is 16, expected 0 to 15");
    CHECK(message([&] { (void)flip_change(half, 0x10000, 0); })
          == "weightscope::flip_change(layout, code, bit): the code 0x10000 has more than 16 bits");
}
