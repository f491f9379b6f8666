#pragma once

#include <string>

#include <CLI/CLI.hpp>

/// Gives the tool and each of its commands examples of its own and the exit status, below its help.
void add_examples(CLI::App& tool);

/// Has every option and place that takes a name of a file refuse an empty one, as an unset variable of a shell leaves it.
void refuse_empty_names(CLI::App& tool);

/// What is wrong with the command line, what it may have meant, and whose help tells more.
[[nodiscard]] std::string fault_of_usage(const CLI::App& tool, const CLI::ParseError& error);
