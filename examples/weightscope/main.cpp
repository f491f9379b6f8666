#include <exception>
#include <filesystem>
#include <new>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/core/version.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"
#include "usage.hpp"

namespace {

int fail(int status, const std::string& message)
{
    print_error(message);
    return status;
}

int run(int argc, char** argv)
{
    CLI::App tool(
        "Tells from a model's weights whether it is healthy, what breaks when it is quantized, and what to do.",
        "weightscope");
    command chosen;
    tool.set_version_flag("--version", std::string(weightscope::version), "print the version");
    tool.set_help_flag("--help,-h", "print this");
    tool.require_subcommand(1);
    add_inspect(tool, chosen);
    add_scan(tool, chosen);
    add_report(tool, chosen);
    add_explain(tool, chosen);
    add_compare(tool, chosen);
    add_watch(tool, chosen);
    add_quantize(tool, chosen);
    add_allocate(tool, chosen);
    add_prune(tool, chosen);
    add_bits(tool, chosen);
    add_examples(tool);
    refuse_empty_names(tool);
    try {
        tool.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        print(tool.help());
        return exit_status::done;
    } catch (const CLI::CallForVersion&) {
        print(fmt::format("weightscope {}\n", weightscope::version));
        return exit_status::done;
    } catch (const CLI::ParseError& error) {
        throw usage_error(fault_of_usage(tool, error));
    }
    return chosen();
}

}  // namespace

int main(int argc, char** argv)
{
    prepare_process();
    try {
        return run(argc, argv);
    } catch (const usage_error& error) {
        return fail(exit_status::usage, error.what());
    } catch (const weightscope::write_error& error) {
        return fail(exit_status::unwritable, error.what());
    } catch (const weightscope::io_error& error) {
        return fail(exit_status::unreadable, error.what());
    } catch (const std::filesystem::filesystem_error& error) {
        return fail(exit_status::unreadable, error.what());
    } catch (const std::bad_alloc&) {
        return fail(exit_status::internal_error,
                    "not enough memory; close other programs, or choose fewer tensors with --include");
    } catch (const std::exception& error) {
        return fail(exit_status::internal_error, error.what());
    }
}
