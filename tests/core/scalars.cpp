#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

// The seven formats once more, written down from the specifications without the library's words.
template <class T>
struct spec;
template <>
struct spec<float16>
{
    static constexpr int exponent_bits = 5, mantissa_bits = 10, bias = 15, codes = 65536;
    static constexpr unsigned largest = 0x7bff, beyond = 0x7c00;
    static bool is_inf(unsigned c) { return (c & 0x7fff) == 0x7c00; }
    static bool is_nan(unsigned c) { return (c & 0x7fff) > 0x7c00; }
};
template <>
struct spec<bfloat16>
{
    static constexpr int exponent_bits = 8, mantissa_bits = 7, bias = 127, codes = 65536;
    static constexpr unsigned largest = 0x7f7f, beyond = 0x7f80;
    static bool is_inf(unsigned c) { return (c & 0x7fff) == 0x7f80; }
    static bool is_nan(unsigned c) { return (c & 0x7fff) > 0x7f80; }
};
template <>
struct spec<float8_e4m3>
{
    static constexpr int exponent_bits = 4, mantissa_bits = 3, bias = 7, codes = 256;
    static constexpr unsigned largest = 0x7e, beyond = 0x7f;
    static bool is_inf(unsigned) { return false; }
    static bool is_nan(unsigned c) { return c == 0x7f || c == 0xff; }
};
template <>
struct spec<float8_e5m2>
{
    static constexpr int exponent_bits = 5, mantissa_bits = 2, bias = 15, codes = 256;
    static constexpr unsigned largest = 0x7b, beyond = 0x7c;
    static bool is_inf(unsigned c) { return c == 0x7c || c == 0xfc; }
    static bool is_nan(unsigned c) { return (c & 0x7f) > 0x7c; }
};
template <>
struct spec<float8_e4m3fnuz>
{
    static constexpr int exponent_bits = 4, mantissa_bits = 3, bias = 8, codes = 256;
    static constexpr unsigned largest = 0x7f, beyond = 0x80;
    static bool is_inf(unsigned) { return false; }
    static bool is_nan(unsigned c) { return c == 0x80; }
};
template <>
struct spec<float8_e5m2fnuz>
{
    static constexpr int exponent_bits = 5, mantissa_bits = 2, bias = 16, codes = 256;
    static constexpr unsigned largest = 0x7f, beyond = 0x80;
    static bool is_inf(unsigned) { return false; }
    static bool is_nan(unsigned c) { return c == 0x80; }
};
template <>
struct spec<float8_e8m0>
{
    static constexpr int codes = 256;
    static bool is_inf(unsigned) { return false; }
    static bool is_nan(unsigned c) { return c == 0xff; }
};

template <class T>
constexpr bool is_e8m0 = std::is_same_v<T, float8_e8m0>;
template <class T>
constexpr bool has_negative_zero = T(-0.0f).bits != 0 && !is_e8m0<T>;

// Value of a code by ldexp; NaN and Inf as such.
template <class T>
double value_of(unsigned code)
{
    using s = spec<T>;
    if (s::is_nan(code))
        return nan_value;
    if constexpr (is_e8m0<T>) {
        return std::ldexp(1.0, static_cast<int>(code) - 127);
    } else {
        const unsigned mantissa = code % (1u << s::mantissa_bits);
        const unsigned exponent = (code >> s::mantissa_bits) % (1u << s::exponent_bits);
        const double sign = code >> (s::mantissa_bits + s::exponent_bits) ? -1 : 1;
        if (s::is_inf(code))
            return sign * infinity;
        const double fraction = std::ldexp(static_cast<double>(mantissa), -s::mantissa_bits);
        return sign
               * (exponent == 0 ? std::ldexp(fraction, 1 - s::bias)
                                : std::ldexp(1 + fraction, static_cast<int>(exponent) - s::bias));
    }
}

template <class T>
T from_code(unsigned code)
{
    return T::from_bits(static_cast<typename T::bits_type>(code));
}

