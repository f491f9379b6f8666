#include <algorithm>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/plot_spectrum_effects.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/report/quantization_study_console.hpp>
#include <weightscope/report/quantization_study_csv.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/text_layout.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// Σw² = 100 over 64 weights; INT8 leaves Σe² = 0.01, INT4 Σe² = 1.
quantization_study_result made_up()
{
    quantization_study_result study;
    study.model = {.path = "a.safetensors", .format = "safetensors", .tensors = 2, .parameters = 68, .bytes = 272};
    study.schemes = {{.bits = 8}, {.bits = 4}};
    study.settings.variants = {{.name = "eight", .normal = study.schemes[0], .skip_first_last = false},
                               {.name = "four", .normal = study.schemes[1], .skip_first_last = false}};
    study_layer weight{.name = "w\x1b,\"", .shape = {8, 8}, .dtype = "F32", .parameters = 64, .bytes = 256, .first = true, .last = true};
    for (const double noise : {0.01, 1.0})
        weight.figures.push_back({.storage = storage_bytes(weight.shape, study.schemes[weight.figures.size()]),
                                  .error = summarize_error({.count = 64, .signal = 100, .squared_error = noise, .absolute_error = noise,
                                                            .max_error = noise, .max_magnitude = 3})});
    study.layers = {weight, {.name = "b", .shape = {4}, .dtype = "F32", .parameters = 4, .bytes = 16, .kept = "vector"}};
    study.first_layer = study.last_layer = weight.name;
    for (std::size_t v = 0; v < 2; ++v)
        study.variants.push_back(detail::make_variant(study, study.settings.variants[v].name, false,
                                                      [&](const study_layer&, std::size_t) { return layer_pick{.scheme = v}; }));
    study.recommended_because = "reasons";
    study.smallest = 1;
    study.knobs = {{.knob = "bits", .from = "eight", .to = "four", .error_change_db = 20.0, .bytes_change = -32}};
    return study;
}

}  // namespace

TEST_CASE("a variant's bytes are packed layers and kept ones")
{
    const auto study = made_up();
    CHECK(study.variants[0].bytes == 64 + 4 + 16);
    CHECK(study.variants[1].bytes == 32 + 4 + 16);
    CHECK(study.variants[1].error.relative_error.value == Approx(0.1).epsilon(1e-14));
    CHECK(study.variants[1].error.sqnr_db.value == Approx(20).epsilon(1e-14));
}

TEST_CASE("a study on a console tells variants, layers, knobs and the verdict")
{
    const std::string text = to_console(made_up(), {.width = 140});
    for (const char* part : {"1 layer can be quantized; kept as stored: 1 vector", "eight *", "84 B", "52 B", "10 %", "20.0", "worst layers",
                             "int4-per-tensor-sym", "What mattered most: bits (+20.00 dB of error from eight to four)", "+20.00 dB  -32 B",
                             "Recommended: eight (84 B, relative error 1 %): reasons", "Smallest: four (52 B, relative error 10 %)"})
        CHECK_THAT(text, Catch::Matchers::ContainsSubstring(part));
    CHECK(text.find('\x1b') == std::string::npos);  // a name cannot speak to the terminal
    CHECK_THROWS_AS(to_console(made_up(), {.width = 20}), std::invalid_argument);
}

TEST_CASE("lines of a study fit the console")
{
    const std::string text = to_console(made_up(), {.width = 60});
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        CHECK(detail::display_width(line) <= 60);
}

TEST_CASE("a study as JSON has what it measured, and null with a reason where there is nothing")
{
    auto study = made_up();
    study.variants[0].worst_error = metric::missing("no layer is quantized");
    const auto document = to_json(study);
    CHECK(document["schema"] == "weightscope/quantize/1");
    CHECK(document["schemes"] == std::vector<std::string>{"int8-per-tensor-sym", "int4-per-tensor-sym"});
    const auto& layer = document["layers"].begin().value();
    CHECK(layer["schemes"]["int4-per-tensor-sym"]["bytes"] == 36);
    CHECK(layer["schemes"]["int4-per-tensor-sym"]["code_bytes"] == 32);
    CHECK(layer["schemes"]["int4-per-tensor-sym"]["compression_ratio"] == 256.0 / 36);
    CHECK(document["layers"]["b"]["kept"] == "vector");
    CHECK(document["variants"][0]["worst_error"].is_null());
    CHECK(document["variants"][0]["worst_error_reason"] == "no layer is quantized");
    CHECK(document["variants"][1]["picks"]["b"]["scheme"].is_null());
    CHECK(document["variants"][1]["picks"]["b"]["reason"] == "vector");
    CHECK(document["chart"]["points"][1]["bytes"] == 52);
    CHECK(document["recommended"] == "eight");
    CHECK(document["knobs"][0]["bytes_change"] == -32);
}

namespace {

// The made-up study with a spectrum and losses: the first variant loses 0.001, the second one 0.5.
quantization_study_result measured()
{
    auto study = made_up();
    spectrum_effect_result effect;
    effect.relative_spectral_error = 0.125;
    effect.stable_rank = {2.0, 2.5, 1.25};
    effect.alpha = {3.0, 2.75, -0.25};
    effect.alpha_error = 0.5;
    effect.condition_number = {10.0, metric::missing("singular to working precision"), metric::missing("singular to working precision")};
    effect.largest_angle = 12.0;
    effect.angle_count = 3;
    effect.subspace_gap = 0.25;
    for (scheme_figures& figures : study.layers[0].figures)
        figures.spectrum = effect;
    study.evaluation = study_evaluation{.batches = 2, .seconds = 1.5, .sqnr_loss_correlation = metric::missing("fewer than three variants"), .notes = {"a note"}};
    study.evaluation->before.loss = 2.0;
    study.evaluation->before.perplexity = 7.38;
    for (std::size_t v = 0; v < 2; ++v) {
        model_quality quality;
        quality.loss = v == 0 ? 2.001 : 2.5;
        quality.loss_change = v == 0 ? 0.001 : 0.5;
        quality.loss_change_error = 0.0002;
        quality.perplexity = 8.0;
        quality.outputs.kl_divergence = 0.03;
        quality.outputs.kl_divergence_error = 0.004;
        quality.outputs.top1_agreement = 0.875;
        quality.outputs.psnr_db = metric::missing("exact");
        study.variants[v].quality = quality;
    }
    return study;
}

}  // namespace

