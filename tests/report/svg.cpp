#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/report/chart_axis.hpp>
#include <weightscope/report/chart_colors.hpp>
#include <weightscope/report/chart_layer_names.hpp>
#include <weightscope/report/chart_panel.hpp>
#include <weightscope/report/svg.hpp>

#include "../catch.hpp"
#include "svg_check.hpp"

using namespace weightscope;

namespace {

std::vector<std::string> texts_of(const std::vector<layer_label>& labels)
{
    std::vector<std::string> texts;
    for (const layer_label& label : labels)
        texts.push_back(label.text);
    return texts;
}

std::vector<std::string> labels_of(const chart_axis& axis)
{
    std::vector<std::string> labels;
    for (const axis_tick& tick : axis.ticks)
        labels.push_back(tick.label);
    return labels;
}

std::vector<std::string> short_names(const std::vector<std::string>& names)
{
    return texts_of(layer_labels(names));
}

}  // namespace

TEST_CASE("a picture holds its marks with their titles, and is well-formed")
{
    svg_picture picture({200, 100}, "a & b");
    picture.rectangle({10, 20, 30, 40}, "#0072b2", "first: 5", "#ffffff");
    picture.circle({50, 60}, 3, "#d55e00", "a point");
    picture.line({0, 0}, {200, 100}, {.color = "#222222", .width = 2, .dashed = true}, "a line");
    picture.text({100, 50}, "words", {.size = 12, .anchor = svg_anchor::middle, .bold = true, .upwards = true}, "more words");
    picture.text({100, 80}, "");
    const auto elements = svg_check::parse(picture.text());
    REQUIRE(elements.size() == 6);
    CHECK(elements[0].title == "a & b");
    CHECK(elements[0].attributes.at("viewBox") == "0 0 200 100");
    CHECK(elements[2].name == "rect");
    CHECK(elements[2].attributes == std::map<std::string, std::string>{{"x", "10"}, {"y", "20"}, {"width", "30"}, {"height", "40"}, {"fill", "#0072b2"}, {"stroke", "#ffffff"}});
    CHECK(elements[2].title == "first: 5");
    CHECK(elements[3].attributes.at("cx") == "50");
    CHECK(elements[4].attributes.at("points") == "0,0 200,100");
    CHECK(elements[4].attributes.contains("stroke-dasharray"));
    CHECK(elements[5].text == "words");
    CHECK(elements[5].title == "more words");
    CHECK(elements[5].attributes.at("transform") == "rotate(-90 100 50)");
    CHECK(svg_check::fault_of(picture.text()) == "");
}

TEST_CASE("names from outside are text in a picture, whatever they hold")
{
    const std::vector<std::pair<std::string, std::string>> names = {{"');alert(1)//<b>", "');alert(1)//<b>"},
                                                                    {"<script>alert(1)</script>", "<script>alert(1)</script>"},
                                                                    {"\" onload=\"alert(1)", "\" onload=\"alert(1)"},
                                                                    {"]]>&amp;", "]]>&amp;"},
                                                                    {"\x1b[2J", "\\u{1b}[2J"},
                                                                    {std::string("nul\0l", 5), "nul\\u{0}l"},
                                                                    {"\xff\xfe", "\\xff\\xfe"},
                                                                    {"\xef\xbf\xbf", "\xef\xbf\xbd"},  // U+FFFF, which XML does not allow
                                                                    {"\xe2\x80\xae""txt", "\\u{202e}txt"}};
    for (const auto& [name, expected] : names) {
        svg_picture picture({2000, 100}, name);
        picture.rectangle({0, 0, 1, 1}, "#000000", name);
        picture.text({0, 50}, name, {}, name);
        const auto elements = svg_check::parse(picture.text());
        REQUIRE(elements.size() == 4);
        CHECK(elements[0].title == expected);
        CHECK(elements[2].title == expected);
        CHECK(elements[3].text == expected);
        CHECK(svg_check::fault_of(picture.text()) == "");
    }
}

TEST_CASE("numbers in a picture are finite and short")
{
    CHECK(detail::svg_number(1.0 / 3) == "0.33");
    CHECK(detail::svg_number(-0.001) == "0");
    CHECK(detail::svg_number(std::numeric_limits<double>::quiet_NaN()) == "0");
    CHECK(detail::svg_number(std::numeric_limits<double>::infinity()) == "0");
    CHECK(detail::svg_number(12345.678) == "12345.68");
}