bool same_float(float a, double b)  // signed zeros told apart, NaN equal to NaN
{
    if (std::isnan(b))
        return std::isnan(a);
    return static_cast<double>(a) == b && std::signbit(a) == std::signbit(b);
}

// Counts codes for which `right(code)` is false and names the first, instead of 65,536 assertions.
template <class Right>
void check_codes(unsigned first, unsigned last, Right right)
{
    std::size_t wrong = 0;
    unsigned first_wrong = 0;
    for (unsigned code = first; code <= last; ++code)
        if (!right(code) && wrong++ == 0)
            first_wrong = code;
    INFO("first wrong code: " << first_wrong);
    CHECK(wrong == 0);
}

float up(float x)
{
    return std::nextafter(x, infinity);
}
float down(float x)
{
    return std::nextafter(x, -infinity);
}
double up(double x)
{
    return std::nextafter(x, HUGE_VAL);
}
double down(double x)
{
    return std::nextafter(x, -HUGE_VAL);
}

}  // namespace

#define ALL_SCALARS float16, bfloat16, float8_e4m3, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0
#define SIGNED_SCALARS float16, bfloat16, float8_e4m3, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz

TEMPLATE_TEST_CASE("a storage scalar is a trivial type that holds just its bits", "", ALL_SCALARS)
{
    STATIC_REQUIRE(std::is_trivial_v<TestType>);
    STATIC_REQUIRE(std::is_standard_layout_v<TestType>);
    STATIC_REQUIRE(sizeof(TestType) == (spec<TestType>::codes == 256 ? 1 : 2));
    STATIC_REQUIRE(is_storage_scalar<TestType>);
    STATIC_REQUIRE(weight_scalar<TestType>);
    STATIC_REQUIRE(!std::is_convertible_v<float, TestType>);
    STATIC_REQUIRE(std::is_convertible_v<TestType, float>);
    STATIC_REQUIRE(TestType{}.bits == 0);
}

TEMPLATE_TEST_CASE("every code of a storage scalar has its exact value as float and comes back with the same bits", "",
                   ALL_SCALARS)
{
    check_codes(0, spec<TestType>::codes - 1, [](unsigned code) {
        const auto w = from_code<TestType>(code);
        const float x = w;
        return same_float(x, value_of<TestType>(code)) && TestType(x).bits == code;
    });
}

TEMPLATE_TEST_CASE("every finite code of a storage scalar survives the way over double", "", ALL_SCALARS)
{
    check_codes(0, spec<TestType>::codes - 1, [](unsigned code) {
        const double x = static_cast<double>(from_code<TestType>(code));
        return spec<TestType>::is_nan(code) ? std::isnan(x) && std::isnan(static_cast<float>(TestType(x)))
                                            : x == value_of<TestType>(code) && TestType(x).bits == code;
    });
}

TEMPLATE_TEST_CASE("NaN payloads lie on top of the float's mantissa, quiet bit included", "", float16, bfloat16,
                   float8_e5m2)
{
    constexpr int mantissa_bits = spec<TestType>::mantissa_bits;
    check_codes(0, spec<TestType>::codes - 1, [](unsigned code) {
        if (!spec<TestType>::is_nan(code))
            return true;
        const unsigned payload = code % (1u << mantissa_bits);
        const unsigned sign = code >> (8 * sizeof(TestType) - 1);
        const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(from_code<TestType>(code)));
        return bits == (sign << 31 | 0x7f800000u | payload << (23 - mantissa_bits));
    });
}

TEMPLATE_TEST_CASE("a NaN stays a NaN whatever its payload", "", ALL_SCALARS)
{
    for (const std::uint32_t payload : {1u, 2u, 0x1fffu, 0x2000u, 0x3fffffu, 0x400000u, 0x400001u, 0x7fffffu})
        for (const std::uint32_t sign : {0u, 0x80000000u}) {
            const auto x = std::bit_cast<float>(sign | 0x7f800000u | payload);
            CHECK(std::isnan(static_cast<float>(TestType(x))));
            const std::uint64_t wide = std::uint64_t{sign} << 32 | 0x7ff0000000000000u | payload;
            CHECK(std::isnan(static_cast<float>(TestType(std::bit_cast<double>(wide)))));
        }
    CHECK(spec<TestType>::is_nan(TestType(nan_value).bits));
    CHECK(spec<TestType>::is_nan(TestType(-nan_value).bits));
}

