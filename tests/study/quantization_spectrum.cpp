#include <cstddef>
#include <stdexcept>
#include <vector>

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/study/quantization_spectrum.hpp>
#include <weightscope/study/quantization_study.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;

namespace {

quantization_study_options two_schemes()
{
    quantization_study_options options;
    for (const char* name : {"int4-g16", "int8-per-channel"})
        options.variants.push_back({.name = name, .normal = parse_scheme(name), .skip_first_last = false});
    return options;
}

}  // namespace

TEST_CASE("the spectra of a study are those of its layers, turned ones as they are quantized")
{
    const auto w = random_normal<float>({20, 48}, {.seed = 1});
    study_tests::model_in_memory m;
    const xt::xtensor<float, 2> turned = xt::transpose(w);
    m.add("h.0.mlp.c_fc.weight", turned).add("h.1.mlp.c_fc.weight", turned).add("b.weight", w).add("b.bias", random_normal<float>({20}, {.seed = 2}));
    (*m).architecture = "gpt2";
    auto options = two_schemes();
    options.vectors = true;
    const auto study = measure_spectra(*m, study_quantization(*m, options), {.angle_count = 3});
    REQUIRE(study.layers[0].transposed);
    REQUIRE_FALSE(study.layers[2].transposed);
    for (std::size_t s = 0; s < 2; ++s) {
        const auto alone = analyze_spectrum_effect(w, dequantize(quantize_uniform(w, study.schemes[s])), {.angle_count = 3});
        for (const std::size_t layer : {0, 1, 2}) {  // the second one is a copy
            REQUIRE(study.layers[layer].figures[s].spectrum);
            const spectrum_effect_result& effect = *study.layers[layer].figures[s].spectrum;
            CHECK(effect.relative_spectral_error.value == Approx(alone.relative_spectral_error.value).epsilon(1e-10));
            CHECK(effect.stable_rank.change.value == Approx(alone.stable_rank.change.value).epsilon(1e-10));
            CHECK(effect.largest_angle.value == Approx(alone.largest_angle.value).epsilon(1e-6));
        }
        CHECK_FALSE(study.layers[3].figures[s].spectrum);  // a vector
    }
    CHECK(study.layers[0].figures[0].spectrum->relative_spectral_error.value > 5 * study.layers[0].figures[1].spectrum->relative_spectral_error.value);
}

TEST_CASE("spectra of another model are refused, and can be cancelled")
{
    auto m = study_tests::small_model();
    const auto study = study_quantization(*m, two_schemes());
    study_tests::model_in_memory other;
    other.add("b.weight", random_normal<float>({20, 48}, {.seed = 1}));
    CHECK_THROWS_WITH(measure_spectra(*other, study), "weightscope::measure_spectra(model, study): the study is of another model, expected one of ");
    CHECK_THROWS_AS(measure_spectra(*m, study, {}, [](const progress&) { return false; }), cancelled);
    const auto whole = measure_spectra(*m, study);
    for (const study_layer& layer : whole.layers)
        CHECK((layer.figures.empty() || layer.figures[0].spectrum.has_value()));
}
