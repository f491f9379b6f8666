#include "progress_line.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <weightscope/report/text_layout.hpp>

#include "terminal.hpp"

using weightscope::detail::display_width, weightscope::detail::harmless, weightscope::detail::shortened;

namespace {

std::string time_left(double seconds)
{
    if (!(seconds > 0))
        return {};
    const auto s = static_cast<long long>(std::ceil(seconds));
    return s < 3600 ? fmt::format("  {}:{:02} left", s / 60, s % 60)
                    : fmt::format("  {}:{:02}:{:02} left", s / 3600, s / 60 % 60, s % 60);
}

std::string line_of(const weightscope::progress& state, std::size_t width)
{
    constexpr std::size_t bar = 20;
    const double fraction = state.done == state.total ? 1.0 : std::clamp(state.fraction, 0.0, 0.999);  // sums round
    const auto full = static_cast<std::size_t>(fraction * bar);
    const std::string head =
        fmt::format("[{}{}] {:3.0f} %  {}/{}  ", std::string(full, '#'), std::string(bar - full, '.'),
                    std::floor(100 * fraction), state.done, state.total);
    const std::string tail = time_left(state.seconds_left);
    const std::size_t taken = std::min(width, head.size() + tail.size());
    return shortened(head + shortened(harmless(state.name), width - taken) + tail, width);
}

}  // namespace

progress_mode progress_mode_of(const std::string& word)
{
    return word == "never" ? progress_mode::never : word == "always" ? progress_mode::always : progress_mode::automatic;
}

progress_line::progress_line(progress_mode mode) : overwrites_(is_terminal(stderr))
{
    if (mode == progress_mode::always || (mode == progress_mode::automatic && overwrites_))
        printer_ = std::thread([this] { print_regularly(); });
}

progress_line::~progress_line()
{
    if (!printer_.joinable())
        return;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    stopping_.notify_one();
    printer_.join();
    if (length_ > 0)
        (void)write_now(stderr, "\r" + std::string(length_, ' ') + "\r");
    set_line_open(false);
}

void progress_line::show(const weightscope::progress& state)
{
    const std::lock_guard lock(mutex_);
    name_ = state.name;
    state_ = state;
    state_.name = name_;
    updated_ = clock::now();
    has_news_ = true;
}

void progress_line::print_regularly()
{
    const auto interval = overwrites_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1000);
    std::unique_lock lock(mutex_);
    while (!stopping_.wait_for(lock, interval, [this] { return stopped_; }))
        if (overwrites_ ? state_.total > 0 : has_news_)
            print();
    if (!overwrites_ && has_news_)
        print();
}

void progress_line::print()
{
    has_news_ = false;
    weightscope::progress now = state_;
    now.seconds_left -= std::chrono::duration<double>(clock::now() - updated_).count();
    if (!overwrites_) {
        constexpr std::size_t widest = 1000;
        (void)write_now(stderr, line_of(now, widest) + "\n");
        return;
    }
    std::string line = line_of(now, terminal_width() - 1);
    const std::size_t length = display_width(line);
    line.append(length_ > length ? length_ - length : 0, ' ');
    (void)write_now(stderr, "\r" + line);
    length_ = length;
    set_line_open(true);
}
