#include "usage.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace {

constexpr std::string_view exit_statuses = R"(
Exit status:
  0    done
  1    done, and a finding reached --fail-on
  2    wrong usage
  3    the model cannot be read or is not valid; a scan that lost single tensors is written
  4    an output cannot be written
  5    internal error
  130  interrupted
)";

struct examples_of
{
    std::string_view command, lines;  // "bits map", or nothing: of the tool
};

constexpr std::array examples = {
    examples_of{"", R"(
  weightscope scan model.safetensors
  weightscope scan checkpoint-500/ --output scan.json --fail-on critical
  weightscope inspect openai-community/gpt2 --include attn
  weightscope report scan.json --charts charts
  weightscope compare base-model/ fine-tuned.gguf
  weightscope watch checkpoints/ --follow
  weightscope quantize model.safetensors --scheme int8-per-channel-sym --scheme int4-g64
  weightscope allocate model/ --bits-per-weight 4.25 --imatrix model.imatrix --recipe llama-quantize=types.txt
  weightscope prune model/ --data tokens.npy --method taylor --ratio 0.25 --write smaller/
  weightscope bits map model.gguf --bitset exponent_sign --charts charts
)"},
    examples_of{"inspect", R"(
  weightscope inspect model.gguf
  weightscope inspect openai-community/gpt2 --include attn
  weightscope inspect model/ --csv tensors.csv --quiet
)"},
    examples_of{"scan", R"(
  weightscope scan model.safetensors
  weightscope scan model/ --include mlp --methods spectral,quantization --bits 4 --group-size 64
  weightscope scan checkpoint-500/ --output scan.json --html report.html --charts charts
  weightscope scan model/ --fail-on warning --baseline base.json --threshold outliers.warning=2
)"},
    examples_of{"report", R"(
  weightscope report scan.json --html report.html
  weightscope report scan.json --preset classic --fail-on warning
  weightscope report scan.json --threshold outliers.warning=none --charts charts --charts-format png
)"},
    examples_of{"explain", R"(
  weightscope explain
  weightscope explain spectral.stable_rank near_singular
)"},
    examples_of{"compare", R"(
  weightscope compare base-model/ fine-tuned.gguf
  weightscope compare model.safetensors model-q4_0.gguf --include attn --html comparison.html
  weightscope compare before.json after.json --threshold lost_rank.warning=2 --fail-on warning
)"},
    examples_of{"watch", R"(
  weightscope watch checkpoint-500/ checkpoint-1000/ checkpoint-1500/
  weightscope watch checkpoints/ --follow --interval 30 --html training.html
  weightscope watch checkpoints/ --no-spectral --csv training.csv --fail-on critical
)"},
    examples_of{"quantize", R"(
  weightscope quantize model.safetensors
  weightscope quantize model.safetensors --scheme int8-per-channel-sym --scheme nf4-g64 --write decoded.safetensors --take nf4-g64
  weightscope quantize model/ --scheme q4_0 --scheme int4-g32 --evaluate --data tokens.npy
  weightscope quantize model/ --diff int4-g128,gptq-int4,awq-int4
)"},
    examples_of{"allocate", R"(
  weightscope allocate model/ --bits-per-weight 4.25
  weightscope allocate model/ --bits-per-weight 4.25 --imatrix model.imatrix --recipe llama-quantize=types.txt
  weightscope allocate model/ --size 3.5GiB --data tokens.npy --evaluate --html plan.html
  weightscope allocate model/ --size 500MB --pin lm_head=int8-per-channel-sym --pack packed.safetensors
)"},
    examples_of{"prune", R"(
  weightscope prune model/ --data tokens.npy --method taylor --ratio 0.25 --write smaller/
  weightscope prune model/ --text sample.txt --method wanda --granularity row --ratio 0.5 --masks masked.safetensors
  weightscope prune model/ --data tokens.npy --method magnitude --compare wanda,taylor --plan
)"},
    examples_of{"bits", R"(
  weightscope bits map model.gguf --bitset exponent_sign
  weightscope bits rank model/ --data tokens.npy --top-b 3 --output worst.json
  weightscope bits flip model/ --plan worst.json --write broken/
)"},
    examples_of{"bits map", R"(
  weightscope bits map model.gguf --bitset exponent_sign --charts charts
  weightscope bits map model.safetensors --include attn --csv bits.csv
)"},
    examples_of{"bits select", R"(
  weightscope bits select model.safetensors --top-w 20 --output candidates.json
  weightscope bits select model/ --data tokens.npy --per-tensor-k 5 --output candidates.json
)"},
    examples_of{"bits rank", R"(
  weightscope bits rank model/ --data tokens.npy --top-b 3 --output worst.json
  weightscope bits rank model/ --data tokens.npy --weights-in candidates.json --metric kl_divergence
  weightscope bits rank model/ --data tokens.npy --search sample --margin 0.02
)"},
    examples_of{"bits flip", R"(
  weightscope bits flip model/ --plan worst.json --write broken/
  weightscope bits flip broken/ --plan worst.json --revert --write repaired/
  weightscope bits flip model.safetensors --tensor lm_head.weight --index 7 --bit 30 --write broken.safetensors
)"}};

void add_examples(CLI::App& app, const std::string& path)
{
    for (const examples_of& entry : examples)
        if (entry.command == path)
            app.footer(fmt::format("\nExamples:{}{}", entry.lines, exit_statuses));
    for (CLI::App* sub : app.get_subcommands({}))
        add_examples(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name());
}

// Whether a placeholder such as FILE.json, DIR or OUT, or a place such as MODEL, stands for a name of a file.
bool takes_file(const CLI::Option& option)
{
    constexpr std::array fronts = {"FILE", "OUT", "PLAN.json", "SCAN.json"};
    const std::string kind = option.get_type_name();
    return (option.get_positional() && option.get_name() != "NAME") || kind == "DIR"
           || std::any_of(fronts.begin(), fronts.end(), [&](std::string_view front) { return kind.starts_with(front); });
}

// How many letters of one to put in, take out, change or swap with the next, to have the other.
std::size_t edits_between(std::string_view a, std::string_view b)
{
    std::vector<std::vector<std::size_t>> edits(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                edits[i][j] = i + j;
                continue;
            }
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1),
                                    swapped ? edits[i - 2][j - 2] + 1 : i + j});
        }
    return edits[a.size()][b.size()];
}

