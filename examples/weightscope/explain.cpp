#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/version.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/explanations.hpp>
#include <weightscope/report/json.hpp>

#include "arguments.hpp"
#include "command.hpp"

namespace {

struct explain_arguments
{
    std::vector<std::string> words;
    std::string output;  // JSON; "-" is stdout, empty is none
    bool quiet = false;
};

std::vector<weightscope::explanation> chosen_explanations(const std::vector<std::string>& words)
{
    if (words.empty())
        return weightscope::all_explanations();
    std::vector<weightscope::explanation> chosen;
    for (const std::string& word : words) {
        const auto found = weightscope::explain_word(word);
        if (found.empty()) {
            const auto similar = weightscope::similar_names(word);
            throw usage_error(fmt::format("no field and no rule is named '{}'{}; all are listed by: weightscope explain", weightscope::printable(word),
                                          similar.empty() ? "" : fmt::format("; near it are {}", fmt::join(similar, ", "))));
        }
        chosen.insert(chosen.end(), found.begin(), found.end());
    }
    return chosen;
}

nlohmann::ordered_json to_json(const std::vector<weightscope::explanation>& chosen)
{
    nlohmann::ordered_json entries = nlohmann::ordered_json::array();
    for (const auto& e : chosen)
        entries.push_back({{"name", e.name},
                           {"kind", e.kind},
                           {"meaning", e.meaning},
                           {"formula", e.formula},
                           {"range", e.range},
                           {"healthy", e.healthy},
                           {"remedy", e.remedy},
                           {"source", e.source}});
    return {{"schema", "weightscope/explain/1"}, {"version", weightscope::version}, {"entries", entries}};
}

int run_explain(const explain_arguments& arguments)
{
    const auto chosen = chosen_explanations(arguments.words);
    if (!arguments.output.empty())
        write_output(arguments.output, weightscope::to_text(to_json(chosen)));
    if (arguments.quiet || arguments.output == "-")
        return exit_status::done;
    if (!arguments.words.empty()) {
        for (const auto& e : chosen)
            print((&e == &chosen.front() ? "" : "\n") + to_text(e));
        return exit_status::done;
    }
    std::size_t longest = 0;
    for (const auto& e : chosen)
        longest = std::max(longest, e.name.size());
    std::string text;
    for (const auto& e : chosen)
        text += fmt::format("{:<{}}  {}\n", e.name, longest, e.meaning);
    print(text);
    return exit_status::done;
}

}  // namespace

void add_explain(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("explain", "Tells what a figure or a rule means: formula, range, healthy values, remedy, source.");
    const auto arguments = std::make_shared<explain_arguments>();
    explain_arguments& a = *arguments;
    sub->set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub->add_option("NAME", a.words, "fields of a scan or rules; all are listed where none is named")->type_name("");
    sub->add_option("--output", a.output, "write the entries as JSON; - is stdout")->type_name("FILE.json");
    sub->add_flag("--quiet", a.quiet, "print nothing but errors");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_explain(*arguments); }; });
}
