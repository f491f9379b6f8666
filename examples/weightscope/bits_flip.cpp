#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/version.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_writer.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/bit_ranking_console.hpp>
#include <weightscope/report/bit_ranking_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/flips_quality.hpp>

#include "arguments.hpp"
#include "bits.hpp"
#include "command.hpp"
#include "evaluator_arguments.hpp"
#include "terminal.hpp"

namespace {

namespace fs = std::filesystem;

struct bits_flip_arguments
{
    model_arguments model;
    std::string plan, source = "plan";
    std::string tensor, part = "code";
    std::size_t index = 0;
    unsigned bit = 0;
    std::string write;
    weightscope::bit_patch_options options;
    bool dry_run = false;
    evaluator_arguments evaluator;
    std::size_t num_val_batches = 2;
};

// What the flips do to the model where there is something to run it on.
struct measured_flips
{
    std::optional<weightscope::flips_quality> quality;
    std::vector<std::string> notes;
};

// What --plan says, or --tensor, --index and --bit.
std::vector<weightscope::planned_flip> flips_of(const bits_flip_arguments& arguments, const weightscope::model& m)
{
    if (!arguments.plan.empty())
        return weightscope::read_bit_plan(arguments.plan, arguments.source).flips;
    const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& tensor) { return tensor.name == arguments.tensor; });
    if (found == m.tensors.end())
        throw usage_error(fmt::format("--tensor: the model has none that is named '{}'; list them with: weightscope inspect {}", arguments.tensor,
                                      arguments.model.location));
    try {
        return {weightscope::plan_flip(*found, arguments.index, arguments.bit, arguments.part)};
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
    }
}

std::string to_console(const weightscope::bit_patch& patch)
{
    constexpr std::size_t shown = 10;
    weightscope::detail::text_table table{.headings = {"tensor", "weight", "part", "bit", "old", "new", "old code", "new code"}};
    std::string skipped;
    for (const weightscope::checked_flip& entry : patch.flips) {
        const weightscope::planned_flip& flip = entry.flip;
        if (!entry.skipped.empty())
            skipped += fmt::format("passed over '{}' [{}] {} bit {}: {}\n", weightscope::detail::harmless(flip.name), flip.flat,
                                   weightscope::detail::harmless(flip.part), flip.bit, entry.skipped);
        else if (table.rows.size() < shown)
            table.rows.push_back({weightscope::detail::harmless(flip.name), fmt::format("{}", flip.flat), flip.part, fmt::format("{}", flip.bit),
                                  fmt::format("{:.9g}", *flip.old_value), fmt::format("{:.9g}", *flip.new_value), fmt::format("{:#x}", *flip.old_code),
                                  fmt::format("{:#x}", *flip.new_code)});
    }
    std::string text;
    if (!table.rows.empty())
        text += fmt::format("{}\n", fmt::join(table.lines(is_terminal(stdout) ? terminal_width() : 1'000'000), "\n"));
    if (patch.applied_count > table.rows.size())
        text += fmt::format("the first {} of {}\n", table.rows.size(), patch.applied_count);
    text += skipped;
    text += fmt::format("requested {}, applied {}, skipped {}, non-finite {}\n", patch.requested_count, patch.applied_count, patch.skipped_count,
                        patch.non_finite_count);
    if (patch.unchecked_count > 0)
        text += fmt::format("the plan tells no old value for {} of them, so that these could not be checked\n", patch.unchecked_count);
    return text;
}

std::vector<weightscope::planned_flip> applied_flips(const weightscope::bit_patch& patch)
{
    std::vector<weightscope::planned_flip> flips;
    for (const weightscope::checked_flip& entry : patch.flips)
        if (entry.skipped.empty())
            flips.push_back(entry.flip);
    return flips;
}

measured_flips measure(const bits_flip_arguments& a, const weightscope::model& m, const weightscope::bit_patch& patch)
{
    if (!a.evaluator.given())
        return {};
    opened_evaluators evaluators = open_evaluators(a.evaluator, m, {.use = evaluator_use::measure});
    measured_flips result{.quality = {}, .notes = evaluators.notes};
    std::vector<std::vector<weightscope::planned_flip>> sets = {applied_flips(patch)};
    for (weightscope::planned_flip& flip : sets.front())
        flip.old_code.reset();  // what was found has been checked; codes of a plan that is undone stand in the other order
    evaluators.with_measuring([&](auto& evaluator) {
        weightscope::measure_flips_options options;
        for (std::size_t b = 0; a.num_val_batches > 0 && b < std::min(a.num_val_batches, evaluator.batch_count()); ++b)
            options.batches.push_back(b);
        result.quality = weightscope::measure_flips(m, evaluator, sets, options);
    });
    return result;
}

void write_plan(const std::string& target, const weightscope::bit_patch& patch, const weightscope::model& m, const measured_flips& measured)
{
    nlohmann::ordered_json document = to_json(weightscope::bit_plan{.model = m.path.string(), .format = m.format, .flips = applied_flips(patch)});
    if (measured.quality) {
        document["quality"] = weightscope::detail::json_of_measuring(*measured.quality);
        document["quality"]["after"] = weightscope::detail::measured_json(measured.quality->after.front());
    }
    write_output(target, weightscope::to_text(document));
}

