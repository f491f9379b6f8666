#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/io/printable.hpp>
#include <weightscope/report/text_layout.hpp>

#include "../catch.hpp"

using namespace weightscope::detail;

TEST_CASE("the width of a text is what a terminal gives it")
{
    CHECK(display_width("") == 0);
    CHECK(display_width("weight") == 6);
    CHECK(display_width("größe…") == 6);
    CHECK(display_width("重み") == 4);
    CHECK(display_width("e\u0301") == 1);
    CHECK(display_width("\xff\xfe") == 2);
}

TEST_CASE("a text that is too long loses its middle, most of all of its front")
{
    CHECK(shortened("short", 5) == "short");
    CHECK(shortened("transformer.h.mlp.c_proj.weight", 19) == "transf…_proj.weight");
    CHECK(shortened("transformer.h.11.mlp.c_proj.weight", 19) == "…11.….c_proj.weight");
    CHECK(shortened("h.11.mlp.c_proj.weight", 15) == "h.11…roj.weight");
    CHECK(shortened("h.11.mlp.c_proj.weight", 7) == "h.…ight");
    CHECK(shortened("abcdefghij", 4) == "a…ij");
    CHECK(shortened("abcdefghij", 1) == "…");
    CHECK(shortened("abcdefghij", 0) == "");
}

TEST_CASE("a shortened text fits and stays UTF-8 at every width")
{
    const std::string text = "模型.größe.e\u0301.重み.weight";
    for (std::size_t width = 0; width <= 40; ++width) {
        const std::string cut = shortened(text, width);
        CHECK(display_width(cut) <= width);
        CHECK(!weightscope::find_invalid_utf8(cut));
    }
    CHECK(shortened(text, 40) == text);
}

TEST_CASE("a paragraph is broken at spaces, and in a word only where it is longer than a line")
{
    using lines = std::vector<std::string>;
    CHECK(wrapped("", 10) == lines{""});
    CHECK(wrapped("one two three", 7) == lines{"one two", "three"});
    CHECK(wrapped("one two three", 13) == lines{"one two three"});
    CHECK(wrapped("a abcdefghijkl b", 5) == lines{"a", "abcde", "fghij", "kl b"});
    CHECK(wrapped("重み重み", 4) == lines{"重み", "重み"});
}

TEST_CASE("a table gives its first column what the others leave, and drops the last where there is no room")
{
    const text_table table{.headings = {"layer", "kappa", "of"},
                           .rows = {{"h.0.attn.c_attn.weight", "12", "768"}, {"wte", "3844", "8"}}};
    CHECK(table.lines(60)
          == std::vector<std::string>{"layer                   kappa   of", "h.0.attn.c_attn.weight     12  768",
                                      "wte                      3844    8"});
    CHECK(table.lines(28)
          == std::vector<std::string>{"layer             kappa   of", "h.0.a…ttn.weight     12  768",
                                      "wte                3844    8"});
    CHECK(table.lines(24)[2] == "wte                 3844");
}

TEST_CASE("names that would look alike when cut take the place of figures, but for the first of them")
{
    const text_table table{.headings = {"tensor", "kappa", "rank", "of"},
                           .rows = {{"model.backbone.upper.self_attn.q_proj.weight", "12", "7", "768"}, {"model.backbone.lower.self_attn.q_proj.weight", "4", "6", "768"}}};
    CHECK(table.lines(65)[2] == "model.backbone.lower.self_attn.q_proj.weight      4     6  768");
    CHECK(table.lines(55)[1] == "model.backbon…pper.self_attn.q_proj.weight     12     7");
    CHECK(table.lines(30)[1] == "model.b…n.q_proj.weight     12");
}

TEST_CASE("the numbers of layers stay, so that figures need not give way")
{
    const text_table table{.headings = {"layer", "kappa", "rank", "of"},
                           .rows = {{"model.layers.10.self_attn.q_proj.weight", "12", "7", "768"}, {"model.layers.11.self_attn.q_proj.weight", "4", "6", "768"}}};
    CHECK(table.lines(60)[2] == "model.layers.11.self_attn.q_proj.weight      4     6  768");
    CHECK(table.lines(47)[1] == "…10.….self_attn.q_proj.weight     12     7  768");
    CHECK(table.lines(30)[1] == "…10.…_proj.weight     12     7");
}

TEST_CASE("what a terminal would obey is shown instead")
{
    CHECK(harmless("a\x1b[31mb\n\x07") == "a\\u{1b}[31mb\\u{a}\\u{7}");
    CHECK(harmless("\xff") == "\\xff");
    CHECK(harmless(std::string(500, 'x')).size() == 500);
}
