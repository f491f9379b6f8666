#include <cstdint>
#include <stdexcept>
#include <string>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/io/dtype.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;

TEST_CASE("a dtype is spelled as safetensors spells it")
{
    struct spelling
    {
        dtype type;
        std::string_view name;
        std::size_t bits;
        bool numeric;
    };
    const std::vector<spelling> spellings = {
        {dtype::float64, "F64", 64, true},
        {dtype::float32, "F32", 32, true},
        {dtype::float16, "F16", 16, true},
        {dtype::bfloat16, "BF16", 16, true},
        {dtype::float8_e4m3, "F8_E4M3", 8, true},
        {dtype::float8_e5m2, "F8_E5M2", 8, true},
        {dtype::float8_e4m3fnuz, "F8_E4M3FNUZ", 8, true},
        {dtype::float8_e5m2fnuz, "F8_E5M2FNUZ", 8, true},
        {dtype::float8_e8m0, "F8_E8M0", 8, true},
        {dtype::int8, "I8", 8, true},
        {dtype::uint8, "U8", 8, true},
        {dtype::int16, "I16", 16, true},
        {dtype::uint16, "U16", 16, true},
        {dtype::int32, "I32", 32, true},
        {dtype::uint32, "U32", 32, true},
        {dtype::int64, "I64", 64, true},
        {dtype::uint64, "U64", 64, true},
        {dtype::boolean, "BOOL", 8, false},
        {dtype::float4_e2m1, "F4", 4, false},
        {dtype::float6_e2m3, "F6_E2M3", 6, false},
        {dtype::float6_e3m2, "F6_E3M2", 6, false},
        {dtype::complex64, "C64", 64, false},
        {dtype::opaque, "OPAQUE", 0, false},
    };
    REQUIRE(spellings.size() == detail::dtypes.size());
    for (const spelling& s : spellings) {
        CHECK(to_string(s.type) == s.name);
        CHECK(parse_dtype(s.name) == (s.type == dtype::opaque ? std::nullopt : std::optional(s.type)));  // safetensors has no such dtype
        CHECK(bits_of(s.type) == s.bits);
        CHECK(is_numeric(s.type) == s.numeric);
    }
}

TEST_CASE("a name that safetensors does not know is no dtype")
{
    CHECK(!parse_dtype(""));
    CHECK(!parse_dtype("f32"));
    CHECK(!parse_dtype("F99"));
    CHECK(!parse_dtype("F32 "));
}

TEST_CASE("with_scalar passes the type whose dtype it was asked for")
{
    int numeric = 0;
    for (const auto& record : detail::dtypes)
        if (is_numeric(record.type)) {
            ++numeric;
            const auto [type, bits] = with_scalar(
                record.type, []<class T>(std::type_identity<T>) { return std::pair(dtype_of<T>, 8 * sizeof(T)); });
            CHECK(type == record.type);
            CHECK(bits == record.bits);
        }
    CHECK(numeric == 17);
}

TEST_CASE("every C++ integer has the dtype of its size and sign")
{
    STATIC_REQUIRE(dtype_of<long long> == dtype::int64);
    STATIC_REQUIRE(dtype_of<long> == (sizeof(long) == 8 ? dtype::int64 : dtype::int32));
    STATIC_REQUIRE(dtype_of<unsigned long long> == dtype::uint64);
    STATIC_REQUIRE(dtype_of<signed char> == dtype::int8);
    STATIC_REQUIRE(dtype_of<unsigned short> == dtype::uint16);
}

TEST_CASE("with_scalar of a dtype that is not numeric is refused")
{
    const auto nothing = [](auto) {};
    CHECK(files::message<std::invalid_argument>([&] { with_scalar(dtype::complex64, nothing); })
          == "weightscope::with_scalar(type): C64 elements are listed, not analysed; expected a numeric dtype");
}
