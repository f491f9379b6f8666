#pragma once

#include <cstddef>
#include <cstdio>
#include <string_view>

/// What the tool asks of the operating system; terminal.cpp is the only file here that depends on it.

/// Keeps a closed stdin, stdout or stderr from being reused for a file, and a closed pipe and Ctrl-C from ending the program
/// without a word.
void prepare_process();

[[nodiscard]] bool is_terminal(std::FILE* stream);

/// Columns of the terminal: $COLUMNS, else what the terminal says, else 100; at least 40.
[[nodiscard]] std::size_t terminal_width();

/// Whether stdout is a terminal that shows colours, and $NO_COLOR does not ask for none.
[[nodiscard]] bool wants_color();

/// Writes all of `text` now, and returns the error number, or 0. That nobody reads a pipe any more is no error.
[[nodiscard]] int write_now(std::FILE* stream, std::string_view text);

/// Writes one line to stderr: "weightscope: error: " and the message, made fit for a terminal.
void print_error(std::string_view message);

/// Writes one line to stderr: "weightscope: warning: " and the message, made fit for a terminal.
void print_warning(std::string_view message);

/// Tells Ctrl-C whether it has a progress line to leave.
void set_line_open(bool open);

/// While one of these lives, Ctrl-C waits for its end; the second one does not.
class interrupts_held
{
public:
    interrupts_held();
    interrupts_held(const interrupts_held&) = delete;
    interrupts_held& operator=(const interrupts_held&) = delete;
    ~interrupts_held();
};
