#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/scheme_name.hpp>

#include "../catch.hpp"
#include "../message.hpp"

using namespace weightscope;

namespace {

std::string name_of_scheme(const quantization_config& config, bool sensitive = false)
{
    return to_string(scheme_of(config, sensitive));
}

}  // namespace

TEST_CASE("each kind of quantization is a scheme")
{
    const auto named = [](quantization_type type) { return name_of_scheme({.quant_type = type}); };
    CHECK(named(quantization_type::int8_per_tensor_sym) == "int8-per-tensor-sym");
    CHECK(named(quantization_type::int8_per_tensor_asym) == "int8-per-tensor-asym");
    CHECK(named(quantization_type::int8_per_channel_sym) == "int8-per-channel-sym");
    CHECK(named(quantization_type::int8_per_channel_asym) == "int8-per-channel-asym");
    CHECK(named(quantization_type::int4_group) == "int4-g128");
    CHECK(named(quantization_type::mixed_precision) == "int4-g128");
    CHECK(name_of_scheme({.quant_type = quantization_type::mixed_precision}, true) == "int8-per-channel-sym");
}

TEST_CASE("kinds of quantization have names that read back")
{
    for (const char* name : {"int8_per_tensor_sym", "int8_per_tensor_asym", "int8_per_channel_sym", "int8_per_channel_asym", "int4_group",
                             "mixed_precision"})
        CHECK(to_string(parse_quantization_type(name)) == name);
    CHECK(message([] { (void)parse_quantization_type("int4"); })
          == "weightscope::parse_quantization_type(text): no quant_type is named 'int4', expected one of int8_per_tensor_sym, "
             "int8_per_tensor_asym, int8_per_channel_sym, int8_per_channel_asym, int4_group, mixed_precision");
}

TEST_CASE("every field of a configuration has an effect")
{
    using enum quantization_type;
    CHECK(name_of({.name = "mine"}) == "mine");
    CHECK(name_of_scheme({.quant_type = int4_group}) != name_of_scheme({}));
    CHECK(name_of_scheme({.bits = 6}) == "int6-per-channel-sym");
    CHECK(name_of_scheme({.symmetric = false}) == "int8-per-channel-asym");
    CHECK(name_of_scheme({.quant_type = int4_group, .symmetric = false}) == "int4-g128-asym");
    CHECK(name_of_scheme({.quant_type = int8_per_channel_asym, .symmetric = true}) == "int8-per-channel-sym");
    CHECK(name_of_scheme({.quant_type = int8_per_tensor_asym, .per_channel = true}) == "int8-per-channel-asym");
    CHECK(name_of_scheme({.per_channel = false}) == "int8-per-tensor-sym");
    CHECK(name_of_scheme({.quant_type = int4_group, .per_channel = true}) == "int4-per-channel-sym");
    CHECK(name_of_scheme({.quant_type = int4_group, .group_size = 32}) == "int4-g32");
    CHECK(name_of_scheme({.quant_type = mixed_precision, .normal_bits = 3}) == "int3-g128");
    CHECK(name_of_scheme({.quant_type = mixed_precision, .sensitive_bits = 6}, true) == "int6-g128");
    CHECK(name_of_scheme({.quant_type = int4_group, .sensitive_bits = 8}, true) == "int8-g128");
    CHECK(name_of_scheme({.sensitive_bits = 6}, true) == "int8-per-channel-sym");  // never fewer than the others
    // skip_first_last and sensitive_layers: tests/study; calibration_samples: activation_observer.cpp
}

TEST_CASE("a configuration without a name is called by its schemes")
{
    CHECK(name_of({.quant_type = quantization_type::int4_group, .group_size = 64}) == "int4-g64");
    CHECK(name_of({.quant_type = quantization_type::mixed_precision, .sensitive_layers = {"head"}}) == "int4-g128 + int8-per-channel-sym");
    CHECK(name_of({.sensitive_layers = {"head"}}) == "int8-per-channel-sym");
}

TEST_CASE("presets are the configurations of their purposes")
{
    CHECK(name_of_scheme(quantization_preset("production")) == "int8-per-channel-sym");
    CHECK(name_of_scheme(quantization_preset("balanced")) == "int8-per-channel-sym");
    CHECK(name_of_scheme(quantization_preset("accuracy")) == "int8-per-channel-asym");
    CHECK(name_of_scheme(quantization_preset("prototype")) == "int8-per-tensor-sym");
    CHECK(name_of_scheme(quantization_preset("mobile")) == "int4-g64");
    CHECK(name_of_scheme(quantization_preset("smallest")) == "int4-g128");
    for (const char* name : {"production", "accuracy", "mobile", "smallest", "balanced"}) {
        CHECK(quantization_preset(name).name == name);
        CHECK(quantization_preset(name).skip_first_last);
    }
    CHECK_FALSE(quantization_preset("prototype").skip_first_last);
    CHECK(message([] { (void)quantization_preset("tiny"); })
          == "weightscope::quantization_preset(name): no preset is named 'tiny', expected one of production, accuracy, prototype, mobile, "
             "smallest, balanced");
}

TEST_CASE("a study compares eight configurations")
{
    std::vector<std::string> names;
    for (const quantization_config& config : study_configs())
        names.push_back(name_of(config));
    CHECK(names == std::vector<std::string>{"int8-per-tensor-sym", "int8-per-tensor-asym", "int8-per-channel-sym", "int8-per-channel-asym",
                                            "int4-per-channel-sym", "int4-g128", "int4-g64", "int4-g32"});
}

TEST_CASE("a configuration that is no scheme is refused")
{
    CHECK(message([] { (void)scheme_of({.bits = 9}); }) == "weightscope::scheme_of(config): scheme.bits is 9, expected 2 to 8 or 16");
    CHECK(message([] { (void)scheme_of({.quant_type = quantization_type::int4_group, .group_size = 0}); })
          == "weightscope::scheme_of(config): scheme.group_size is 0, expected 1 or more");
}
