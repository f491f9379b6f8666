#include <stdexcept>
#include <string>

#include <weightscope/io/name_filter.hpp>

#include "../catch.hpp"

using weightscope::name_filter;

TEST_CASE("a name filter without options takes every name")
{
    CHECK(name_filter({}).takes("transformer.wte.weight"));
    CHECK(name_filter({}).takes(""));
}

TEST_CASE("a name is taken if one of the expressions to include matches a part of it")
{
    const name_filter filter({.include = {"attn", "^lm_head"}});
    CHECK(filter.takes("h.0.attn.c_attn.weight"));
    CHECK(filter.takes("lm_head.weight"));
    CHECK_FALSE(filter.takes("model.lm_head.weight"));
    CHECK_FALSE(filter.takes("h.0.ATTN.weight"));
}

TEST_CASE("a name is left out if one of the expressions to exclude matches a part of it, whatever else says")
{
    const name_filter filter({.include = {"attn"}, .exclude = {R"(\.bias$)", "h.1"}, .restrict_to = {"c_attn"}});
    CHECK(filter.takes("h.0.attn.c_attn.weight"));
    CHECK_FALSE(filter.takes("h.0.attn.c_attn.bias"));
    CHECK_FALSE(filter.takes("h.1.attn.c_attn.weight"));
    CHECK_FALSE(filter.takes("h.0.attn.c_proj.weight"));
}

TEST_CASE("what names are restricted to is text, not an expression")
{
    const name_filter filter({.restrict_to = {".0.", "w+e"}});
    CHECK(filter.takes("h.0.ln"));
    CHECK(filter.takes("w+e"));
    CHECK_FALSE(filter.takes("h10.ln"));
    CHECK_FALSE(filter.takes("wwe"));
}

TEST_CASE("a name filter is not brought down by a name of a megabyte")
{
    const std::string name(1 << 20, 'a');
    CHECK(name_filter({.include = {"(a|b)*"}}).takes(name));
    CHECK_FALSE(name_filter({.include = {"b"}}).takes(name + "b"));  // past the first 4,096 bytes
    CHECK(name_filter({.restrict_to = {"ab"}}).takes(name + "b"));
}

TEST_CASE("what is no regular expression is refused with the option that has it")
{
    const auto message = [](const weightscope::name_filter_options& options) -> std::string {
        try {
            (void)name_filter(options);
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "not refused";
    };
    CHECK(message({.include = {"fine", "("}})
              .starts_with(
                  "weightscope::name_filter(options): options.include has '(', which is no regular expression: "));
    CHECK(message({.exclude = {"[a"}})
              .starts_with(
                  "weightscope::name_filter(options): options.exclude has '[a', which is no regular expression: "));
    CHECK(message({.restrict_to = {"("}}) == "not refused");
}