// ", but --bits", where a name is near enough to be meant.
std::string guess(const std::string& word, const std::vector<std::string>& names)
{
    const std::size_t dashes = std::min(word.size(), word.find_first_not_of('-'));
    std::size_t least = std::max<std::size_t>(1, (word.size() - dashes) / 3) + 1;
    std::string best;
    if (word.size() <= 100)
        for (const std::string& name : names)
            if (const std::size_t edits = edits_between(word, name); edits < least) {
                least = edits;
                best = fmt::format(", but {}", name);
            }
    return best;
}

std::string unknown_option(const CLI::App& app, const std::string& word)
{
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames())
            names.push_back("--" + name);
    const std::string given = word.substr(0, word.find('='));
    return fmt::format("there is no option '{}'{}", given, guess(given, names));
}

std::string unknown_command(const CLI::App& app, const std::string& word)
{
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    return fmt::format("there is no command '{}'{}", word, guess(word, names));
}

// What the parser says of an option that has too many values or none.
std::string plain(std::string what)
{
    constexpr std::string_view many = ": At Most 1 required but received ", missing = ": 1 required ";
    if (!what.empty() && what.back() == '.')
        what.pop_back();
    if (const std::size_t at = what.find(many); at != std::string::npos)
        return fmt::format("{} is given {} times; give it once", what.substr(0, at), what.substr(at + many.size()));
    if (const std::size_t at = what.find(missing); at != std::string::npos && what.ends_with(" missing")) {
        const std::size_t from = at + missing.size();
        return fmt::format("{} lacks its value {}", what.substr(0, at), what.substr(from, what.size() - from - std::string_view(" missing").size()));
    }
    return what;
}

}  // namespace

void add_examples(CLI::App& tool)
{
    add_examples(tool, "");
}

void refuse_empty_names(CLI::App& app)
{
    const CLI::Validator named([](const std::string& name) { return name.empty() ? std::string("the name is empty, as an unset variable leaves it") : std::string(); }, "");
    for (CLI::Option* option : app.get_options())
        if (takes_file(*option))
            option->check(named);
    for (CLI::App* sub : app.get_subcommands({}))
        refuse_empty_names(*sub);
}

std::string fault_of_usage(const CLI::App& tool, const CLI::ParseError& error)
{
    const CLI::App* app = &tool;
    std::string path = "weightscope";
    for (auto below = app->get_subcommands(); !below.empty(); below = app->get_subcommands()) {
        app = below.front();
        path += " " + app->get_name();
    }
    const bool wants_command = !app->get_subcommands([](const CLI::App*) { return true; }).empty();
    const std::vector<std::string> rest = app->remaining();
    const auto option = std::find_if(rest.begin(), rest.end(), [](const std::string& word) { return word.size() > 1 && word[0] == '-'; });
    std::string what = plain(error.what());
    if (wants_command)
        what = rest.empty() ? "a command is missing" : option == rest.begin() ? unknown_option(*app, rest[0]) : unknown_command(*app, rest[0]);
    else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !rest.empty())
        what = option != rest.end() ? unknown_option(*app, *option) : fmt::format("'{}' is one argument too many", rest[0]);
    return fmt::format("{}; see: {} --help", what, path);
}