TEST_CASE("texts are shortened in their middle until they fit")
{
    CHECK(fitting_text("short", 100, 10) == "short");
    const std::string text = fitting_text("model.layers.12.self_attn.q_proj.weight", 120, 10);
    CHECK(text_width(text, 10) <= 120);
    CHECK(text.starts_with("…12.…"));
    CHECK(text.ends_with("proj.weight"));
    CHECK(fitting_text("anything", 1, 10) == "");
    CHECK(text_width("日本", 10) > text_width("ab", 10));
    CHECK(text_width("\x1b", 10) == text_width("\\u{1b}", 10));
}

TEST_CASE("the room of a text follows its anchor and direction")
{
    const double width = text_width("text", 10);
    const svg_box start = text_box({100, 100}, "text", {.size = 10}), middle = text_box({100, 100}, "text", {.size = 10, .anchor = svg_anchor::middle}),
                  upwards = text_box({100, 100}, "text", {.size = 10, .upwards = true});
    CHECK(start.x == 100);
    CHECK(start.right() == Approx(100 + width));
    CHECK(middle.x == Approx(100 - width / 2));
    CHECK(upwards.bottom() == 100);
    CHECK(upwards.y == Approx(100 - width));
    CHECK(start.meets(middle));
    CHECK_FALSE(start.meets(text_box({100 + width + 1, 100}, "text", {.size = 10})));
}

TEST_CASE("axes end at round values and reach all that is shown")
{
    const auto linear = axis_of(std::vector<double>{0.3, 9.7});
    CHECK(labels_of(linear) == std::vector<std::string>{"0", "2", "4", "6", "8", "10"});
    CHECK((linear.low == 0 && linear.high == 10));
    CHECK(linear.share(5) == 0.5);
    CHECK(linear.share(-1) == 0);
    CHECK(linear.share(99) == 1);
    CHECK(labels_of(axis_of(std::vector<double>{17}, {.from_zero = true, .tick_count = 4})) == std::vector<std::string>{"0", "5", "10", "15", "20"});
    CHECK(labels_of(axis_of(std::vector<double>{-2, 2}, {.tick_count = 4})) == std::vector<std::string>{"-2", "-1", "0", "1", "2"});
    CHECK(labels_of(axis_of(std::vector<double>{0, 1}, {.from_zero = true, .whole = true})) == std::vector<std::string>{"0", "1"});
    CHECK(labels_of(axis_of(std::vector<double>{0, 9}, {.from_zero = true, .tick_count = 4, .whole = true})) == std::vector<std::string>{"0", "5", "10"});
    const auto logarithmic = axis_of(std::vector<double>{3, 4e4, 0, -1}, {.logarithmic = true});
    CHECK(labels_of(logarithmic) == std::vector<std::string>{"1", "10", "100", "1000", "10000", "1e5"});
    CHECK(logarithmic.share(100) == Approx(0.4));
    CHECK(labels_of(axis_of(std::vector<double>{2, 30}, {.logarithmic = true})) == std::vector<std::string>{"1", "2", "5", "10", "20", "50", "100"});
    CHECK(labels_of(axis_of(std::vector<double>{1e-12, 1e12}, {.logarithmic = true, .tick_count = 5})).size() <= 6);
}

TEST_CASE("axes of hardly any or strange values are axes")
{
    const double infinite = std::numeric_limits<double>::infinity(), none = std::numeric_limits<double>::quiet_NaN();
    for (const auto& values : std::vector<std::vector<double>>{{}, {none, infinite}, {0}, {5, 5}, {-3}, {1e300, 1e-300}, {-1e308, 1e308}, {1e-320}, {1, 1 + 1e-15}})
        for (const bool logarithmic : {false, true})
            for (const bool from_zero : {false, true}) {
                const auto axis = axis_of(values, {.logarithmic = logarithmic, .from_zero = from_zero});
                CHECK(std::isfinite(axis.low));
                CHECK(std::isfinite(axis.high));
                CHECK(axis.low < axis.high);
                CHECK(axis.ticks.size() >= 2);
                CHECK(axis.ticks.size() <= 14);
                for (const double value : values)
                    if (const double slack = 1e-12 * std::fabs(value); std::isfinite(value) && std::fabs(value) <= 1e300 && (!logarithmic || value >= 1e-300))
                        CHECK((axis.low <= value + slack && value - slack <= axis.high));
            }
}

TEST_CASE("the sequential colours darken all the way, so that they read in grey")
{
    const auto lightness = [](const std::string& color) {  // Rec. 709 of the stored values
        const auto channel = [&](std::size_t i) { return static_cast<double>(std::stoi(color.substr(i, 2), nullptr, 16)); };
        return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    };
    for (int i = 0; i < 50; ++i)
        CHECK(lightness(chart_colors::sequential(i / 50.0)) > lightness(chart_colors::sequential((i + 1) / 50.0)));
    CHECK(chart_colors::sequential(-1) == chart_colors::sequential(0));
    CHECK(chart_colors::sequential(2) == chart_colors::sequential(1));
    CHECK(chart_colors::diverging(0.5) == "#fafaf8");
    CHECK(std::set<std::string_view>(chart_colors::series.begin(), chart_colors::series.end()).size() == chart_colors::series.size());
}