TEST_CASE("losses and spectra of a study stand in its tables, in its JSON and in its CSV")
{
    auto study = measured();
    const std::string text = to_console(study, {.width = 200});
    for (const char* part : {"the model as it is", "2.0010", "+0.0010 ± 0.0002", "87.50 %", "measured on 2 batches in 1.5 s",
                             "no rank correlation of SQNR and loss: fewer than three variants; a note", "12.5 %", "x 1.2500", "-0.250", "12°",
                             "spectral error by scheme"})
        CHECK_THAT(text, Catch::Matchers::ContainsSubstring(part));

    const auto document = to_json(study);
    CHECK(document["evaluation"]["before"]["loss"] == 2.0);
    CHECK(document["variants"][1]["quality"]["loss_change"] == 0.5);
    CHECK(document["variants"][1]["quality"]["outputs_psnr_db"].is_null());
    const auto& spectrum = document["layers"].begin().value()["schemes"]["int4-per-tensor-sym"]["spectrum"];
    CHECK(spectrum["relative_spectral_error"] == 0.125);
    CHECK(spectrum["condition_number_ratio_reason"] == "singular to working precision");
    CHECK(spectrum["alpha_change"] == -0.25);
    CHECK(spectrum["angle_count"] == 3);

    std::istringstream lines(to_csv(study));
    std::vector<std::string> rows;
    for (std::string line; std::getline(lines, line);)
        rows.push_back(line);
    REQUIRE(rows.size() == 7);
    CHECK(rows[0].find(",flushed_fraction,relative_spectral_error,stable_rank,stable_rank_after,stable_rank_ratio,alpha,") != std::string::npos);
    CHECK(rows[0].ends_with(",subspace_gap,loss,loss_change,loss_change_error,perplexity,kl_divergence,kl_divergence_error,top1_agreement,"
                            "outputs_mae,outputs_rmse,outputs_psnr_db,outputs_cosine_similarity"));
    CHECK(rows[1].ends_with(",,,,,,,,,,,,,,2.001,0.001,0.0002,8,0.03,0.004,0.875,,,,"));
    CHECK(rows[2].ends_with(",0.125,2,2.5,1.25,3,2.75,-0.25,0.5,10,,,12,0.25,,,,,,,,,,,"));
    for (const std::string& row : rows)
        CHECK(std::count(row.begin(), row.end(), ',') == 19 + 13 + 11 + (row.find('\x1b') != std::string::npos));

    const chart picture = plot_spectrum_effects(study);
    CHECK(picture.name == "spectrum_effects");
    CHECK(std::count(picture.csv.begin(), picture.csv.end(), '\n') == 3);
    CHECK_THAT(picture.svg, Catch::Matchers::ContainsSubstring("spectral error 0.125, stable rank x 1.25, alpha -0.25"));
    CHECK(plot_spectrum_effects(made_up()).csv.find('\n') + 1 == plot_spectrum_effects(made_up()).csv.size());
}

TEST_CASE("where losses are measured they say what is recommended")
{
    auto study = measured();
    detail::recommend(study);
    CHECK(study.variants[study.recommended].name == "eight");
    CHECK(study.recommended_because == "the smallest whose measured loss rises by at most 0.01: it rises by 0.0010 ± 0.0002 to 2.0010");
    study.settings.max_loss_increase = 1;
    detail::recommend(study);
    CHECK(study.variants[study.recommended].name == "four");
    study.settings.max_error = 0.05;  // four loses 10 %
    detail::recommend(study);
    CHECK(study.variants[study.recommended].name == "eight");
    study.settings.max_loss_increase = 1e-5;
    detail::recommend(study);
    CHECK(study.recommended_because
          == "no variant keeps the rise of the measured loss within 1e-05 and its layers within max_error, and this one's rises least: by 0.0010 ± 0.0002 to 2.0010");
}

TEST_CASE("a study as CSV has a row for each variant and one for each layer under it")
{
    std::istringstream lines(to_csv(made_up()));
    std::vector<std::string> rows;
    for (std::string line; std::getline(lines, line);)
        rows.push_back(line);
    REQUIRE(rows.size() == 1 + 2 * 3);
    CHECK(rows[0]
          == "variant,layer,shape,dtype,parameters,stored_bytes,scheme,reason,bytes,sqnr_db,relative_error,mae,rmse,max_error,"
             "cosine_similarity,mse,bias,psnr_db,clipped_fraction,flushed_fraction");
    CHECK(rows[1].starts_with("eight,,,,68,272,,,84,40,0.01,"));
    CHECK(rows[5].starts_with("four,\"w\x1b,\"\"\",8x8,F32,64,256,int4-per-tensor-sym,,36,20,0.1,0.015625,0.125,1,"));
    CHECK(rows[6] == "four,b,4,F32,4,16,,vector,16,,,,,,,,,,,");
    for (const std::string& row : rows)
        CHECK(std::count(row.begin(), row.end(), ',') == 19 + (row.find('\x1b') != std::string::npos));
}
