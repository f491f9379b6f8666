// What a call complains of.
#pragma once

#include <stdexcept>
#include <string>

/// what() of the exception that `f` throws; "nothing was thrown" if none.
template <class Exception = std::invalid_argument, class F>
std::string message(F&& f)
{
    try {
        f();
    } catch (const Exception& error) {
        return error.what();
    }
    return "nothing was thrown";
}
