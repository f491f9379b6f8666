#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/series_report.hpp>
#include <weightscope/study/checkpoint_folder.hpp>
#include <weightscope/study/checkpoint_series.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../report/schema_check.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::model_in_memory;

namespace {

using float_matrix = xt::xtensor<float, 2>;

float_matrix gaussian(std::uint64_t seed)
{
    return random_normal<float>({40, 30}, {.seed = seed, .std = 0.05});
}

// Two layers: the first is `factor` times its first state, the second has moved by `noise`.
model_in_memory state(float factor, float noise, const std::string& path)
{
    float_matrix a = gaussian(1), b = gaussian(2);
    const float_matrix step = gaussian(3);
    a *= factor;
    for (std::size_t i = 0; i < b.size(); ++i)
        b.flat(i) += noise * step.flat(i);
    model_in_memory m;
    m.add("a.weight", a).add("b.weight", b);
    (*m).path = path;
    return m;
}

std::string told(const series_checkpoint& c)
{
    std::string text;
    for (const finding& f : c.findings)
        text += (text.empty() ? "" : ", ") + std::string(to_string(f.level)) + " " + f.rule_id + " " + f.layer;
    return text;
}

}  // namespace

TEST_CASE("a series measures each state and its way from the one before")
{
    model_in_memory first = state(1, 0, "run/step-1"), second = state(3, 0.1f, "run/step-2/"), third = state(3, 0.1f, "run/step-3");
    checkpoint_series series;
    const series_checkpoint start = series.add(*first);
    CHECK(start.name == "step-1");
    CHECK(start.layers[0].relative_l2_distance.reason == "no checkpoint before");
    CHECK(start.findings.empty());
    double squares = 0;
    for (const float x : gaussian(1))
        squares += static_cast<double>(x) * static_cast<double>(x);
    CHECK(start.layers[0].l2_norm.value == Approx(std::sqrt(squares)).epsilon(1e-12));
    const spectral_result spectrum = analyze_spectral(gaussian(1));
    CHECK(start.layers[0].max_singular_value.value == Approx(spectrum.max_singular_value.value).epsilon(1e-5));
    CHECK(start.layers[0].stable_rank.value == Approx(spectrum.stable_rank.value).epsilon(1e-4));

    const series_checkpoint next = series.add(*second);
    CHECK(next.name == "step-2");
    CHECK(next.layers[0].relative_l2_distance.value == Approx(2).epsilon(1e-6));  // floats
    CHECK(next.layers[0].cosine_similarity.value == Approx(1).epsilon(1e-12));
    CHECK(next.layers[1].relative_l2_distance.value == Approx(0.1).epsilon(0.06));  // 1200 Gaussian numbers
    CHECK(told(next) == "warning growth a.weight, warning sharp_change a.weight");
    CHECK(to_line(next).starts_with("step-2: 2 layers, moved 1."));
    CHECK(told(series.add(*third)) == "warning stall , info frozen a.weight, info frozen b.weight");
    CHECK(series.result().count(severity::warning) == 3);
}

TEST_CASE("explosion, collapse, loss of a layer and what is not finite are told")
{
    model_in_memory first = state(1, 0, "1"), second = state(0.01f, 0, "2"), third = state(1, 0, "3"), fourth;
    checkpoint_series series;
    series.add(*first);
    CHECK(told(series.add(*second)).starts_with("critical collapse a.weight"));
    CHECK(told(series.add(*third)).starts_with("critical explosion a.weight"));
    float_matrix broken = gaussian(1);
    broken *= 1.01f;
    broken(0, 0) = std::numeric_limits<float>::quiet_NaN();
    fourth.add("a.weight", broken);
    CHECK(told(series.add(*fourth)) == "critical appeared_nonfinite a.weight, warning removed b.weight");
    CHECK(series.result().checkpoints.back().layers[0].non_finite_count == 1);
    CHECK(series.result().checkpoints.back().layers[0].max_singular_value.reason == "entries that are not finite");
}

TEST_CASE("a series is written as its schema says, with a row for each layer and checkpoint")
{
    model_in_memory first = state(1, 0, "1"), second = state(3, 0.1f, "2");
    checkpoint_series series;
    series.add(*first);
    series.add(*second);
    const auto document = to_json(series.result());
    CHECK(schema_check::fault_of(nlohmann::json::parse(to_text(document)), "watch.schema.json") == "");
    CHECK(document["checkpoints"][1]["warning"].size() == 2);
    const std::string csv = to_csv(series.result());
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);
    const std::string text = to_console(series.result());
    CHECK(text.starts_with("2 checkpoints, 0 critical findings, 2 warnings\n"));
    CHECK(text.find("a.weight at 2  growth") != std::string::npos);
    CHECK(text.find("moved most") != std::string::npos);
    CHECK_THROWS_WITH(to_console(series.result(), {.width = 59}), "weightscope::to_console(series, options): options.width is 59, expected 60 to 200");
    CHECK(plot_training_evolution(to_scan_steps(series.result())).svg.starts_with("<svg"));
}

TEST_CASE("checkpoints of a folder are its folders with weights, or its files of weights, in natural order")
{
    const files::temporary_folder folder;
    for (const char* name : {"c10.safetensors", "c9.safetensors", "c2.gguf", "notes.txt", ".c1.safetensors.tmp", ".c0.safetensors"})
        files::write(folder / name, "x");
    const auto names = [](const std::vector<std::filesystem::path>& paths) {
        std::string text;
        for (const auto& path : paths)
            text += path.filename().string() + " ";
        return text;
    };
    CHECK(names(list_checkpoints(folder.path())) == "c2.gguf c9.safetensors c10.safetensors ");
    files::write(folder / "step-20" / "model.safetensors", "x");
    files::write(folder / "step-3" / "model.safetensors", "x");
    files::write(folder / "logs" / "events", "x");
    CHECK(names(list_checkpoints(folder.path())) == "step-3 step-20 ");
}

TEST_CASE("a checkpoint is told when it has stopped growing, and once")
{
    const files::temporary_folder folder;
    checkpoint_watcher watcher(folder.path());
    CHECK(watcher.settled().empty());
    const auto path = files::write(folder / "a.safetensors", "x");
    CHECK(watcher.settled().empty());  // seen for the first time
    files::write(path, "xy");
    CHECK(watcher.settled().empty());  // it grew
    CHECK(watcher.settled() == std::vector<std::filesystem::path>{path});
    CHECK(watcher.settled() == std::vector<std::filesystem::path>{path});  // as long as it is not taken
    watcher.take(path);
    CHECK(watcher.settled().empty());
    files::write(folder / "b.safetensors", "");
    CHECK(watcher.settled().empty());
    CHECK(watcher.settled().empty());  // nothing in it yet
}
