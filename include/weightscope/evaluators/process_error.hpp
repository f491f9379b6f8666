#pragma once

#include <stdexcept>

namespace weightscope {

/// A program that serves as an evaluator did not do its part: it could not be started, ended, took too long or answered something else.
/// what() is one line that names the command, what was asked, and the last line that the program wrote to standard error.
class process_error : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

}  // namespace weightscope