TEST_CASE("layers of any architecture get short names that differ")
{
    CHECK(short_names({"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.12.self_attn.q_proj.weight",
                       "model.layers.12.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight"})
          == std::vector<std::string>{"embed_tokens", "L0.q_proj", "L12.q_proj", "L12.up_proj", "norm", "lm_head"});
    // both attention and MLP have a c_proj
    CHECK(short_names({"transformer.h.0.attn.c_proj.weight", "transformer.h.0.mlp.c_proj.weight", "transformer.h.0.mlp.c_fc.weight"})
          == std::vector<std::string>{"L0.attn.c_proj", "L0.mlp.c_proj", "L0.c_fc"});
    CHECK(short_names({"h.0.ln_1.weight", "h.0.ln_1.bias", "h.0.ln_2.bias"}) == std::vector<std::string>{"L0.ln_1", "L0.ln_1.bias", "L0.ln_2.bias"});
    // two stacks
    CHECK(short_names({"encoder.layers.1.fc1.weight", "decoder.layers.1.fc1.weight"}) == std::vector<std::string>{"encoder.L1.fc1", "decoder.L1.fc1"});
    // heads, GGUF, a plain stack of layers
    CHECK(short_names({"model.layers.0.attn.head.3", "model.layers.1.attn.head.3"}) == std::vector<std::string>{"L0.head.3", "L1.head.3"});
    CHECK(short_names({"blk.0.attn_q.weight", "blk.1.attn_q.weight", "output.weight"}) == std::vector<std::string>{"L0.attn_q", "L1.attn_q", "output"});
    CHECK(short_names({"conv1.weight", "conv1.bias", "fc.weight"}) == std::vector<std::string>{"conv1", "conv1.bias", "fc"});
    CHECK(short_names({"0.weight", "2.weight"}) == std::vector<std::string>{"0", "2"});
    // nothing to shorten by, or everything alike
    CHECK(short_names({"w", "w.weight"}) == std::vector<std::string>{"w", "w.weight"});
    CHECK(short_names({"", ".", "a..b"}).size() == 3);
    CHECK(short_names({""}) == std::vector<std::string>{"(no name)"});
    const auto labels = layer_labels(std::vector<std::string>{"model.layers.7.mlp.up_proj.weight", "lm_head.weight"});
    CHECK((labels[0].role == "up_proj" && labels[0].block == "L7"));
    CHECK((labels[1].role == "lm_head" && labels[1].block.empty()));
}

TEST_CASE("names of layers stay apart however they are made")
{
    // every list of up to three parts out of these, twice over as names of one model
    const std::vector<std::string> parts = {"a", "0", "weight", "b.1", "layers.0.a"};
    std::vector<std::string> names;
    for (const auto& x : parts) {
        names.push_back(x);
        for (const auto& y : parts) {
            names.push_back(x + "." + y);
            for (const auto& z : parts)
                names.push_back(x + "." + y + "." + z);
        }
    }
    const std::set<std::string> different(names.begin(), names.end());
    const std::vector<std::string> all(different.begin(), different.end());
    const auto texts = short_names(all);
    CHECK(std::set<std::string>(texts.begin(), texts.end()).size() == all.size());
}

TEST_CASE("labels of points touch neither each other nor the frame nor a point")
{
    svg_picture picture({300, 200}, "points");
    std::vector<wished_label> wished;
    std::vector<svg_point> points;
    for (int i = 0; i < 40; ++i) {
        points.push_back({20.0 + (i * 53) % 260, 20.0 + (i * 29) % 160});
        wished.push_back({points.back(), "point " + std::to_string(i), "title"});
    }
    const svg_box area{0, 0, 300, 200};
    draw_labels(picture, area, wished, points);
    CHECK(svg_check::fault_of(picture.text()) == "");
    const auto elements = svg_check::parse(picture.text());
    REQUIRE(elements.size() > 5);  // some found room
    CHECK(elements[2].text == "point 0");
    for (std::size_t i = 2; i < elements.size(); ++i) {
        const svg_check::box b = svg_check::box_of(elements[i]);
        for (const svg_point& point : points)
            CHECK_FALSE(b.meets({point.x - 3, point.y - 3, point.x + 3, point.y + 3}));
    }
}
