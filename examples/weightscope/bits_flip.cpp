#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_writer.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/text_layout.hpp>

#include "arguments.hpp"
#include "bits.hpp"
#include "command.hpp"
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

void write_plan(const std::string& target, const weightscope::bit_patch& patch, const weightscope::model& m)
{
    weightscope::bit_plan plan{.model = m.path.string(), .format = m.format};
    for (const weightscope::checked_flip& entry : patch.flips)
        if (entry.skipped.empty())
            plan.flips.push_back(entry.flip);
    write_output(target, to_text(plan));
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
    std::error_code error;
    if (!fs::is_directory(arguments.write, error))
        arguments.model.more_outputs = {{"--write", arguments.write}};
    const weightscope::model m = open_for(arguments.model);
    if (!arguments.write.empty() && fs::equivalent(m.path, arguments.write, error))
        throw usage_error(fmt::format("{}: is the model itself; name another file for the result", arguments.write));
    const weightscope::bit_patch patch = make_bit_patch(m, flips_of(arguments, m), arguments.options);
    const bool quiet = arguments.model.quiet || uses_stdout(arguments.model);
    if (!arguments.write.empty())
        write_copy(m, patch, arguments.write);
    if (!arguments.model.output.empty())
        write_plan(arguments.model.output, patch, m);
    if (!quiet) {
        print(to_console(patch));
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
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_bits_flip(*arguments); }; });
}