TEMPLATE_TEST_CASE("a midpoint between neighbours goes to the even one and its neighbours to the nearer one", "",
                   SIGNED_SCALARS)
{
    check_codes(0, spec<TestType>::largest - 1, [](unsigned code) {
        const double middle = (value_of<TestType>(code) + value_of<TestType>(code + 1)) / 2;  // exact
        const auto middle_float = static_cast<float>(middle);                                 // exact
        const unsigned even = code + code % 2;
        bool right = static_cast<double>(middle_float) == middle;
        const auto code_of = [](auto x) { return unsigned{TestType(x).bits}; };
        const auto negative = [](unsigned c) { return TestType(-static_cast<float>(from_code<TestType>(c))).bits; };
        right &= code_of(middle) == even && code_of(middle_float) == even;
        right &= code_of(up(middle)) == code + 1 && code_of(down(middle)) == code;
        right &= code_of(up(middle_float)) == code + 1 && code_of(down(middle_float)) == code;
        right &= code_of(-middle) == negative(even) && code_of(-middle_float) == negative(even);
        right &= code_of(-up(middle)) == negative(code + 1) && code_of(-down(middle)) == negative(code);
        right &= code_of(-up(middle_float)) == negative(code + 1) && code_of(-down(middle_float)) == negative(code);
        return right;
    });
}

TEMPLATE_TEST_CASE("the smallest doubles round to zero with their sign", "", SIGNED_SCALARS)
{
    const double half_of_smallest = value_of<TestType>(1) / 2;
    for (const double x : {half_of_smallest, half_of_smallest / 2, 0x1p-1022, 0x1p-1074, 0.0}) {
        CHECK(TestType(x).bits == 0);
        CHECK(std::signbit(static_cast<float>(TestType(-x))) == has_negative_zero<TestType>);
        CHECK(static_cast<float>(TestType(-x)) == 0);
    }
    CHECK(TestType(up(half_of_smallest)).bits == 1);
    CHECK(TestType(std::numeric_limits<float>::denorm_min()).bits == 0);
}

TEMPLATE_TEST_CASE("overflow begins half a step beyond the largest finite value", "", SIGNED_SCALARS)
{
    const unsigned largest = spec<TestType>::largest;
    const double top = value_of<TestType>(largest);
    const double step = top - value_of<TestType>(largest - 1);
    const double threshold = top + step / 2;
    CHECK(TestType::max_finite == top);
    CHECK(TestType(top).bits == largest);
    CHECK(TestType(down(threshold)).bits == largest);
    CHECK(TestType(down(static_cast<float>(threshold))).bits == largest);
    // halves to even: an odd largest code yields to what follows it, an even one (E4M3: 464 -> 448) holds
    CHECK(TestType(threshold).bits == (largest % 2 == 1 ? spec<TestType>::beyond : largest));
    for (const double x : {up(threshold), top + step, top * 16, 1e300, std::numeric_limits<double>::max(),
                           static_cast<double>(infinity)}) {
        const auto beyond = TestType(x), below = TestType(-x);
        CHECK(beyond.bits == spec<TestType>::beyond);
        CHECK((spec<TestType>::is_inf(beyond.bits) ? static_cast<float>(below) == -infinity
                                                   : std::isnan(static_cast<float>(below))));
    }
    CHECK(TestType(infinity).bits == spec<TestType>::beyond);
    CHECK(TestType(std::numeric_limits<float>::max()).bits == spec<TestType>::beyond);
    CHECK(std::signbit(static_cast<float>(TestType(-infinity))) == (spec<TestType>::beyond != 0x80));
}

