#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <weightscope/report/csv.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;

namespace {

// RFC 4180, read back.
std::vector<std::vector<std::string>> parsed(const std::string& text)
{
    std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
    bool quoted = false;
    for (std::size_t i = 0; i + 1 < text.size() || (i < text.size() && text[i] != '\n'); ++i) {
        const char c = text[i];
        if (quoted && c == '"' && text[i + 1] == '"')
            rows.back().back() += text[++i];
        else if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            rows.back().emplace_back();
        else if (c == '\n' && !quoted)
            rows.emplace_back(1);
        else
            rows.back().back() += c;
    }
    return rows;
}

std::map<std::string, std::string> row(const std::vector<std::vector<std::string>>& table, std::size_t index)
{
    std::map<std::string, std::string> result;
    for (std::size_t i = 0; i < table[0].size(); ++i)
        result[table[0][i]] = table[index].at(i);
    return result;
}

}  // namespace

TEST_CASE("CSV has one row per layer and one column per figure")
{
    const layer_result w = layer_of("w", gaussian(20, 30));
    const auto table = parsed(to_csv(made_up::scan_of({layer_of("b", made_up::float_vector{1, 2}), w})));
    REQUIRE(table.size() == 3);
    CHECK(table[0][0] == "name");
    CHECK(table[0][1] == "shape");
    CHECK(table[1].size() == table[0].size());
    auto cells = row(table, 2);
    CHECK(cells["name"] == "w");
    CHECK(cells["shape"] == "20x30");
    CHECK(cells["transposed"] == "false");
    CHECK(std::stod(cells["basic_stats.mean"]) == w.basic_stats->mean.value);
    CHECK(std::stod(cells["spectral.condition_number"]) == w.spectral->condition_number.value);
    CHECK(cells["spectral.numerical_rank"] == "20");
    CHECK(cells["sparsity.structured_sparsity.dead_rows"] == "0");
    CHECK(cells["sparsity.sparsity_levels.threshold_1e-06"] == "0");
    CHECK(row(table, 1)["spectral.condition_number"] == "");
}

TEST_CASE("columns of one method stand together, whichever layer has them first")
{
    const auto header = parsed(
        to_csv(made_up::scan_of({layer_of("b", made_up::float_vector{1, 2}), layer_of("w", gaussian(20, 30))})))[0];
    std::string methods;
    for (const std::string& column : header)
        if (const std::string method = column.substr(0, column.find('.')); !methods.ends_with(method))
            methods += " " + method;
    CHECK(methods == " name shape dtype parameters transposed tied_to duplicate_of skipped error basic_stats spectral quantization sparsity");
}

TEST_CASE("a number that is missing is an empty cell")
{
    made_up::float_matrix w = gaussian(20, 30);
    w(0, 0) = std::numeric_limits<float>::quiet_NaN();
    const std::string text = to_csv(made_up::scan_of({layer_of("w", w)}));
    CHECK(text.find("nan,") == std::string::npos);
    CHECK(text.find("inf,") == std::string::npos);
    auto cells = row(parsed(text), 1);
    CHECK(cells["spectral.condition_number"] == "");
    CHECK(cells["basic_stats.nan_count"] == "1");
}

TEST_CASE("names with commas, quotes and newlines are quoted")
{
    const std::vector<std::string> names = {"a,b", "say \"w\"", "two\nlines", "plain"};
    std::vector<layer_result> layers;
    for (const std::string& name : names)
        layers.push_back({.name = name});
    const std::string text = to_csv(made_up::scan_of(layers));
    const auto table = parsed(text);
    REQUIRE(table.size() == 5);
    for (std::size_t i = 0; i < names.size(); ++i)
        CHECK(table[i + 1][0] == names[i]);
    CHECK(text.find("\"say \"\"w\"\"\"") != std::string::npos);
    CHECK(text.find("\nplain,") != std::string::npos);
}

TEST_CASE("CSV of no layers is a header")
{
    CHECK(to_csv({}) == "name,shape,dtype,parameters,transposed,tied_to,duplicate_of,skipped,error\n");
}
