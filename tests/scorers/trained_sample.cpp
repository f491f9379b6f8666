// Scores of the trained sample's weights against what happens when single weights are removed from it.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/scorers/calibration.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/scorer.hpp>
#include <weightscope/scorers/validate_scores.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"

using namespace weightscope;

namespace {

constexpr std::int32_t answer_sign = 31;

const std::filesystem::path& sample_folder()
{
    static const std::filesystem::path folder =
        std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "examples" / "data" / "trained_sample";
    return folder;
}

transformer<double> open_sample(const calibration_result& calibration)
{
    return open_transformer<double>(sample_folder(), calibration.rows, {.batch_size = 64, .predict_after = answer_sign});
}

calibration_result draw(std::size_t samples)
{
    return select_calibration(read_tokens(sample_folder() / "held_out.npy"), {.samples = samples, .seed = 1});
}

importance_result score(const transformer<double>& t, std::size_t tensor, const importance_data& data, scorer_options options)
{
    const weight_info& info = t.weights()[tensor];
    std::vector<std::byte> bytes(info.size() * (bits_of(info.dtype) / 8));
    t.read(tensor, 0, bytes);
    const std::vector<double> w = detail::to_values(info.dtype, bytes);
    options.random.name = info.name;
    return detail::score_weights(detail::source_of(std::span<const double>(w)), info.shape, data.of(info.name), options);
}

}  // namespace

TEST_CASE("scores of the trained sample's weights, against their removal")
{
    transformer<double> t = open_sample(draw(16));
    const importance_estimate known = estimate_importance(t, {.fisher = true});
    std::vector<scored_tensor> tensors;
    for (std::size_t i = 0; i < t.weights().size(); ++i)
        if (known.data.of(t.weights()[i].name).activations)
            tensors.push_back({t.weights()[i].name, t.weights()[i].size(),
                               [&t, &known, i] { return score(t, i, known.data, {.method = importance_method::taylor}).scores; }});
    const std::vector<removable> items = sample_weights(t.weights(), tensors, {.samples = 120});
    const validation_result v = validate_scores(t, items, {.samples = 120, .resamples = 200, .noise = 1e-15});
    REQUIRE(v.items.size() == 120);
    CHECK(v.below_noise_count < 6);
    CHECK(v.counts == evaluation_counts{.losses = 120 + 2});

    // the true second derivatives, by differences of losses in double
    differences_options differences{.method = difference_method::curvature, .step = 0.02, .noise = 1e-15};
    for (const removable& item : items)
        differences.positions.push_back({item.group.slices[0].tensor, item.group.slices[0].first});
    const differences_result curvature = estimate_differences(t, differences);

    std::vector<double> measured, size;
    std::map<std::string, std::vector<double>> predicted;
    for (std::size_t i = 0; i < items.size(); ++i) {
        measured.push_back(v.items[i].measured);
        size.push_back(std::fabs(measured.back()));
    }
    const auto add = [&](const std::string& name, const scorer_options& options) {
        std::map<std::size_t, std::vector<double>> scores;
        for (const weight_position& p : differences.positions) {
            if (!scores.contains(p.tensor))
                scores[p.tensor] = score(t, p.tensor, known.data, options).scores;
            predicted[name].push_back(scores[p.tensor][p.element]);
        }
    };
    add("random", {.method = importance_method::random});
    add("magnitude", {.method = importance_method::magnitude});
    add("wanda", {.method = importance_method::wanda});
    add("taylor", {.method = importance_method::taylor});
    add("-w g", {.method = importance_method::taylor, .taylor = {.keep_sign = true}});
    add("taylor_2nd, Fisher", {.method = importance_method::taylor_2nd});
    add("taylor_2nd_signed, Fisher", {.method = importance_method::taylor_2nd_signed});
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::size_t tensor = differences.positions[i].tensor, element = differences.positions[i].element;
        const weight_info& info = t.weights()[tensor];
        std::vector<std::byte> bytes(bits_of(info.dtype) / 8);
        t.read(tensor, element * bytes.size(), bytes);
        const double w[] = {detail::stored_value(info.dtype, bytes.data())};
        std::vector<double> g(1);
        known.data.of(info.name).gradients.read(element, g);
        const importance_info one = {.gradients = g, .hessian_diag = {curvature.weights[i].curvature}};
        const auto source = detail::source_of(std::span<const double>(w));
        predicted["taylor_2nd, curvature"].push_back(detail::score_weights(source, {1}, one, {.method = importance_method::taylor_2nd}).scores[0]);
        predicted["taylor_2nd_signed, curvature"].push_back(
            detail::score_weights(source, {1}, one, {.method = importance_method::taylor_2nd_signed}).scores[0]);
    }
    std::map<std::string, double> change, magnitude;
    for (const auto& [name, scores] : predicted) {
        std::vector<double> sizes;
        for (const double s : scores)
            sizes.push_back(std::fabs(s));
        change[name] = spearman_correlation(scores, measured).value;
        magnitude[name] = spearman_correlation(sizes, size).value;
    }
    for (const auto& [name, correlation] : change) {
        INFO(name << ": " << correlation << " with the change, " << magnitude[name] << " with its size");
        CHECK(correlation <= change["taylor_2nd_signed, curvature"]);
    }
    CHECK(change["taylor_2nd_signed, curvature"] > 0.99);
    CHECK(change["taylor_2nd_signed, curvature"] > change["taylor"] + 0.3);  // |w g| cannot tell a rise from a fall
    CHECK(change["-w g"] > 0.9);
    CHECK(magnitude["taylor"] > 0.9);
    CHECK(magnitude["taylor"] > magnitude["magnitude"]);
    CHECK(magnitude["taylor"] > magnitude["wanda"]);
    CHECK(magnitude["magnitude"] > magnitude["random"]);
    CHECK(std::fabs(change["random"]) < 0.27);  // three standard deviations of 120 unrelated pairs
    CHECK(detail::slope_through_origin(predicted["taylor_2nd_signed, curvature"], measured).value == Approx(1).margin(0.25));
}