TEMPLATE_TEST_CASE("minus zero keeps its sign where the format has one", "", float16, bfloat16, float8_e4m3,
                   float8_e5m2)
{
    CHECK(TestType(-0.0f).bits == 1u << (8 * sizeof(TestType) - 1));
    CHECK(std::signbit(static_cast<float>(TestType(-0.0))));
}

TEMPLATE_TEST_CASE("the fnuz formats have one zero", "", float8_e4m3fnuz, float8_e5m2fnuz)
{
    CHECK(TestType(-0.0f).bits == 0);
    CHECK(TestType(-0.0).bits == 0);
    CHECK(TestType(-1e-30f).bits == 0);
}

TEST_CASE("a double is rounded once, not through float")
{
    // 1 + 2^-11 lies midway between two halves; 2^-40 above it is lost in a float, which would then tie to even: 1
    const double x = 1 + 0x1p-11 + 0x1p-40;
    CHECK(float16(x).bits == 0x3c01);
    CHECK(float16(static_cast<float>(x)).bits == 0x3c00);
    CHECK(float16(1 + 0x3p-11 - 0x1p-40).bits == 0x3c01);
    CHECK(bfloat16(1 + 0x1p-8 + 0x1p-40).bits == 0x3f81);
    CHECK(float8_e4m3(1 + 0x1p-4 + 0x1p-50).bits == 0x39);
    CHECK(float8_e5m2(1 + 0x1p-3 + 0x1p-50).bits == 0x3d);
    CHECK(float8_e4m3fnuz(1 + 0x1p-4 + 0x1p-50).bits == 0x41);
    CHECK(float8_e5m2fnuz(1 + 0x1p-3 + 0x1p-50).bits == 0x41);
    CHECK(float8_e8m0(1.5 - 0x1p-50).bits == 127);
    // the same at the overflow threshold and among the subnormals
    CHECK(float16(65520 - 0x1p-30).bits == 0x7bff);
    CHECK(float16(65520.0).bits == 0x7c00);
    CHECK(float16(0x1p-25 + 0x1p-60).bits == 1);
    CHECK(float16(0x1p-25).bits == 0);
    CHECK(bfloat16(0x1p-134 + 0x1p-160).bits == 1);
}

TEST_CASE("integers become the nearest storage scalar")
{
    CHECK(float16(1).bits == 0x3c00);
    CHECK(float16(2049).bits == float16(2048).bits);
    CHECK(float16(-3).bits == 0xc200);
    CHECK(bfloat16(std::uint8_t{255}).bits == 0x437f);
    CHECK(bfloat16(16843009).bits == 0x4b81);  // 0x1010001: above the midpoint by 1, which a float would lose
    STATIC_REQUIRE(!std::is_constructible_v<bfloat16, std::int64_t>);
}

TEST_CASE("e8m0 holds powers of two only")
{
    CHECK(static_cast<float>(from_code<float8_e8m0>(0)) == 0x1p-127f);
    CHECK(float8_e8m0::max_finite == 0x1p127f);
    CHECK(float8_e8m0::min_normal == 0x1p-127f);
    check_codes(0, 253, [](unsigned code) {
        const double low = value_of<float8_e8m0>(code), middle = 1.5 * low;
        const auto middle_float = static_cast<float>(middle);
        return float8_e8m0(middle).bits == code + 1 && float8_e8m0(middle_float).bits == code + 1
               && float8_e8m0(down(middle)).bits == code && float8_e8m0(down(middle_float)).bits == code
               && float8_e8m0(up(low)).bits == code && float8_e8m0(down(2 * low)).bits == code + 1;
    });
    for (const double x : {0.0, -0.0, 0x1p-128, 0x1p-200, 0x1p-1074})
        CHECK(float8_e8m0(x).bits == 0);
    CHECK(float8_e8m0(0.0f).bits == 0);
    CHECK(float8_e8m0(std::numeric_limits<float>::denorm_min()).bits == 0);
    CHECK(float8_e8m0(-1.0).bits == 0xff);
    CHECK(float8_e8m0(-0x1p-149f).bits == 0xff);
    CHECK(float8_e8m0(-infinity).bits == 0xff);
    CHECK(float8_e8m0(infinity).bits == 0xff);
    CHECK(float8_e8m0(1.5 * 0x1p127).bits == 0xff);
    CHECK(float8_e8m0(down(1.5 * 0x1p127)).bits == 0xfe);
    CHECK(float8_e8m0(std::numeric_limits<float>::max()).bits == 0xff);
}

