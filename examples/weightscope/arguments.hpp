#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/open_options.hpp>

/// A file that an option names.
struct output_argument
{
    std::string option;  ///< "--csv"
    std::string target;  ///< "-" is stdout, empty is none
};

/// Those of these files that are wanted.
[[nodiscard]] std::vector<output_argument> wanted_outputs(std::vector<output_argument> outputs);

/// What every command that reads one model understands.
struct model_arguments
{
    std::string location;  ///< file, folder or hub id
    weightscope::name_filter_options names;
    std::string output;  ///< JSON; "-" is stdout, empty is none
    std::string csv;
    bool quiet = false;
    std::vector<output_argument> more_outputs = {};  ///< of one command alone

    /// --output, --csv and the others that are wanted.
    [[nodiscard]] std::vector<output_argument> outputs() const;
};

/// Adds --include, --exclude and --restrict to a command.
void add_name_arguments(CLI::App& sub, weightscope::name_filter_options& names);

/// Adds MODEL and these options to a command.
void add_model_arguments(CLI::App& sub, model_arguments& arguments);

/// Adds an option that may be given several times, with one value each.
CLI::Option* add_list(CLI::App& sub, const std::string& name, std::vector<std::string>& values,
                      const std::string& placeholder, const std::string& description);

/// Adds an option whose value is one of these words; the default is told.
CLI::Option* add_choice(CLI::App& sub, const std::string& name, std::string& value,
                        const std::vector<std::string>& words, const std::string& description);

/// What "detect", "out_in" and "in_out" mean.
[[nodiscard]] weightscope::matrix_orientation orientation_of(const std::string& word);

/// Accepts one of these words.
[[nodiscard]] CLI::Validator one_of(const std::vector<std::string>& words);

/// Accepts whole numbers in decimal, `least` and `most` included.
[[nodiscard]] CLI::Validator whole_number(std::size_t least, std::size_t most);

/// Accepts decimal numbers, `least` included and `below` not; `words` tell the range.
[[nodiscard]] CLI::Validator number(double least, double below, const std::string& words);

/// Refuses "-": what is written cannot go to stdout.
[[nodiscard]] CLI::Validator no_stdout();

/// What "3.5GiB", "500MB" or "123456" mean in bytes; nothing where it is no size.
[[nodiscard]] std::optional<std::uint64_t> bytes_of(const std::string& text);

/// Accepts what bytes_of() understands.
[[nodiscard]] CLI::Validator byte_size();

/// The sentence of a library's message, without the name of the function that says it.
[[nodiscard]] std::string sentence_of(const std::exception& error);

/// Opens the model that the arguments name, once what they want written is known to be writable.
/// @throws usage_error  the patterns leave no tensor, or an output would replace the model
[[nodiscard]] weightscope::model open_for(const model_arguments& arguments, const weightscope::open_options& options = {});

/// Throws where these patterns leave no tensor of a model that has some.
/// @throws usage_error
void require_names(const weightscope::model& m, const weightscope::name_filter_options& names);

/// Throws unless each of these is a file of its own that can be written.
/// @throws usage_error                two name one file
/// @throws weightscope::write_error
void require_outputs(const std::vector<output_argument>& outputs);

/// Whether stdout is wanted for one of the outputs and must carry nothing else.
[[nodiscard]] bool uses_stdout(const std::vector<output_argument>& outputs);
[[nodiscard]] bool uses_stdout(const model_arguments& arguments);

/// Writes `text` to a file, whole or not at all, or to stdout where `target` is "-".
/// @throws write_error
void write_output(const std::string& target, std::string_view text);

/// Writes `text` to stdout.
/// @throws write_error  the disk is full, say; that nobody reads a pipe any more is no error
void print(std::string_view text);
