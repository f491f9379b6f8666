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

namespace {

constexpr const char* footer = R"(
Examples:
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

Exit status:
  0    done
  1    done, and a finding reached --fail-on
  2    wrong usage
  3    the model cannot be read or is not valid; a scan that lost single tensors is written
  4    an output cannot be written
  5    internal error
  130  interrupted
)";

int fail(int status, const std::string& message)
{
    print_error(message);
    return status;
}

// "prune", or "bits map": the names of a command and of the one below it.
std::string path_of(const CLI::App& sub)
{
    const auto below = sub.get_subcommands();
    return below.empty() ? sub.get_name() : sub.get_name() + " " + path_of(*below.front());
}

// What is wrong with the command line, and whose help tells more.
std::string fault_of_usage(const CLI::App& tool, const CLI::ParseError& error, const std::string& first)
{
    const auto subs = tool.get_subcommands();
    std::string what = error.what();
    if (!what.empty() && what.back() == '.')
        what.pop_back();
    if (subs.empty())
        what = first.empty() ? "a command is missing"
                             : fmt::format("there is no {} '{}'", first[0] == '-' ? "option" : "command", first);
    return fmt::format("{}; see: {} --help", what,
                       subs.empty() ? "weightscope" : "weightscope " + path_of(*subs.front()));
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
    tool.footer(footer);
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
    try {
        tool.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        print(tool.help());
        return exit_status::done;
    } catch (const CLI::CallForVersion&) {
        print(fmt::format("weightscope {}\n", weightscope::version));
        return exit_status::done;
    } catch (const CLI::ParseError& error) {
        throw usage_error(fault_of_usage(tool, error, argc > 1 ? argv[1] : ""));
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
