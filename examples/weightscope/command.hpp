#pragma once

#include <functional>
#include <stdexcept>

#include <CLI/CLI.hpp>

/// What the tool exits with.
namespace exit_status {
inline constexpr int done = 0;
inline constexpr int finding = 1;  ///< done, and a finding reached --fail-on
inline constexpr int usage = 2;
inline constexpr int unreadable =
    3;  ///< an input cannot be read or is not valid; a scan that lost single tensors is written
inline constexpr int unwritable = 4;
inline constexpr int internal_error = 5;
inline constexpr int signalled = 128;  ///< plus the signal: 130 after Ctrl-C
}  // namespace exit_status

/// Wrong usage that only shows once the model is open.
class usage_error : public std::invalid_argument
{
public:
    using std::invalid_argument::invalid_argument;
};

/// What the command line asks for; returns the exit status.
using command = std::function<int()>;

// Each adds one command to the tool. Once the command line is read, `chosen` is the one that it names.
void add_allocate(CLI::App& tool, command& chosen);
void add_bits(CLI::App& tool, command& chosen);
void add_compare(CLI::App& tool, command& chosen);
void add_explain(CLI::App& tool, command& chosen);
void add_inspect(CLI::App& tool, command& chosen);
void add_scan(CLI::App& tool, command& chosen);
void add_watch(CLI::App& tool, command& chosen);
void add_prune(CLI::App& tool, command& chosen);
void add_quantize(CLI::App& tool, command& chosen);
void add_report(CLI::App& tool, command& chosen);