TEST_CASE("half precision agrees with numpy")
{
    // python3 -c "import numpy as np; print([hex(np.float16(x).view(np.uint16)) for x in
    //   (0.1, 1/3, 3.14159265358979, 65504, 65519.99, 65520, 6.0975551605224609e-05, 5.9604644775390625e-08, 2.98e-8, -2.5e-7)])"
    const std::vector<double> x = {0.1,      1.0 / 3, 3.14159265358979,       65504,
                                   65519.99, 65520,   6.0975551605224609e-05, 5.9604644775390625e-08,
                                   2.98e-8,  -2.5e-7};
    const std::vector<unsigned> bits = {0x2e66, 0x3555, 0x4248, 0x7bff, 0x7bff, 0x7c00, 0x3ff, 0x1, 0x0, 0x8004};
    for (std::size_t i = 0; i < x.size(); ++i)
        CHECK(float16(x[i]).bits == bits[i]);
    // python3 -c "import numpy as np; print([float(np.array(b, 'u2').view('f2')) for b in
    //   (1, 0x3ff, 0x400, 0x3555, 0x7bff, 0xb266)])"
    const std::vector<unsigned> code = {1, 0x3ff, 0x400, 0x3555, 0x7bff, 0xb266};
    const std::vector<double> value = {
        5.960464477539063e-08, 6.097555160522461e-05, 6.103515625e-05, 0.333251953125, 65504.0, -0.199951171875};
    for (std::size_t i = 0; i < code.size(); ++i)
        CHECK(static_cast<double>(from_code<float16>(code[i])) == value[i]);
    CHECK(float16::max_finite == 65504);
    CHECK(float16::min_normal == 6.103515625e-05f);  // np.finfo(np.float16).tiny
}

TEST_CASE("the 8-bit formats agree with ml_dtypes")
{
    // python3 -c "import numpy as np, ml_dtypes as m; x = (0.1, -3.3, 17, 250, 300, 464, 465, 61440, 0.0015, -0.0, 1e9);
    //   [print(t, [hex(np.float64(v).astype(getattr(m, t)).view(np.uint8)) for v in x]) for t in
    //   ('float8_e4m3fn', 'float8_e5m2', 'float8_e4m3fnuz', 'float8_e5m2fnuz')]"   (ml_dtypes 0.6.0)
    const std::vector<double> x = {0.1, -3.3, 17, 250, 300, 464, 465, 61440, 0.0015, -0.0, 1e9};
    const std::vector<unsigned> e4m3 = {0x1d, 0xc5, 0x58, 0x78, 0x79, 0x7e, 0x7f, 0x7f, 0x1, 0x80, 0x7f};
    const std::vector<unsigned> e5m2 = {0x2e, 0xc3, 0x4c, 0x5c, 0x5d, 0x5f, 0x5f, 0x7c, 0x16, 0x80, 0x7c};
    const std::vector<unsigned> e4m3fnuz = {0x25, 0xcd, 0x60, 0x80, 0x80, 0x80, 0x80, 0x80, 0x2, 0x0, 0x80};
    const std::vector<unsigned> e5m2fnuz = {0x32, 0xc7, 0x50, 0x60, 0x61, 0x63, 0x63, 0x80, 0x1a, 0x0, 0x80};
    for (std::size_t i = 0; i < x.size(); ++i) {
        INFO(x[i]);
        CHECK(float8_e4m3(x[i]).bits == e4m3[i]);
        CHECK(float8_e5m2(x[i]).bits == e5m2[i]);
        CHECK(float8_e4m3fnuz(x[i]).bits == e4m3fnuz[i]);
        CHECK(float8_e5m2fnuz(x[i]).bits == e5m2fnuz[i]);
    }
}

