#include <algorithm>
#include <cstddef>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/io/printable.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "gpt2_reference.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;

namespace {

std::vector<std::string> lines_of(const std::string& text)
{
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

scan_result sick()
{
    made_up::float_matrix broken = gaussian(20, 30), dead = gaussian(30, 40);
    broken(0, 0) = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t j = 0; j < 40; ++j)
        dead(3, j) = 0;
    return made_up::scan_of(
        {layer_of("healthy", gaussian(20, 30)), layer_of("h.0.dead", dead), layer_of("h.1.broken", broken)});
}

}  // namespace

TEST_CASE("the console shows the verdict, then the worst findings with what to do, then what stands out")
{
    const scan_result scan = sick();
    const auto lines = lines_of(to_console(scan, judge(scan), {.width = 120}));
    REQUIRE(lines.size() > 12);
    CHECK(lines[0] == "Health 39/100, Critical: do not deploy (held at 39 by nonfinite)");
    CHECK(lines[1] == "1 critical finding, 1 warning, 0 notes in 3 tensors of model.safetensors");
    CHECK(lines[2] == "");
    CHECK(lines[3] == "critical  h.1.broken  nonfinite");
    CHECK(lines[4]
          == "          1 NaN and 0 infinite among 600 entries; whatever this layer feeds becomes NaN or infinite");
    CHECK(lines[5].starts_with("          Go back to the last checkpoint without them; "));
    CHECK(lines[8] == "warning   h.0.dead  dead_rows");
    CHECK(lines[9] == "          1 of 30 rows are dead (3.333 %); outputs that do not depend on the input");
    CHECK(lines[10] == "          Prune these outputs together with what reads them.");
    std::string headings;
    for (const std::string& line : lines)
        for (const char* heading : {"highest condition numbers", "most sensitive to INT8", "sparsest"})
            if (line.starts_with(heading))
                headings += std::string(heading) + "; ";
    CHECK(headings == "highest condition numbers; most sensitive to INT8; sparsest; ");
}

TEST_CASE("the console of a healthy model has no findings and no sparse layers")
{
    const scan_result scan = made_up::scan_of({layer_of("w", gaussian(20, 30))});
    const std::string text = to_console(scan, judge(scan));
    CHECK(
        text.starts_with("Health 100/100, Excellent: deploy\n0 critical findings, 0 warnings, 0 notes in 1 tensor of "
                         "model.safetensors\n\nhighest"));
    CHECK(text.find("sparsest") == std::string::npos);
    CHECK(text.find("Not judged") == std::string::npos);
}

TEST_CASE("the console says what could not be judged")
{
    layer_result w = layer_of("w", gaussian(20, 30));
    w.spectral.reset();
    w.quantization.reset();
    const scan_result scan = made_up::scan_of({w});
    const std::string line = lines_of(to_console(scan, judge(scan), {.width = 200}))[2];
    CHECK(line.starts_with("Not judged, for lack of figures: low_rank, near_singular, spectral_norm, rank_utilisation, "));
    for (const char* rule : {"quantization_sqnr", "rounded_away", "channel_sqnr", "group_sqnr"})
        CHECK(line.find(rule) != std::string::npos);
}

TEST_CASE("top_issues bounds findings and tables, and the rest is counted")
{
    std::vector<layer_result> layers;
    for (int i = 0; i < 5; ++i) {
        made_up::float_matrix w = gaussian(20, 30);
        w.fill(0);
        layers.push_back(layer_of("zero " + std::to_string(i), w));
        layers.push_back(layer_of("w" + std::to_string(i), gaussian(20, 30)));
    }
    const scan_result scan = made_up::scan_of(layers);
    const std::string text = to_console(scan, judge(scan), {.top_issues = 2});
    CHECK(text.find("zero 1  all_zero") != std::string::npos);
    CHECK(text.find("zero 2  all_zero") == std::string::npos);
    CHECK(text.find("\nand 3 more\n") != std::string::npos);
    CHECK(text.find("\nw1 ") != std::string::npos);
    CHECK(text.find("\nw2 ") == std::string::npos);
    CHECK(lines_of(to_console(scan, judge(scan), {.top_issues = 0})).size() == 4);
}

TEST_CASE("every line fits the width")
{
    scan_result gpt2 = gpt2_reference::scan();
    scan_result named = sick();
    named.model.path = "/a/folder/with/a/long/name/that/goes/on/and/on/and/on/and/on/and/on/and/on/model.safetensors";
    named.layers[1].name = "模型.größe.重み.模型.größe.重み.模型.größe.重み.模型.größe.重み.模型.größe.重み.weight";
    named.layers[2].name = std::string(300, 'x');
    named.layers[0].error = std::string(500, 'y');
    for (const scan_result& scan : {gpt2, named})
        for (const auto& rules : {default_rules(), classic_rules()})
            for (const std::size_t width : {60u, 61u, 80u, 100u, 120u, 200u})
                for (const std::string& line :
                     lines_of(to_console(scan, judge(scan, rules), {.width = width, .top_issues = 60}))) {
                    INFO(line);
                    CHECK(detail::display_width(line) <= width);
                    CHECK(!find_invalid_utf8(line));
                }
}

