#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/comparison_csv.hpp>
#include <weightscope/report/comparison_json.hpp>
#include <weightscope/study/model_comparison.hpp>

#include "../catch.hpp"
#include "../report/schema_check.hpp"
#include "small_model.hpp"

using namespace weightscope;

namespace {

constexpr const char* hostile = "');alert(1)//<b>\x1b[31m,\"";

// Everything that a comparison can say of a tensor: equal, moved, not finite, resized, gone, new, no numbers.
comparison_result full_comparison()
{
    study_tests::model_in_memory a = study_tests::small_model(), b = study_tests::small_model();
    xt::xtensor<float, 2> w = random_normal<float>({12, 20}, {.seed = 31}), moved = w;
    moved(0, 0) += 1;
    xt::xtensor<float, 2> broken = w;
    broken(1, 1) = std::numeric_limits<float>::infinity();
    const xt::xtensor<float, 2> small = random_normal<float>({4, 4}, {.seed = 32});
    a.add(hostile, w).add("broken", w).add("resized", w).add("gone", random_normal<float>({6, 6}, {.seed = 33}));
    b.add(hostile, moved).add("broken", broken).add("resized", small).add("new", random_normal<float>({7, 7}, {.seed = 34}));
    return compare_models({.weights = &*a}, {.weights = &*b});
}

}  // namespace

TEST_CASE("a comparison is written as its schema says, whatever it holds")
{
    const comparison_result r = full_comparison();
    const auto document = to_json(r);
    const auto parsed = nlohmann::json::parse(to_text(document));
    CHECK(schema_check::fault_of(parsed, "compare.schema.json") == "");
    CHECK(parsed["layer_comparisons"].size() == r.layers.size());
    CHECK(parsed["layer_comparisons"]["resized"]["relation"] == "resized");
    CHECK(parsed["layer_comparisons"]["broken"]["weights"]["difference"]["max_singular_value"].is_null());
    CHECK(parsed["layer_comparisons"][hostile]["relation"] == "low_rank_update");  // one weight is a difference of rank 1
    CHECK(parsed["only_in_model1"][0]["name"] == "gone");
    CHECK(parsed["only_in_model2"][0]["name"] == "new");
    CHECK(parsed["critical"][0]["rule"] == "appeared_nonfinite");
    CHECK(parsed["rules"].size() == comparison_rules().size());
}

TEST_CASE("a comparison is a table with a row for each layer")
{
    const comparison_result r = full_comparison();
    const std::string csv = to_csv(r);
    CHECK(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')) == r.layers.size() + 1);
    CHECK(csv.find("\nbroken,broken,name,") != std::string::npos);
    CHECK(csv.find("\"\"\"") != std::string::npos);  // the quote of the hostile name, doubled and quoted
}

TEST_CASE("a comparison is told on a console without anything that a terminal would obey")
{
    const comparison_result r = full_comparison();
    for (const std::size_t width : {60u, 100u, 200u}) {
        const std::string text = to_console(r, {.width = width});
        CHECK(text.find('\x1b') == std::string::npos);
        CHECK(text.find("appeared_nonfinite") != std::string::npos);
        CHECK(text.find("Only in A: gone") != std::string::npos);
        CHECK(text.find("Only in B: new") != std::string::npos);
        std::size_t begin = 0;
        for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
            CHECK(detail::display_width(text.substr(begin, end - begin)) <= width);
    }
    CHECK(to_console(r, {.width = 200, .color = true}).find("\x1b[1m") != std::string::npos);
    CHECK_THROWS_WITH(to_console(r, {.width = 201}), "weightscope::to_console(comparison, options): options.width is 201, expected 60 to 200");
}
