#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/explanations.hpp>
#include <weightscope/report/fields.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/rules.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;

namespace {

// The names of all fields, as paths.
struct names_of_fields
{
    std::set<std::string>& names;

    template <has_fields T>
    void take(const T& value, const std::string& prefix) const
    {
        for_each_field(value, [&]<class V>(std::string_view name, const V& field) {
            if constexpr (has_fields<V>)
                take(field, prefix + std::string(name) + ".");
            else
                names.insert(prefix + std::string(name));
        });
    }
};

// A layer that has everything a scan may find.
layer_result full_layer()
{
    layer_result layer = made_up::layer_of("w", made_up::gaussian(20, 30));
    layer.tied_to = layer.duplicate_of = layer.file = layer.skipped = layer.error = "x";
    layer.spectral->marchenko_pastur->shuffled = shuffled_bulk{};
    layer.tap_spectra = tap_spectra_result{};
    layer.convolution_norm = convolution_norm_result{};
    layer.bit_flips = bit_flips_result{};
    return layer;
}

std::set<std::string> all_fields()
{
    std::set<std::string> names;
    const names_of_fields collect{names};
    collect.take(full_layer(), "");
    layer_result census = full_layer();
    census.basic_stats.reset();
    census.census = value_census{};
    collect.take(census, "");
    collect.take(scanned_model{.lost_shards = {"x"}}, "model.");
    collect.take(scan_options{}, "settings.");
    collect.take(scan_environment{}, "environment.");
    return names;
}

}  // namespace

TEST_CASE("every field of a scan is explained, and nothing that is none")
{
    std::set<std::string> explained;
    for (const explanation& e : all_explanations())
        if (e.kind == "field") {
            INFO(e.name);
            CHECK(explained.insert(e.name).second);
            CHECK(e.meaning.ends_with("."));
            CHECK_FALSE(e.range.empty());
        }
    const std::set<std::string> fields = all_fields();
    std::string missing, unknown;
    for (const std::string& name : fields)
        missing += explained.contains(name) ? "" : name + " ";
    for (const std::string& name : explained)
        unknown += fields.contains(name) ? "" : name + " ";
    CHECK(missing == "");
    CHECK(unknown == "");
}

TEST_CASE("every rule is explained, with its limits and a remedy")
{
    std::set<std::string> explained;
    for (const explanation& e : all_explanations())
        if (e.kind != "field") {
            INFO(e.name);
            CHECK(explained.insert(e.name).second);
            CHECK_FALSE(e.range.empty());
            CHECK(e.remedy.ends_with("."));
        }
    for (const auto& table : {default_rules(), classic_rules(), heavy_tail_rules()})
        for (const rule& r : table)
            CHECK(explained.contains(r.id));
    for (const auto& table : {comparison_rules(), series_rules()})
        for (const change_rule& r : table)
            CHECK(explained.contains(r.id));
}

TEST_CASE("a word is found by its whole name, its last part, or the end of its name")
{
    CHECK(explain_word("spectral.stable_rank").size() == 1);
    REQUIRE(explain_word("stable_rank").size() == 1);
    CHECK(explain_word("stable_rank")[0].name == "spectral.stable_rank");
    CHECK(explain_word("soft_rank").size() == 3);
    CHECK(explain_word("fitted.soft_rank").size() == 1);
    CHECK(explain_word("threshold_1e-06").size() == 1);
    CHECK(explain_word("dead_rows").size() == 1);  // the rule: its whole name
    CHECK(explain_word("dead_rows")[0].kind == "rule");
    CHECK(explain_word("nothing").empty());
}

TEST_CASE("an unknown word has suggestions, nearest first, or none")
{
    CHECK(similar_names("stabel_rank")[0] == "spectral.stable_rank");
    CHECK(similar_names("outlier")[0] == "quantization.outlier_percentage");
    CHECK(similar_names("nonfinit", 1) == std::vector<std::string>{"nonfinite"});
    CHECK(similar_names("zzzzzzzz").empty());
}

TEST_CASE("an explanation is told with all that it has")
{
    CHECK(to_text(explain_word("zeros_percentage")[0])
          == "basic_stats.zeros_percentage  (field)\n"
             "Share of weights that are exactly 0, of either sign.\n"
             "  formula  100 zero_count / finite_count\n"
             "  range    0 to 100 %\n"
             "  healthy  near 0, unless the layer was pruned\n");
    CHECK(to_text(explain_word("outliers")[0]).find("  limits   warning where it is > 1 %, critical where it is > 10 %; a warning at most") != std::string::npos);
}

TEST_CASE("report/README.md is the table of explanations")
{
    const auto path = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "include" / "weightscope" / "report" / "README.md";
    std::ifstream file(path, std::ios::binary);
    const std::string page(std::istreambuf_iterator<char>(file), {});
    CHECK(page == explanations_page());
}