TEST_CASE("names cannot speak to the terminal")
{
    scan_result scan = sick();
    const std::string hostile = "\x1b]0;title\x07\x1b[2J');alert(1)//<b>\nHealth 100/100\r\xff\xe2\x80\xae";
    scan.model.path = hostile;
    for (layer_result& layer : scan.layers) {
        layer.name += hostile;
        layer.error = hostile;
    }
    scan.layers[0].duplicate_of = hostile;
    health_result health = judge(scan);
    for (finding& f : health.findings)
        f.rule_id = f.remedy = f.meaning = hostile;
    for (const bool color : {false, true}) {
        std::string text = to_console(scan, health, {.width = 200, .color = color});
        for (const char* code : {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[1;31m"})
            for (std::size_t at = color ? text.find(code) : std::string::npos; at != std::string::npos;
                 at = text.find(code))
                text.erase(at, std::string(code).size());
        CHECK(std::none_of(text.begin(), text.end(),
                           [](char c) { return c != '\n' && static_cast<unsigned char>(c) < 0x20; }));
        CHECK(!find_invalid_utf8(text));
        CHECK(text.find("\xe2\x80\xae") == std::string::npos);
        CHECK(text.find("\nHealth 100") == std::string::npos);
    }
}

TEST_CASE("colours are there only where they are asked for, and each line ends plain")
{
    const scan_result scan = sick();
    CHECK(to_console(scan, judge(scan)).find('\x1b') == std::string::npos);
    const std::string colored = to_console(scan, judge(scan), {.color = true});
    CHECK(colored.starts_with("\x1b[1;31mHealth 39/100"));
    CHECK(colored.find("\x1b[1;31mcritical  \x1b[0m\x1b[1mh.1.broken\x1b[0m  nonfinite\n") != std::string::npos);
    for (const std::string& line : lines_of(colored))
        if (const std::size_t last = line.rfind('\x1b'); last != std::string::npos)
            CHECK(line.substr(last, 4) == "\x1b[0m");
}

TEST_CASE("tied layers stand in the tables once")
{
    layer_result first = layer_of("first", gaussian(20, 30)), second = first;
    second.name = "second";
    second.tied_to = "first";
    const scan_result scan = made_up::scan_of({first, second});
    CHECK(to_console(scan, judge(scan)).find("\nsecond ") == std::string::npos);
}

TEST_CASE("a condition number without bound is shown as the bound that is known")
{
    made_up::float_matrix w = gaussian(20, 30);
    for (std::size_t j = 0; j < 30; ++j)
        w(3, j) = w(7, j);
    const scan_result scan = made_up::scan_of({layer_of("w", w)});
    CHECK(to_console(scan, judge(scan)).find(">= ") != std::string::npos);
}

TEST_CASE("a width that no layout fits is refused")
{
    CHECK_THROWS_WITH(to_console({}, {}, {.width = 59}),
                      "weightscope::to_console(scan, health, options): options.width is 59, expected 60 to 200");
    CHECK_THROWS_AS(to_console({}, {}, {.width = 201}), std::invalid_argument);
}

TEST_CASE("the table of heavy tails is there where it is asked for, heaviest first")
{
    layer_result light = layer_of("light", gaussian(40, 60)), heavy = light, none = light;
    heavy.name = "heavy";
    none.name = "none";
    light.spectral->heavy_tail->fit = {.alpha = 4.125, .ks_distance = 0.0625, .alpha_error = 0.5, .tail_count = 25, .value_count = 40};
    heavy.spectral->heavy_tail->fit = {.alpha = 1.75, .ks_distance = 0.125, .alpha_error = 0.25, .tail_count = 12, .value_count = 40};
    heavy.spectral->heavy_tail->alpha_weighted = 3.5;
    heavy.spectral->marchenko_pastur->fitted.spike_count = 7;
    none.spectral->heavy_tail.reset();
    const scan_result scan = made_up::scan_of({light, none, heavy});
    const auto lines = lines_of(to_console(scan, judge(scan), {.width = 120, .heavy_tails = true}));
    const auto head = std::find_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("heaviest tails"); });
    REQUIRE(lines.end() - head == 3);  // the last table; the layer without a fit is not in it
    CHECK(head[0] == "heaviest tails  alpha    +-  distance  alpha weighted  in the tail  spikes");
    CHECK(head[1] == "heavy            1.75  0.25     0.125             3.5           12       7");
    CHECK(head[2].starts_with("light            4.12   0.5    0.0625 "));
    CHECK(to_console(scan, judge(scan), {.width = 120}).find("heaviest tails") == std::string::npos);
}