TEST_CASE("an imatrix of the trained sample's inputs gives Wanda's scores and masks")
{
    const calibration_result calibration = draw(64);
    transformer<double> t = open_sample(calibration);
    const importance_estimate tapped = estimate_importance(t, {.gradients = false, .fingerprint = calibration.fingerprint});
    CHECK(tapped.samples == 64);
    CHECK(tapped.activations.front().rows == calibration.tokens);  // padding does not count

    gguf_writer::file imatrix;
    imatrix.key("general.type", "imatrix").key("imatrix.chunk_count", std::uint32_t{1}).key("imatrix.chunk_size", std::uint32_t{64});
    imatrix.keys.emplace_back("imatrix.datasets", gguf_writer::texts({"held_out"}));
    for (const activation_statistics& s : tapped.activations) {
        const std::string name = gguf_name(s.tensor);
        imatrix.tensors.push_back({name + ".in_sum2", {s.sums_of_squares.size(), 1}, 0,
                                   gguf_writer::bytes_of(std::vector<float>(s.sums_of_squares.begin(), s.sums_of_squares.end()))});
        imatrix.tensors.push_back({name + ".counts", {1, 1}, 0, gguf_writer::bytes_of(std::vector<float>{static_cast<float>(s.rows)})});
    }
    const files::temporary_folder folder;
    const importance_files_result from_file =
        read_importance_files(t.weights(), {.activations = files::write(folder / "imatrix.gguf", imatrix.content())});
    std::size_t matrices = 0, differing = 0;
    for (std::size_t i = 0; i < t.weights().size(); ++i) {
        const importance_info info = tapped.data.of(t.weights()[i].name);
        if (!info.activations)
            continue;
        ++matrices;
        const std::vector<double> a = score(t, i, tapped.data, {.method = importance_method::wanda}).scores;
        const std::vector<double> b = score(t, i, from_file.data, {.method = importance_method::wanda}).scores;
        double largest = 0;
        for (std::size_t k = 0; k < a.size(); ++k)
            largest = std::max(largest, std::fabs(a[k] - b[k]) / std::max(a[k], 1e-300));
        CHECK(largest < 1e-7);  // the file has floats
        const std::size_t rows = t.weights()[i].shape[0];
        const weight_mask one = select_row_mask(a, rows, {.ratio = 0.5}).mask, other = select_row_mask(b, rows, {.ratio = 0.5}).mask;
        for (std::size_t k = 0; k < a.size(); ++k)
            differing += one.removed(k) != other.removed(k) ? 1 : 0;
        CHECK(info.origin.fingerprint == calibration.fingerprint);
    }
    CHECK(matrices > 20);
    CHECK(differing <= 4);  // two scores that the rounding to float swaps
}