#if defined(__FLT16_MAX__) && defined(__x86_64__)
TEST_CASE("half precision agrees with the compiler's own")
{
    check_codes(0, 65535, [](unsigned code) {
        _Float16 half;
        const auto bits = static_cast<std::uint16_t>(code);
        std::memcpy(&half, &bits, sizeof half);
        const auto own = static_cast<float>(from_code<float16>(code));
        return std::isnan(own) ? std::isnan(static_cast<float>(half)) : own == static_cast<float>(half);
    });
    // every 8,191st float (a prime: all exponents, all low bits) and both signs
    std::size_t wrong = 0;
    for (std::uint64_t bits = 0; bits <= 0xffffffff; bits += 8191) {
        const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
        if (std::isnan(x))
            continue;
        const auto half = static_cast<_Float16>(x);
        std::uint16_t expected;
        std::memcpy(&expected, &half, sizeof expected);
        wrong += float16(x).bits != expected;
    }
    CHECK(wrong == 0);
}
#endif

TEST_CASE("conversions work at compile time")
{
    STATIC_REQUIRE(float16(1.0f).bits == 0x3c00);
    STATIC_REQUIRE(static_cast<float>(float16::from_bits(0x0001)) == 0x1p-24f);
    STATIC_REQUIRE(bfloat16(3.14159265).bits == 0x4049);
    STATIC_REQUIRE(float8_e4m3::max_finite == 448.0f);
    STATIC_REQUIRE(float8_e5m2::max_finite == 57344.0f);
    STATIC_REQUIRE(float8_e4m3fnuz::max_finite == 240.0f);
    STATIC_REQUIRE(float8_e5m2fnuz::max_finite == 57344.0f);
    STATIC_REQUIRE(float8_e4m3::min_normal == 0x1p-6f);
    STATIC_REQUIRE(float8_e8m0(4).bits == 129);
}

TEST_CASE("storage scalars compare and compute as floats and convert among each other")
{
    const float16 a(1.5f), b(2.5f);
    CHECK(a < b);
    CHECK(a == 1.5);
    CHECK(a != b);
    CHECK(float16(0.0f) == float16(-0.0f));
    STATIC_REQUIRE(std::is_same_v<decltype(a + b), float>);
    STATIC_REQUIRE(std::is_same_v<decltype(a * 2.0), double>);
    CHECK(a * b == 3.75f);
    CHECK(-a == -1.5f);
    CHECK(bfloat16(a).bits == 0x3fc0);
    CHECK(static_cast<float8_e4m3>(b).bits == 0x42);
}

TEMPLATE_TEST_CASE("storage scalars live in xtensor containers, adaptors, views and expressions", "", float16,
                   float8_e4m3)
{
    const xt::xtensor<TestType, 2> w = {{TestType(1), TestType(-2), TestType(0.5f)},
                                        {TestType(0), TestType(3), TestType(-0.25f)}};
    STATIC_REQUIRE(matrix<xt::xtensor<TestType, 2>>);
    const TestType* memory = w.data();
    const std::vector<std::size_t> shape = {2, 3};
    const auto adapted = xt::adapt(memory, 6, xt::no_ownership(), shape);
    double sum = 0;
    for (const TestType x : adapted)
        sum += static_cast<double>(x);
    CHECK(sum == 2.25);

    const xt::xtensor<float, 2> as_float = adapted;
    CHECK(as_float(1, 2) == -0.25f);
    const xt::xtensor<double, 2> doubled = xt::cast<double>(w) * 2.0;
    CHECK(doubled(1, 1) == 6);
    const xt::xtensor<TestType, 2> back = xt::cast<TestType>(doubled);
    CHECK(back(0, 1) == -4.0f);
    double column = 0;
    with_elements(xt::view(w, xt::all(), 1), [&](auto span) {
        for (const TestType x : span)
            column += static_cast<double>(x);
    });
    CHECK(column == 1);
}