void require_use(const bits_flip_arguments& arguments)
{
    if (arguments.plan.empty() == arguments.tensor.empty())
        throw usage_error("what to flip is not clear: give --plan, or --tensor with --index and --bit");
    if (arguments.write.empty() && !arguments.dry_run)
        throw usage_error("--write is missing: name the copy that gets the flips, or take --dry-run to see what they would be");
    if (!arguments.write.empty() && arguments.dry_run)
        throw usage_error("--dry-run writes nothing; leave out --write or --dry-run");
}

void write_copy(const weightscope::model& m, const weightscope::bit_patch& patch, const std::string& target)
{
    try {
        const interrupts_held held;
        weightscope::write_bit_patch(m, patch, target);
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
    }
}

int run_bits_flip(bits_flip_arguments arguments)
{
    require_use(arguments);
    require_consistent(arguments.evaluator);
    std::error_code error;
    if (!fs::is_directory(arguments.write, error))
        arguments.model.more_outputs = {{"--write", arguments.write}};
    const weightscope::model m = open_for(arguments.model);
    if (!arguments.write.empty() && fs::equivalent(m.path, arguments.write, error))
        throw usage_error(fmt::format("{}: is the model itself; name another file for the result", arguments.write));
    const weightscope::bit_patch patch = make_bit_patch(m, flips_of(arguments, m), arguments.options);
    const bool quiet = arguments.model.quiet || uses_stdout(arguments.model);
    const measured_flips measured = measure(arguments, m, patch);
    if (!arguments.write.empty())
        write_copy(m, patch, arguments.write);
    if (!arguments.model.output.empty())
        write_plan(arguments.model.output, patch, m, measured);
    if (!quiet) {
        print(to_console(patch));
        if (measured.quality) {
            for (const std::string& note : measured.notes)
                print(note + "\n");
            std::string text;
            weightscope::detail::append_rows(text, weightscope::detail::flips_quality_table(*measured.quality, {arguments.options.revert ? "flips undone" : "with the flips"}), std::clamp<std::size_t>(terminal_width(), 60, 200));
            print(text);
        }
        if (!arguments.write.empty())
            print(fmt::format("written to {}\n", weightscope::detail::harmless(arguments.write)));
    }
    return exit_status::done;
}

}  // namespace

void add_bits_flip(CLI::App& bits, command& chosen)
{
    CLI::App* sub = bits.add_subcommand("flip", "Flips bits in a copy of a model, or undoes that: those of a plan, or one.");
    const auto arguments = std::make_shared<bits_flip_arguments>();
    bits_flip_arguments& a = *arguments;
    sub->set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub->add_option("MODEL", a.model.location, "a file, a folder of shards, or a hub id in the local Hugging Face cache")->required()->type_name("");
    sub->add_option("--plan", a.plan, "what to flip: the file that bits rank or bits flip --output writes")->type_name("PLAN.json");
    add_choice(*sub, "--source", a.source, {"plan", "ranked"}, "the list of the plan that is taken");
    sub->add_option("--top", a.options.top, "only the first N of it")->type_name("N")->check(whole_number(1, 1'000'000'000));
    sub->add_option("--model", a.options.model, "only flips of that \"model\", in a plan for several")->type_name("NAME");
    sub->add_option("--tensor", a.tensor, "flip one bit: of a weight of this tensor")->type_name("NAME");
    sub->add_option("--index", a.index, "the weight, counted row by row from 0 (0)")
        ->type_name("N")
        ->check(whole_number(0, std::numeric_limits<std::size_t>::max()));
    sub->add_option("--bit", a.bit, "its bit, 0 is the least significant (0)")->type_name("N")->check(whole_number(0, 63));
    add_choice(*sub, "--part", a.part, {"code", "scale", "min", "sub_scale", "sub_min"}, "whose bit: the weight's own, or that of a scale of its block");
    sub->add_option("--write", a.write, "the copy that gets the flips: a file, or a new folder where the model has several files")
        ->type_name("OUT")
        ->check(no_stdout());
    sub->add_flag("--revert", a.options.revert, "undo the flips");
    sub->add_flag("--lenient", a.options.lenient, "pass over flips that do not fit the model, or whose old value is another");
    sub->add_flag("--dry-run", a.dry_run, "check the flips and show them, write no model");
    sub->add_option("--output", a.model.output, "write the flips that were made as a plan; - is stdout")->type_name("FILE.json");
    sub->add_flag("--quiet", a.model.quiet, "print nothing but errors");
    add_evaluator_arguments(*sub, a.evaluator, evaluator_use::measure);
    sub->add_option("--num-val-batches", a.num_val_batches, "batches to run on, from the first on; 0: all (2)")
        ->type_name("N")
        ->check(whole_number(0, 1'000'000'000));
    sub->callback([&chosen, arguments] {
        chosen = [arguments] { return run_with_evaluators([&] { return run_bits_flip(*arguments); }); };
    });
}
